/** Runs test suites and sums them up. Usage stands in `scripts/test`. */
import { guestProblem, runInGuests } from "./guests.ts";
import { readIfThere } from "./paths.ts";
import { DENO, ROOT } from "./program.ts";
import { inLanes, interruption, runShown } from "./run_shown.ts";
import { complain, say } from "./shell.ts";
import {
  chosenSuites,
  type Counts,
  filesOf,
  groupsOf,
  readCounts,
  skippedIn,
  type Suite,
  SUITES,
  TEST_COMMAND,
  testFiles,
} from "./suites.ts";
import { type Lane, Surroundings } from "./surroundings.ts";

interface Options {
  names: string[];
  /** Test files to run; none: all of the suite. */
  files: string[];
  interpreted: boolean;
  shared: boolean;
  isCi: boolean;
  /** How often the part of a suite runs that hangs on chance; absent: once, with all else. */
  repeat?: string;
}

interface Outcome extends Counts {
  name: string;
  ms: number;
  /** What is not tested and why, and the names of tests that were skipped without a word. */
  skips: string[];
  problems: string[];
}

/**
 * What `timeout` answers when the process it ran was ended by one of these signals: the runtime
 * broke down, no test said anything.
 */
const BREAKDOWNS = [128 + 6, 128 + 11];

interface TestRun {
  place: Lane;
  flags: string[];
  timeoutMs: number;
  /** See runShown(). */
  late: boolean;
}

/**
 * Runs test files in one process. When that breaks down, they are run again, twice at most, and
 * each time it is said: a gRPC client of this runtime can corrupt its own memory
 * (denoland/deno#36788). The product's side is repaired, and no failure of a test is covered: a run
 * that ends with another code counts as it is.
 */
async function runFiles(
  files: string[],
  { place, flags, timeoutMs, late }: TestRun,
): Promise<Counts> {
  for (let repeatsLeft = 2;; repeatsLeft--) {
    const { code, output } = await runShown(place.command([DENO, ...flags, ...files]), {
      env: place.env,
      timeoutMs,
      late,
    });
    if (!BREAKDOWNS.includes(code) || repeatsLeft === 0) return readCounts(output, code);
    say(
      `*** the process of ${files.join(", ")} broke down with code ${code}, which is a fault of ` +
        "the runtime: it is run again",
    );
    await place.clear();
  }
}

/** Runs the groups of a suite, a process for each; gives back the names of skipped tests. */
async function runGroups(
  groups: string[][],
  options: { around: Surroundings; flags: string[]; suite: Suite; add: (counts: Counts) => void },
): Promise<string[]> {
  const { around, suite, add } = options;
  const names: string[] = [];
  const lanes = suite.lanes !== undefined
    ? await around.lanes(Math.min(suite.lanes, groups.length))
    : [await around.alone()];
  const late = lanes.length > 1;
  await inLanes(groups, lanes.length, async (group, number) => {
    const place = lanes[number];
    if (!place) throw new Error(`there is no lane ${number}`);
    const junit = `${around.tmp}/junit-${place.name}.xml`;
    const flags = [...options.flags, `--junit-path=${junit}`];
    add(await runFiles(group, { place, flags, timeoutMs: suite.timeoutMs, late }));
    names.push(...skippedIn(await readIfThere(junit) ?? ""));
  });
  return names;
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
  const total: Counts & { skips: string[] } = { passed: 0, failed: 0, skipped: 0, skips: [] };
  const add = (counts: Counts) => {
    for (const kind of ["passed", "failed", "skipped"] as const) total[kind] += counts[kind];
  };
  let names: string[] = [];
  if (suite.inGuest) {
    const run = { around, timeoutMs: suite.timeoutMs, isCi: options.isCi };
    (await runInGuests(testFiles(files), run)).forEach(add);
    if (total.skipped > 0) {
      total.skips.push(`${total.skipped} in guests: the reasons stand in what the guests said`);
    }
  } else {
    const flags = [...TEST_COMMAND];
    if (options.isCi) flags.push("--frozen");
    names = await runGroups(groupsOf(suite, files), { around, flags, suite, add });
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

async function runScript(
  script: string,
  suite: Suite,
  around: Surroundings,
): Promise<Counts & { skips: string[] }> {
  const place = await around.alone();
  const { code, output } = await runShown(place.command([DENO, "run", "-A", "--quiet", script]), {
    env: place.env,
    timeoutMs: suite.timeoutMs,
  });
  return { ...readCounts(output, code), skips: await around.skips() };
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
    else if (suite.script) Object.assign(outcome, await runScript(suite.script, suite, around));
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

/** The files that `--repeat` runs, or what is wrong with its use. */
function repeatedFiles(names: string[], repeat: string | undefined): string[] | string {
  if (!/^([2-9]|[1-9]\d{1,3})$/.test(repeat ?? "")) {
    return `--repeat ${repeat ?? ""}: wanted a number from 2 to 9999`;
  }
  const [suite] = SUITES.filter(({ name }) => names.length === 1 && name === names[0]);
  if (suite?.repeats !== undefined) return [suite.repeats];
  const fitting = SUITES.filter(({ repeats }) => repeats !== undefined).map(({ name }) => name);
  return `--repeat goes with one suite, and with no other than ${fitting.join(", ")}`;
}

function readArguments(given: string[]): Options | string {
  const at = given.indexOf("--repeat");
  const repeat = given[at + 1];
  const args = at < 0 ? given : given.toSpliced(at, 2);
  const flags = args.filter((arg) => arg.startsWith("-"));
  const words = args.filter((arg) => !arg.startsWith("-"));
  const files = words.filter((word) => word.endsWith("_test.ts"));
  const names = words.filter((word) => !files.includes(word));
  const unknown = flags.find((flag) => !["--interpreted", "--shared"].includes(flag));
  if (unknown !== undefined) {
    return `${unknown} is not an option; there are --repeat N, --interpreted, --shared and --list`;
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
  const repeated = at < 0 ? files : repeatedFiles(names, repeat);
  if (typeof repeated === "string") return repeated;
  return {
    names,
    files: repeated,
    ...(at < 0 ? {} : { repeat }),
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
  for (const suite of chosenSuites(options.names)) {
    if (interruption.signal.aborted) break;
    outcomes.push(await runSuite(suite, options));
  }
  if (interruption.signal.aborted) complain("test: interrupted; not every suite ran to its end");
  return Math.max(report(outcomes), interruption.signal.aborted ? 1 : 0);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
