/** Runs test suites and sums them up. Usage stands in `scripts/test`. */
import { pause, until } from "../src/async/wait.ts";
import { killMarked } from "./child.ts";
import {
  differences,
  type MachineState,
  readMachineState,
  type StateOptions,
} from "./machine_state.ts";
import { releaseBelow, removeFolder } from "./mounts.ts";
import { exists, readIfThere } from "./paths.ts";
import { DENO, ROOT } from "./program.ts";
import { complain, say } from "./shell.ts";
import { type Counts, filesOf, readCounts, skippedIn, type Suite, SUITES } from "./suites.ts";

/**
 * A process that was told to stop, or a lazy close, needs a moment; what is there after it was left
 * behind.
 */
const SETTLE_MS = 5000;

interface Options {
  names: string[];
  /** Test files to run; none: all of the suite. */
  files: string[];
  interpreted: boolean;
  shared: boolean;
  isCi: boolean;
}

interface Outcome extends Counts {
  name: string;
  ms: number;
  /** What is not tested and why, and the names of tests that were skipped without a word. */
  skips: string[];
  problems: string[];
}

/** Fires at Ctrl-C: what runs is ended, what it made is taken away, and nothing more is started. */
const interruption = new AbortController();

interface RunOptions {
  env: Record<string, string>;
  timeoutMs: number;
  /** Both outputs are shown when the command has ended, for those that run side by side. */
  late?: boolean;
}

/**
 * Runs a command with its output shown as it comes; gives back its code and what it wrote to
 * stdout. Ends its whole group at the deadline.
 */
async function runShown(
  args: string[],
  options: RunOptions,
): Promise<{ code: number; output: string }> {
  const child = new Deno.Command("timeout", {
    args: ["-k", "10", String(options.timeoutMs / 1000), ...args],
    cwd: ROOT,
    env: options.env,
    stdin: "null",
    stdout: "piped",
    stderr: options.late ? "piped" : "inherit",
  }).spawn();
  const stop = () => child.kill("SIGTERM"); // timeout(1) passes it on to the whole group
  interruption.signal.addEventListener("abort", stop);
  let output = "";
  let shownLate = "";
  const read = async (stream: ReadableStream<Uint8Array>, { isOutput }: { isOutput: boolean }) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const text = decoder.decode(bytes, { stream: true });
      if (options.late) shownLate += text;
      else Deno.stdout.writeSync(bytes);
      if (isOutput) output += text;
    }
  };
  const reading = Promise.all([
    read(child.stdout, { isOutput: true }),
    options.late ? read(child.stderr, { isOutput: false }) : undefined,
  ]);
  const { code } = await child.status;
  interruption.signal.removeEventListener("abort", stop);
  // A process that a test left behind may hold the pipe for ever; it is found and named by the
  // comparison of the machine.
  const over = new AbortController();
  await Promise.race([reading, pause(SETTLE_MS, over.signal).catch(() => {})]);
  over.abort();
  if (options.late) say(shownLate.trimEnd());
  return { code, output };
}

/**
 * One suite's own place: environment, temporary folder, and what the machine looked like before.
 */
class Surroundings implements AsyncDisposable {
  readonly tmp: string;
  readonly env: Record<string, string>;
  readonly #state: StateOptions;
  #before: MachineState | undefined;

