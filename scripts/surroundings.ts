/** Where a suite runs, and the proof that it leaves the machine as it was. */
import { until } from "../src/async/wait.ts";
import { killMarked } from "./child.ts";
import {
  differences,
  type MachineState,
  readMachineState,
  spaceLines,
  type StateOptions,
} from "./machine_state.ts";
import { MountSpace } from "./mount_space.ts";
import { releaseBelow, removeFolder } from "./mounts.ts";
import { readIfThere } from "./paths.ts";
import { ROOT } from "./program.ts";
import { say } from "./shell.ts";

/**
 * A process that was told to stop, or a lazy close, needs a moment; what is there after it was left
 * behind.
 */
const SETTLE_MS = 5000;

/** Environment variable that the processes of one lane carry. */
const LANE_MARK = "PSO_LANE";

interface SurroundingsOptions {
  interpreted: boolean;
  /** Others work on this machine too. */
  shared: boolean;
  /** How often a test runs its part that hangs on chance; absent: once, with all else. */
  repeat?: string;
}

/** A part of a suite that runs beside others: what it starts, makes and mounts is its own. */
export class Lane implements AsyncDisposable {
  readonly name: string;
  readonly env: Record<string, string>;
  readonly #tmp: string;
  readonly #space: MountSpace | undefined;

  /** Without `space` it mounts where the runner does. */
  constructor(around: Surroundings, name: string, space?: MountSpace) {
    this.name = name;
    this.#tmp = `${around.tmp}/t/${name}`;
    this.#space = space;
    this.env = { ...around.env, [LANE_MARK]: this.#tmp, TMPDIR: this.#tmp };
  }

  /** The command, run in this lane and in the project's folder. */
  command(args: string[]): string[] {
    return this.#space ? [...this.#space.enter, "env", "-C", ROOT, ...args] : args;
  }

  /** Makes its folder for temporary files. */
  async begin(): Promise<void> {
    await Deno.mkdir(this.#tmp);
  }

  /** Takes its folder away when it is empty; what is in it is a leftover. */
  async endFolder(): Promise<void> {
    await Deno.remove(this.#tmp).catch(() => {});
  }

  /** Ends what still runs in it, and takes its mounts and temporary files away, for a new start. */
  async clear(): Promise<void> {
    await this.#release();
    await this.begin();
  }

  async #release(): Promise<void> {
    await killMarked(LANE_MARK, this.#tmp);
    await this.#space?.endProcesses();
    await releaseBelow([this.#tmp], this.#space);
    await removeFolder(this.#tmp, this.#space);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#release();
    } finally {
      await this.#space?.[Symbol.asyncDispose]();
    }
  }
}

/**
 * One suite's own place: environment, temporary folder, and what the machine looked like before.
 */
export class Surroundings implements AsyncDisposable {
  readonly tmp: string;
  readonly env: Record<string, string>;
  readonly #state: StateOptions;
  readonly #lanes: Lane[] = [];
  #before: MachineState | undefined;

  private constructor(tmp: string, options: SurroundingsOptions) {
    this.tmp = tmp;
    this.#state = {
      mark: { name: "PSO_SUITE", value: tmp },
      tmp: `${tmp}/t`,
      shared: options.shared,
      spaces: new Map(),
    };
    this.env = {
      PSO_SUITE: tmp,
      TMPDIR: `${tmp}/t`,
      PSO_SKIPS: `${tmp}/skips`,
      RUST_BACKTRACE: "0",
    };
    if (options.interpreted) this.env.PSO_INTERPRETED = "1";
    if (options.repeat !== undefined) this.env.PSO_REPEAT = options.repeat;
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
      for (const lane of this.#lanes) await lane.endFolder();
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

  /**
   * Places for `count` processes at once, each with a mount namespace of its own: copies of `/` in
   * one namespace keep the mounts and devices of the others busy. Where the machine refuses a
   * namespace there is one place, and that is said. Without root nothing can be mounted, and none
   * is needed.
   */
  async lanes(count: number, openSpace = MountSpace.open): Promise<Lane[]> {
    const spaces: MountSpace[] = [];
    try {
      // all before anything is mounted in one of them
      while (Deno.uid() === 0 && spaces.length < count) spaces.push(await openSpace());
    } catch (error) {
      for (const space of spaces) await space[Symbol.asyncDispose]();
      say(
        "*** one process at a time, because this machine makes no mount namespace for each: " +
          (error instanceof Error ? error.message : error),
      );
      return [await this.alone()];
    }
    const names = Array.from({ length: count }, (_, number) => String(number));
    return await Promise.all(names.map((name, number) => this.#addLane(name, spaces[number])));
  }

  /** The place of what has nothing beside it and mounts where this process does. */
  async alone(): Promise<Lane> {
    return await this.#addLane("alone");
  }

  async #addLane(name: string, space?: MountSpace): Promise<Lane> {
    const lane = new Lane(this, name, space);
    this.#lanes.push(lane);
    await lane.begin();
    if (space) {
      this.#state.spaces.set(name, space);
      this.#before?.mounts.push(...await spaceLines(this.#state, name, space));
    }
    return lane;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killMarked(this.#state.mark.name, this.#state.mark.value);
    const ends = await Promise.allSettled(this.#lanes.map((lane) => lane[Symbol.asyncDispose]()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    await releaseBelow([this.tmp]);
    await removeFolder(this.tmp);
  }
}
