/** Where a suite runs, and the proof that it leaves the machine as it was. */
import { until } from "../src/async/wait.ts";
import { killMarked } from "./child.ts";
import {
  differences,
  type MachineState,
  readMachineState,
  type StateOptions,
} from "./machine_state.ts";
import { releaseBelow, removeFolder } from "./mounts.ts";
import { readIfThere } from "./paths.ts";

/**
 * A process that was told to stop, or a lazy close, needs a moment; what is there after it was left
 * behind.
 */
const SETTLE_MS = 5000;

interface SurroundingsOptions {
  interpreted: boolean;
  /** Others work on this machine too. */
  shared: boolean;
}

/** A part of a suite that runs beside others: what it starts and makes is its own. */
export interface Lane {
  env: Record<string, string>;
  /** Ends what still runs with the lane's mark, and takes its mounts and temporary files away. */
  clear: () => Promise<void>;
}

/**
 * One suite's own place: environment, temporary folder, and what the machine looked like before.
 */
export class Surroundings implements AsyncDisposable {
  readonly tmp: string;
  readonly env: Record<string, string>;
  readonly #state: StateOptions;
  readonly #lanes: string[] = [];
  #before: MachineState | undefined;

  private constructor(tmp: string, options: SurroundingsOptions) {
    this.tmp = tmp;
    this.#state = {
      mark: { name: "PSO_SUITE", value: tmp },
      tmp: `${tmp}/t`,
      shared: options.shared,
    };
    this.env = {
      PSO_SUITE: tmp,
      TMPDIR: `${tmp}/t`,
      PSO_SKIPS: `${tmp}/skips`,
      RUST_BACKTRACE: "0",
    };
    if (options.interpreted) this.env.PSO_INTERPRETED = "1";
  }

  static async open(options: SurroundingsOptions): Promise<Surroundings> {
    const tmp = await Deno.makeTempDir({ prefix: "pso-" });
    await Deno.mkdir(`${tmp}/t`);
    const around = new Surroundings(tmp, options);
    around.#before = await readMachineState(around.#state);
    return around;
  }

  /** What the suite left behind or took away. */
  async leftovers(): Promise<string[]> {
    const before = this.#before;
    if (!before) return [];
    let found: string[] = [];
    const isAsBefore = async () => {
      // A lane's folder goes when it is empty; what is in it is a leftover.
      for (const lane of this.#lanes) await Deno.remove(lane).catch(() => {});
      found = differences(before, await readMachineState(this.#state));
      return found.length === 0;
    };
    await until("the machine is as before", isAsBefore, { timeoutMs: SETTLE_MS, intervalMs: 100 })
      .catch(() => {});
    return found;
  }

  async skips(): Promise<string[]> {
    return (await readIfThere(`${this.tmp}/skips`) ?? "").split("\n").filter((line) => line !== "");
  }

  /** The place of what runs beside others; its number is its own. */
  async lane(number: number): Promise<Lane> {
    const tmp = `${this.tmp}/t/${number}`;
    const mark = "PSO_LANE";
    const release = async () => {
      await killMarked(mark, tmp);
      await releaseBelow([tmp]);
      await removeFolder(tmp);
    };
    await Deno.mkdir(tmp);
    this.#lanes.push(tmp);
    return {
      env: { ...this.env, [mark]: tmp, TMPDIR: tmp },
      clear: async () => {
        await release();
        await Deno.mkdir(tmp);
      },
    };
  }

  async #release(): Promise<void> {
    await killMarked(this.#state.mark.name, this.#state.mark.value);
    await releaseBelow([this.tmp]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release();
    await removeFolder(this.tmp);
  }
}