  private constructor(tmp: string, options: Options) {
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

  static async open(options: Options): Promise<Surroundings> {
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

  /** Ends what still runs with the suite's mark, and takes its mounts and temporary files away. */
  async clear(): Promise<void> {
    await this.#release();
    await removeFolder(`${this.tmp}/t`);
    await Deno.mkdir(`${this.tmp}/t`);
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

/**
 * What `timeout` answers when the process it ran was ended by one of these signals: the runtime
 * broke down, no test said anything.
 */
const BREAKDOWNS = [128 + 6, 128 + 11];

interface TestRun {
  around: Surroundings;
  flags: string[];
  timeoutMs: number;
}

/**
 * Runs test files in one process. When that breaks down, it is run once more, and both are said: a
 * gRPC client of this runtime can corrupt its own memory (denoland/deno#36788); the product's side
 * is repaired, and no test fails by it.
 */
async function runFiles(files: string[], { around, flags, timeoutMs }: TestRun): Promise<Counts> {
  const once = () => runShown([DENO, ...flags, ...files], { env: around.env, timeoutMs });
  let { code, output } = await once();
  if (BREAKDOWNS.includes(code)) {
    say(
      `*** the process of ${
        files.join(", ")
      } broke down with code ${code}, which is a fault of the runtime: it is run once more`,
    );
    await around.clear();
    ({ code, output } = await once());
  }
  return readCounts(output, code);
}

const LAB = `${ROOT}/tests/lab/lab`;

/** Why no guest can be started here, after installing what is missing; `undefined` when one can. */
async function guestProblem(around: Surroundings, timeoutMs: number): Promise<string | undefined> {
  if (Deno.uid() !== 0) {
    return "a guest needs root, for the packages it is made of and for the machine it runs on";
  }
  const { code } = await runShown([LAB, "build"], { env: around.env, timeoutMs });
  return code === 0
    ? undefined
    : `the guest cannot be built here (code ${code}): see what is said above`;
}

/**
 * A guest waits for devices and time-outs most of its life, and one emulated processor is busy at a
 * time: two take little longer than one.
 */
const GUESTS_AT_ONCE = 2;

/**
 * Runs each test file in a guest of its own, some side by side. A guest has no network: what the
 * tests import is fetched before.
 */
async function runInGuests(
  files: string[],
  run: { around: Surroundings; timeoutMs: number; isCi: boolean },
): Promise<Counts[]> {
  const frozen = run.isCi ? ["--frozen"] : [];
  const cache = [DENO, "cache", "--quiet", ...frozen, ...files, `${ROOT}/main.ts`];
  const { code } = await runShown(cache, { env: {}, timeoutMs: run.timeoutMs });
  if (code !== 0) return [{ passed: 0, failed: 1, skipped: 0 }];
  const waiting = [...files];
  const counts: Counts[] = [];
  const work = async () => {
    for (
      let file = waiting.shift();
      file !== undefined && !interruption.signal.aborted;
      file = waiting.shift()
    ) {
      counts.push(
        await runInGuest(file, run).catch((error) => {
          complain(`test: ${file}: ${error}`);
          return { passed: 0, failed: 1, skipped: 0 };
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: GUESTS_AT_ONCE }, work));
  return counts;
}

async function runInGuest(
  file: string,
  { around, timeoutMs }: { around: Surroundings; timeoutMs: number },
): Promise<Counts> {
  say(`--- ${file} begins`);
  const begun = performance.now();
  const onHost = file.replace("_test.ts", "_host.ts");
  if (await exists(`${ROOT}/${onHost}`)) {
    const { code } = await runShown([DENO, "run", "-A", "--no-check", onHost], {
      env: around.env,
      timeoutMs,
    });
    if (code !== 0) return { passed: 0, failed: 1, skipped: 0 };
  }
  const seconds = String(timeoutMs / 1000 - 30);
  const env = { ...around.env, DENO, TMPDIR: "/tmp" };
  const passed = around.env.PSO_INTERPRETED === undefined ? [] : ["-e", "PSO_INTERPRETED"];
  const boot = (flags: string[], command: string) =>
    runShown([LAB, "run", "-C", ROOT, "-t", seconds, ...passed, ...flags, `deno ${command}`], {
      env,
      timeoutMs,
      late: true,
    });
  const setup = file.replace("_test.ts", "_setup.ts");
  const hasFirstLife = await exists(`${ROOT}/${setup}`);
  const disk = hasFirstLife ? ["-d", `${around.tmp}/disk`] : [];
  try {
    const first = hasFirstLife
      ? await boot(disk, `run -A --no-check --cached-only ${setup}`)
      : undefined;
    if (first && first.code !== 0) return { passed: 0, failed: 1, skipped: 0 };
    const { code, output } = await boot(disk, `test -A --no-check --cached-only ${file}`);
    say(`--- ${file} took ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    return readCounts(output, code);
  } finally {
    // a guest that never began has made none
    if (hasFirstLife) await Deno.remove(`${around.tmp}/disk`).catch(() => {});
  }
}

/** All test files below the paths, each once. */
function testFiles(paths: string[]): string[] {
  const found = paths.flatMap((path) => {
    if (path.endsWith("_test.ts")) return [path];
    return [...Deno.readDirSync(`${ROOT}/${path}`)].flatMap(({ name, isDirectory }) =>
      isDirectory
        ? testFiles([`${path}/${name}`])
        : name.endsWith("_test.ts")
        ? [`${path}/${name}`]
        : []
    ).sort();
  });
  return [...new Set(found)];
}

async function runTests(
  suite: Suite,
  files: string[],
  options: { around: Surroundings; isCi: boolean },
): Promise<Counts & { skips: string[] }> {
  const { around } = options;
  const problem = suite.inGuest ? await guestProblem(around, suite.timeoutMs) : undefined;
  if (problem !== undefined && !options.isCi) {
    return { passed: 0, failed: 0, skipped: 1, skips: [`the whole suite: ${problem}`] };
  }
  const junit = `${around.tmp}/junit.xml`;
  const flags = ["test", "-A", "--sanitize-ops", "--sanitize-resources", `--junit-path=${junit}`];
  if (options.isCi) flags.push("--frozen");
  const total: Counts & { skips: string[] } = { passed: 0, failed: 0, skipped: 0, skips: [] };
  const names: string[] = [];
  const run = { around, timeoutMs: suite.timeoutMs };
  const add = (counts: Counts) => {
    for (const kind of ["passed", "failed", "skipped"] as const) total[kind] += counts[kind];
  };
  if (suite.inGuest) {
    (await runInGuests(testFiles(files), { ...run, isCi: options.isCi })).forEach(add);
  }
  if (suite.inGuest && total.skipped > 0) {
    total.skips.push(`${total.skipped} in guests: the reasons stand in what the guests said`);
  }
  for (
    const group of suite.inGuest
      ? []
      : suite.eachAlone
      ? testFiles(files).map((file) => [file])
      : [files]
  ) {
    add(await runFiles(group, { ...run, flags }));
    names.push(...skippedIn(await readIfThere(junit) ?? ""));
  }
  const said = await around.skips();
  // A test in src/ cannot use skip(): its name says why.
  const silent = said.length === 0 && names.some((name) => !name.includes("(skipped: "))
    ? ["no reason was given"]
    : [];
  total.skips.push(...said, ...silent, ...names.map((name) => `  test: ${name}`));
  return total;
}

async function runChecks(suite: Suite, around: Surroundings): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, args } of suite.checks ?? []) {
    const { code } = await runShown([DENO, ...args], {
      env: around.env,
      timeoutMs: suite.timeoutMs,
    });
    say(`${code === 0 ? "ok" : "FAILED"}: ${name}`);
    if (code === 0) counts.passed++;
    else counts.failed++;
  }
  return counts;
}

async function runSuite(suite: Suite, options: Options): Promise<Outcome> {
  const begun = performance.now();
  say(`\n=== ${suite.name}: ${suite.what}`);
  const outcome: Outcome = {
    name: suite.name,
    passed: 0,
    failed: 0,
    skipped: 0,
    ms: 0,
    skips: [],
    problems: [],
  };
  if (suite.needsProgram && !options.interpreted) {
    const { code } = await runShown([`${ROOT}/scripts/build`, "--if-needed"], {
      env: {},
      timeoutMs: suite.timeoutMs,
    });
    if (code !== 0) {
      return {
        ...outcome,
        failed: 1,
        problems: [`the program could not be built (code ${code})`],
        ms: performance.now() - begun,
      };
    }
  }
  const around = await Surroundings.open(options);
  try {
    const all = filesOf(suite, [...Deno.readDirSync(`${ROOT}/tests`)].map((entry) => entry.name));
    const files = options.files.length > 0 ? options.files : all;
    if (suite.checks) Object.assign(outcome, await runChecks(suite, around));
    else Object.assign(outcome, await runTests(suite, files, { around, isCi: options.isCi }));
    const left = await around.leftovers();
    if (left.length > 0) {
      outcome.failed++;
      outcome.problems.push(
        "the machine is not as it was before (+ left behind, - taken away):",
        ...left.map((line) => `  ${line}`),
      );
    }
  } finally {
    await around[Symbol.asyncDispose]().catch((error) => {
      outcome.failed++;
      outcome.problems.push(String(error));
    });
  }
  outcome.ms = performance.now() - begun;
  for (const problem of outcome.problems) say(problem);
  return outcome;
}

function report(outcomes: Outcome[]): number {
  say("\n=== summary");
  for (const { name, passed, failed, skipped, ms } of outcomes) {
    say(
      `${name.padEnd(16)}${String(passed).padStart(5)} passed${String(failed).padStart(4)} failed${
        String(skipped).padStart(4)
      } skipped` +
        `${(ms / 1000).toFixed(1).padStart(8)} s`,
    );
  }
  for (const { name, problems } of outcomes.filter((outcome) => outcome.problems.length > 0)) {
    say(`\n*** ${name} FAILED: ${problems.join("\n    ")}`);
  }
  const unsaid = outcomes.filter((outcome) => outcome.skips.length > 0);
  if (unsaid.length > 0) say("\n*** SKIPPED, which means not tested on this machine:");
  for (const { name, skips } of unsaid) {
    for (const line of skips) say(`    ${name}: ${line}`);
  }
  const sum = (kind: keyof Counts) => outcomes.reduce((total, outcome) => total + outcome[kind], 0);
  const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
  say(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  return sum("failed") === 0 ? 0 : 1;
}

function readArguments(args: string[]): Options | string {
  const flags = args.filter((arg) => arg.startsWith("-"));
  const words = args.filter((arg) => !arg.startsWith("-"));
  const files = words.filter((word) => word.endsWith("_test.ts"));
  const names = words.filter((word) => !files.includes(word));
  const unknown = flags.find((flag) => !["--interpreted", "--shared"].includes(flag));
  if (unknown !== undefined) {
    return `${unknown} is not an option; there are --interpreted, --shared and --list`;
  }
  const missing = names.find((name) => !SUITES.some((suite) => suite.name === name));
  if (missing !== undefined) {
    return `there is no suite ${missing}; there are ${
      SUITES.map((suite) => suite.name).join(", ")
    }`;
  }
  if (files.length > 0 && names.length !== 1) {
    return `${files.join(" ")}: name the one suite that these files belong to before them`;
  }
  return {
    names,
    files,
    interpreted: flags.includes("--interpreted"),
    shared: flags.includes("--shared"),
    isCi: Deno.env.get("CI") === "true",
  };
}

async function main(args: string[]): Promise<number> {
  if (args.includes("--list")) {
    for (const suite of SUITES) say(`${suite.name.padEnd(16)}${suite.what}`);
    return 0;
  }
  const options = readArguments(args);
  if (typeof options === "string") {
    complain(`test: ${options}`);
    return 2;
  }
  const outcomes: Outcome[] = [];
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interruption.abort());
  }
  for (const suite of SUITES) {
    if (interruption.signal.aborted) break;
    if (options.names.length === 0 || options.names.includes(suite.name)) {
      outcomes.push(await runSuite(suite, options));
    }
  }
  if (interruption.signal.aborted) complain("test: interrupted; not every suite ran to its end");
  return Math.max(report(outcomes), interruption.signal.aborted ? 1 : 0);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
