/** A simulated fleet on this machine that pods of a cluster reach, and whose local plane nodes see. */
import { parse, stringify } from "@std/yaml";
import { Child } from "../../scripts/child.ts";
import { releaseBelow, shareFolder } from "../../scripts/mounts.ts";
import { ENVIRONMENT, launchOf } from "../../scripts/program.ts";
import type { ArrayFacts } from "../../scripts/stand.ts";

const START_MS = 60_000;
const STOP_MS = 30_000;

/** What the simulator says of itself, in `arrays.json`. */
interface FleetFacts {
  control: string;
  plane: string;
  values: string;
  arrays: ArrayFacts[];
}

/** One call that an array answered, as the simulator's log of requests has it. */
interface SeenRequest {
  array: string;
  method: string;
  path: string;
  client: string;
  /** When it was answered. */
  timeMs: number;
  durationMs: number;
}

/** How often one call was made. */
interface CallCount {
  array: string;
  method: string;
  path: string;
  count: number;
}

/** What all arrays together did for whoever called them in some time. */
export interface ArrayWork {
  calls: number;
  /** Of all calls, one after the other. */
  sumMs: number;
  /** How long at least one call was under way. */
  busyMs: number;
  /** False: there were more calls than the simulator tells, and these are the last ones. */
  isWhole: boolean;
}

/** The simulator tells so many calls. */
const TOLD = 1000;

export class Fleet {
  readonly #dir: string;
  readonly #labels = new Map<string, Record<string, string>>();
  #child: Child | undefined;
  #facts: FleetFacts | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Makes the folder, before the cluster starts: what is mounted below it later shows up on the
   * nodes, because it is a shared mount when their mounts are copied.
   */
  static async prepare(dir: string): Promise<Fleet> {
    await Deno.mkdir(dir);
    await shareFolder(dir);
    return new Fleet(dir);
  }

  /** Starts it at an address that the cluster has made by then. */
  async start(listen: string): Promise<void> {
    const { command, args } = launchOf();
    const state = `${this.#dir}/state`;
    const launch = {
      command,
      args: [
        ...args,
        ...["simulate", "--flasharrays", "3", "--flashblades", "1"],
        ...["--state", state, "--listen", listen],
      ],
    };
    const log = `${this.#dir}/simulator.log`;
    const child = Child.start("simulator", launch, { env: ENVIRONMENT, log, mark: this.#dir });
    this.#child = child;
    await child.becomes("ready", async () => (await child.output()).split("\n").includes("ready"), {
      timeoutMs: START_MS,
    });
    this.#facts = JSON.parse(await Deno.readTextFile(`${state}/arrays.json`));
  }

  /** Ends it after the cluster: then nobody uses its plane any more. */
  async stop(): Promise<void> {
    await this.#child?.stop(STOP_MS);
    await releaseBelow([this.#dir]);
  }

  get facts(): FleetFacts {
    if (!this.#facts) throw new Error("the simulator has not started");
    return this.#facts;
  }

  /** An array by its name. */
  array(name: string): ArrayFacts {
    const found = this.facts.arrays.find((one) => one.name === name);
    if (!found) throw new Error(`there is no array ${name}`);
    return found;
  }

  /** Gives an array labels, which the next values have. */
  label(name: string, labels: Record<string, string>): void {
    this.#labels.set(name, labels);
  }

  /**
   * The key `arrays` of a values file, with the certificates themselves where the simulator names
   * files of this machine; without those arrays that `left` names.
   */
  async values(...left: string[]): Promise<Record<string, unknown[]>> {
    const { arrays } = Object(parse(await Deno.readTextFile(this.facts.values)));
    const lists: Record<string, unknown[]> = {};
    for (const [kind, entries] of Object.entries<ArrayEntry[]>(arrays)) {
      const kept = entries.filter(({ Labels }) => !left.includes(Labels.array ?? ""));
      lists[kind] = await Promise.all(
        kept.map(async (entry) => ({
          ...entry,
          Name: entry.Labels.array,
          Labels: { ...entry.Labels, ...this.#labels.get(entry.Labels.array ?? "") },
          CACert: await Deno.readTextFile(entry.CACert),
        })),
      );
    }
    return lists;
  }

  /** A call of the control endpoint. */
  async control(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.facts.control}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} of the simulator: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** What the arrays did since that moment (Date.now()). */
  async workSince(fromMs: number): Promise<ArrayWork> {
    const all = await this.requests();
    const calls = all.filter(({ timeMs }) => timeMs >= fromMs);
    return {
      calls: calls.length,
      sumMs: calls.reduce((sum, { durationMs }) => sum + durationMs, 0),
      busyMs: busyMs(calls, fromMs),
      isWhole: calls.length < TOLD,
    };
  }

  /** How often each call was made since the log was begun anew. */
  async counts(): Promise<CallCount[]> {
    return Object(await this.control("GET", "/requests")).counts;
  }

  /** The newest calls, oldest first. */
  async requests(): Promise<SeenRequest[]> {
    return Object(await this.control("GET", "/requests")).last;
  }
}

/** How long at least one of these calls was under way after that moment. */
function busyMs(calls: readonly SeenRequest[], fromMs: number): number {
  const begins = ({ timeMs, durationMs }: SeenRequest) => Math.max(fromMs, timeMs - durationMs);
  let busy = 0;
  let until = fromMs;
  for (const call of calls.toSorted((one, other) => begins(one) - begins(other))) {
    busy += Math.max(0, call.timeMs - Math.max(until, begins(call)));
    until = Math.max(until, call.timeMs);
  }
  return busy;
}

/** One array in the simulator's values file. */
interface ArrayEntry {
  CACert: string;
  Labels: Record<string, string>;
}

/** Text of a values file. */
export function valuesText(values: Record<string, unknown>): string {
  return stringify(values);
}
