/** Counts how many small faults the fast tests notice. Usage and options: see `mutants`. */
import { Baseline, Copy, tryMutation, type Verdict } from "./mutants_bed.ts";
import { fromFileUrl } from "./paths.ts";
import { complain, say } from "./shell.ts";
import { isProduct, readSources, type SourceFile } from "./source/files.ts";
import { distancesTo, type ImportGraph, importGraph } from "./source/import_graph.ts";
import { type Draw, drawMutations, type Mutation, mutationsIn } from "./source/mutations.ts";
import { testSteps } from "./source/test_steps.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url)).replace(/\/$/, "");

interface Arguments {
  folders: string[];
  seed: number;
  count: number;
  minutes: number;
  jobs: number;
}

const DEFAULTS: Arguments = {
  folders: ["node", "host", "arrays", "csi", "controller"],
  seed: 1,
  count: 50,
  minutes: 30,
  jobs: 1,
};

function readArguments(args: string[]): Arguments {
  const found: Arguments = { ...DEFAULTS, folders: [] };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (!arg.startsWith("--")) {
      found.folders.push(arg.replace(/^src\/|\/$/g, ""));
      continue;
    }
    const name = arg.slice(2);
    const value = Number(args[++index]);
    if (!isNumberOption(name) || !Number.isInteger(value) || value < 0) {
      complain(
        `mutants: ${arg} ${args[index] ?? ""} is wrong: the head of scripts/mutants says how`,
      );
      Deno.exit(2);
    }
    found[name] = value;
  }
  return found.folders.length === 0 ? { ...found, folders: DEFAULTS.folders } : found;
}

function isNumberOption(name: string): name is Exclude<keyof Arguments, "folders"> {
  return name !== "folders" && name in DEFAULTS;
}

/** What was found in one folder. */
interface Tally {
  folder: string;
  draw: Draw;
  /** How many faults that compile are wanted. */
  wanted: number;
  /** Being tried, or tried. */
  begun: number;
  noticed: number;
  survivors: Mutation[];
  notCompiling: number;
}

function tallies({ folders, seed, count }: Arguments, files: SourceFile[]): Tally[] {
  return folders.map((folder, index) => {
    const own = files.filter(({ path }) =>
      isProduct(path) && (path === `src/${folder}` || path.startsWith(`src/${folder}/`))
    );
    if (own.length === 0) {
      complain(`mutants: src/${folder} holds no code`);
      Deno.exit(2);
    }
    const share = Math.floor(count / folders.length) + (index < count % folders.length ? 1 : 0);
    const draw = drawMutations(own.flatMap(mutationsIn), seed);
    return { folder, draw, wanted: share, begun: 0, noticed: 0, survivors: [], notCompiling: 0 };
  });
}

/** The next fault to try, from the folder that lacks most; undefined when each has its share. */
function nextFault(open: Tally[]): { tally: Tally; mutation: Mutation } | undefined {
  const [tally] = open.filter(({ begun, wanted }) => begun < wanted)
    .sort((a, b) => (b.wanted - b.begun) - (a.wanted - a.begun));
  if (!tally) return undefined;
  const mutation = tally.draw.next();
  if (!mutation) {
    tally.wanted = tally.begun;
    return nextFault(open);
  }
  tally.begun++;
  return { tally, mutation };
}

function keep(tally: Tally, mutation: Mutation, verdict: Verdict): void {
  if (verdict.kind === "survived") tally.survivors.push(mutation);
  else if (verdict.kind === "noticed") tally.noticed++;
  else {
    tally.notCompiling++;
    tally.begun--;
  }
}

function describe(mutation: Mutation, texts: Map<string, string>): string {
  const { path, line, kind, start, end, replacement } = mutation;
  const short = (code: string) => code.replace(/\s+/g, " ").slice(0, 70);
  const before = short((texts.get(path) ?? "").slice(start, end));
  return `${path}:${line}: ${kind}: ${before} → ${short(replacement)}`;
}

function printTable(found: Tally[]): void {
  const cells = (...values: (string | number)[]) =>
    say(values.map((one, index) => index ? String(one).padStart(9) : `${one}`.padEnd(28)).join(""));
  cells("folder", "sampled", "noticed", "survived");
  for (const { folder, noticed, survivors } of found) {
    cells(folder, noticed + survivors.length, noticed, survivors.length);
  }
  const sum = (count: (tally: Tally) => number) =>
    found.reduce((total, tally) => total + count(tally), 0);
  const noticed = sum((tally) => tally.noticed);
  const all = noticed + sum(({ survivors }) => survivors.length);
  const notCompiling = sum((tally) => tally.notCompiling);
  say(`${notCompiling} more did not compile`);
  say(`${(100 * noticed / Math.max(1, all)).toFixed(0)} % noticed (${noticed} of ${all})`);
}

/** What all workers share. */
interface Work {
  open: Tally[];
  baseline: Baseline;
  graph: ImportGraph;
  texts: Map<string, string>;
  /** No fault is begun after it, by `performance.now()`. */
  deadline: number;
}

/** One worker: takes faults until there are no more, or the time is over. */
async function work(copy: Copy, { open, baseline, graph, texts, deadline }: Work): Promise<void> {
  while (performance.now() < deadline) {
    const next = nextFault(open);
    if (!next) return;
    const { tally, mutation } = next;
    const steps = testSteps(mutation.path, distancesTo(mutation.path, graph));
    const verdict = await tryMutation({ copy, baseline, mutation, steps });
    keep(tally, mutation, verdict);
    if (verdict.kind === "does not compile") continue;
    const how = verdict.kind === "survived"
      ? "SURVIVED"
      : `noticed by ${verdict.by}${verdict.isHung ? ", which hung" : ""}`;
    say(`${describe(mutation, texts)}  ${how}`);
  }
}

async function main(options: Arguments): Promise<void> {
  const files = await readSources(ROOT);
  const open = tallies(options, files);
  const folder = await Deno.makeTempDir({ prefix: "pso-mutants-" });
  const signals = ["SIGINT", "SIGTERM"] as const;
  const stop = () => {
    Deno.removeSync(folder, { recursive: true });
    Deno.exit(130);
  };
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    const shared: Work = {
      open,
      baseline: new Baseline(await Copy.make(ROOT, `${folder}/right`)),
      graph: importGraph(files, { withTypes: false }),
      texts: new Map(files.map(({ path, text }) => [path, text])),
      deadline: performance.now() + options.minutes * 60_000,
    };
    const copies = await Promise.all(
      Array.from({ length: options.jobs }, (_, index) => Copy.make(ROOT, `${folder}/${index}`)),
    );
    await Promise.all(copies.map((copy) => work(copy, shared)));
    report(shared);
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
    await Deno.remove(folder, { recursive: true });
  }
}

function report({ open, baseline, texts }: Work): void {
  const survivors = open.flatMap((tally) => tally.survivors);
  if (survivors.length > 0) say("\nnoticed by no test");
  for (const one of survivors) say(`  ${describe(one, texts)}`);
  for (const path of baseline.failing) say(`left out, it fails without any fault: ${path}`);
  say("");
  printTable(open);
}

if (import.meta.main) await main(readArguments(Deno.args));
