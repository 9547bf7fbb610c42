import { KeyedQueue } from "../src/async/keyed_queue.ts";
import { tryTool } from "./shell.ts";
import { applyMutation, type Mutation } from "./source/mutations.ts";
import { TEST_COMMAND } from "./suites.ts";

/** How a test run of a copy ended; one that does not end in time counts as noticed. */
export type Outcome = "passed" | "failed" | "hung";

/** Compiling means: `deno check` of the file passes, unused names allowed. */
export type Verdict =
  | { kind: "does not compile" }
  | { kind: "survived" }
  | { kind: "noticed"; by: string; isHung: boolean };

const CHECK_TIMEOUT_MS = 120_000;
/** What a run may take beyond four times its usual length, for a machine that is busy. */
const SLACK_MS = 20_000;

/** A copy of the checkout in a folder of its own, in which tests run. */
export class Copy {
  readonly #folder: string;
  readonly #deno: string;

  private constructor(folder: string, deno: string) {
    this.#folder = folder;
    this.#deno = deno;
  }

  /**
   * Copies what git knows or would add, as it is on disk, into `folder`. In the copy a name may be
   * unused: a fault that only leaves an import unused is not noticed by that.
   */
  static async make(root: string, folder: string): Promise<Copy> {
    await Deno.mkdir(`${folder}/tmp`, { recursive: true });
    const script = 'git -C "$1" ls-files -z -co --exclude-standard | ' +
      'tar -C "$1" --null --ignore-failed-read -cf - -T - 2>/dev/null | tar -C "$2" -xf -';
    const { code, stderr } = await tryTool("bash", ["-c", script, "bash", root, folder]);
    if (code !== 0) throw new Error(`cannot copy ${root} to ${folder}: ${stderr.trim()}`);
    const file = `${folder}/deno.json`;
    const settings = JSON.parse(await Deno.readTextFile(file));
    settings.compilerOptions.noUnusedLocals = false;
    settings.compilerOptions.noUnusedParameters = false;
    await Deno.writeTextFile(file, JSON.stringify(settings));
    return new Copy(folder, `${root}/.tools/bin/deno`);
  }

  /** Runs `action` while the copy holds the fault, and takes it out again. */
  async holding<T>(mutation: Mutation, action: () => Promise<T>): Promise<T> {
    const file = `${this.#folder}/${mutation.path}`;
    const text = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, applyMutation(text, mutation));
    try {
      return await action();
    } finally {
      await Deno.writeTextFile(file, text);
    }
  }

  /** True when the file passes the compiler. */
  async compiles(path: string): Promise<boolean> {
    const { code } = await this.#run(["check", "--quiet", path], CHECK_TIMEOUT_MS);
    return code === 0;
  }

  /** Runs test files one after the other until a test fails. */
  async test(paths: string[], timeoutMs: number): Promise<Outcome> {
    const args = [...TEST_COMMAND, "--quiet", "--no-check", "--fail-fast", ...paths];
    const { code } = await this.#run(args, timeoutMs);
    // 124 and 137 are timeout's own: it ended the tests, by SIGKILL in the end
    if (code === 124 || code === 137) return "hung";
    return code === 0 ? "passed" : "failed";
  }

  /**
   * A faulty program may leave mounts and processes: as root they are in namespaces that end with
   * the run.
   */
  async #run(args: string[], timeoutMs: number) {
    const apart = ["-m", "-p", "-f", "--kill-child", "--mount-proc"];
    const [tool, own] = Deno.uid() === 0 ? ["unshare", [...apart, this.#deno]] : [this.#deno, []];
    const env = { TMPDIR: `${this.#folder}/tmp`, NO_COLOR: "1" };
    return await tryTool(tool, [...own, ...args], { cwd: this.#folder, env, timeoutMs });
  }
}

/** What each test file does while the code is right, found out at the first question. */
export class Baseline {
  readonly #copy: Copy;
  readonly #turns = new KeyedQueue();
  readonly #known = new Map<string, Promise<number | undefined>>();
  /** Test files that fail without any fault: they can notice none. */
  readonly failing: string[] = [];

  /** `copy` must never hold a fault. */
  constructor(copy: Copy) {
    this.#copy = copy;
  }

  /** How long the file takes in milliseconds, or undefined when it fails. */
  duration(path: string): Promise<number | undefined> {
    const known = this.#known.get(path) ?? this.#measure(path);
    this.#known.set(path, known);
    return known;
  }

  /** One after the other: forty at once take each other's time, and those that wait for it fail. */
  #measure(path: string): Promise<number | undefined> {
    return this.#turns.inTurn("", async () => {
      const started = performance.now();
      if (await this.#copy.test([path], 600_000) === "passed") return performance.now() - started;
      this.failing.push(path);
      return undefined;
    }, undefined);
  }
}

/** Where a fault is tried. */
export interface Trial {
  copy: Copy;
  baseline: Baseline;
  mutation: Mutation;
  /** Test files that could notice it, in the order in which they are run, a step at a time. */
  steps: string[][];
}

/** Tries one fault: the compiler first, then step by step until a test fails. */
export async function tryMutation({ copy, baseline, mutation, steps }: Trial): Promise<Verdict> {
  const isCompiling = await copy.holding(mutation, () => copy.compiles(mutation.path));
  if (!isCompiling) return { kind: "does not compile" };
  for (const step of steps) {
    const durations = await Promise.all(step.map((path) => baseline.duration(path)));
    const usable = step.filter((_, index) => durations[index] !== undefined);
    if (usable.length === 0) continue;
    const usualMs = durations.reduce((sum: number, one) => sum + (one ?? 0), 0);
    const timeoutMs = SLACK_MS + 4 * usualMs;
    const outcome = await copy.holding(mutation, () => copy.test(usable, timeoutMs));
    if (outcome === "passed") continue;
    return { kind: "noticed", by: commonName(usable), isHung: outcome === "hung" };
  }
  return { kind: "survived" };
}

/** One file's name, or how many there are and in which folder of the checkout they begin. */
function commonName(paths: string[]): string {
  const [first = ""] = paths;
  if (paths.length === 1) return first;
  return `${paths.length} files of ${first.split("/").slice(0, 2).join("/")}`;
}
