/**
 * One process of a stand: started with its log in a file, found again by its mark, and ended for
 * certain. Linux only; runs with -A.
 */
import { pause, until } from "../src/async/wait.ts";
import { readIfThere } from "./paths.ts";
import type { Launch } from "./program.ts";

/**
 * Every process of a stand carries this variable with the stand's folder, its children too: a later
 * run finds by it what was left.
 */
export const MARK = "PSO_STAND";

const KILL_WAIT_MS = 10_000;

/** How a process ended: its exit code, and the signal if one ended it. */
export type Ended = Deno.CommandStatus;

export interface ChildOptions {
  env?: Record<string, string>;
  /** File that its stdout and stderr are added to. */
  log: string;
  /** The stand's folder. */
  mark: string;
}

/**
 * A started process. Its output goes straight to its log file, so it lives on, as a daemon does,
 * when the starter is killed.
 */
export class Child {
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly #log: string;
  readonly #logFrom: number;
  #hasEnded = false;

  private constructor(
    name: string,
    options: { process: Deno.ChildProcess; log: string; logFrom: number },
  ) {
    this.name = name;
    this.pid = options.process.pid;
    this.#log = options.log;
    this.#logFrom = options.logFrom;
    this.ended = options.process.status.then((status) => {
      this.#hasEnded = true;
      return status;
    });
  }

  static start(name: string, launch: Launch, options: ChildOptions): Child {
    const logFrom = logLength(options.log);
    const process = new Deno.Command("sh", {
      args: [
        "-c",
        'log=$1; shift; exec "$@" >>"$log" 2>&1',
        "sh",
        options.log,
        launch.command,
        ...launch.args,
      ],
      env: { ...options.env, [MARK]: options.mark },
      stdin: "null",
      stdout: "null",
      stderr: "null",
      // a process group of its own: Ctrl-C reaches the starter alone, which then stops all in order
      detached: true,
    }).spawn();
    return new Child(name, { process, log: options.log, logFrom });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What this life of the process wrote so far. */
  async output(): Promise<string> {
    return new TextDecoder().decode((await Deno.readFile(this.#log)).subarray(this.#logFrom));
  }

  /** The last lines of its output, for an error message. */
  async lastWords(lines = 15): Promise<string> {
    return (await this.output()).trimEnd().split("\n").slice(-lines).join("\n");
  }

  /**
   * Waits for `fact`; throws with its last words when the process ends first, the time is over or
   * the signal fires.
   */
  async becomes<T>(
    what: string,
    fact: () => Promise<T | undefined | false>,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<T> {
    try {
      return await until(`${this.name}: ${what}`, () => {
        if (this.#hasEnded) throw new Error(`${this.name} ended before it was so that ${what}`);
        return fact();
      }, { ...options, intervalMs: 20 });
    } catch (error) {
      throw new Error(
        `${error instanceof Error ? error.message : error}; the end of ${this.#log}:\n${await this
          .lastWords()}`,
      );
    }
  }

  /** Sends a signal; a process that has ended is left alone. */
  signal(signal: Deno.Signal): void {
    if (!this.#hasEnded) sendSignal(this.pid, signal);
  }

  /** SIGTERM, and SIGKILL when it has not ended within `graceMs`. True when it ended by itself. */
  async stop(graceMs: number): Promise<boolean> {
    this.signal("SIGTERM");
    const over = new AbortController();
    const inTime = await Promise.race([
      this.ended.then(() => true),
      pause(graceMs, over.signal).then(() => false, () => false),
    ]);
    over.abort();
    if (!inTime) this.signal("SIGKILL");
    await this.ended;
    return inTime;
  }
}

/**
 * Makes the file when it is not there yet, so that it can be read before the process has written
 * anything.
 */
function logLength(path: string): number {
  using file = Deno.openSync(path, { create: true, append: true });
  return file.statSync().size;
}

function sendSignal(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it ended meanwhile
  }
}

/** The processes whose environment holds `name=value`, but for this one; zombies have none. */
export async function processesWith(name: string, value: string): Promise<number[]> {
  const found: number[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    // ended between the two reads
    const environment = await readIfThere(`/proc/${pid}/environ`).catch(() => undefined);
    if (environment?.split("\0").includes(`${name}=${value}`)) found.push(pid);
  }
  return found;
}

/**
 * Ends with SIGKILL every process whose environment holds `name=value`, by its id, and waits until
 * all are gone. Gives back the ids.
 */
export function killMarked(name: string, value: string): Promise<number[]> {
  return endAll(`with ${name}=${value}`, () => processesWith(name, value));
}

/**
 * Ends with SIGKILL every process that `find` answers, by its id, and waits until it answers none;
 * `which` says in a message which they are. Gives back the ids.
 */
export async function endAll(which: string, find: () => Promise<number[]>): Promise<number[]> {
  const left = await find();
  for (const pid of left) sendSignal(pid, "SIGKILL");
  await until(
    `the processes ${left.join(", ")} ${which} gone`,
    async () => (await find()).length === 0,
    { timeoutMs: KILL_WAIT_MS },
  );
  return left;
}
