import { filesOf, SUITES } from "../suites.ts";
import { countAssertions } from "./assertions.ts";
import { type UndocumentedExport, undocumentedExports } from "./exports.ts";
import { isProduct, type SourceFile } from "./files.ts";
import { functionSizes, type InlineBag, inlineBags } from "./functions.ts";
import { importCircles, importGraph } from "./import_graph.ts";

/** What `scripts/house` prints. Of product code alone, but for `longLines` and `assertions`. */
export interface Measures {
  /** `lines` holds the median, the 90th percentile and the longest. */
  functions: { count: number; lines: number[]; complexityP99: number };
  longestFile: { path: string; lines: number };
  longLines: { percent: number; places: LongLine[] };
  /** `large` are those of three or more members. */
  bags: { all: number; large: InlineBag[] };
  /** Product files directly in each folder, sorted by folder. */
  folders: Map<string, number>;
  circles: string[][];
  undocumented: UndocumentedExport[];
  /** Calls of assertions in the files of each suite of `scripts/suites.ts`. */
  assertions: Map<string, number>;
}

/** A line of more than 100 characters. */
export interface LongLine {
  path: string;
  line: number;
  columns: number;
}

const COLUMNS = 100;
/** In percent of all lines. */
const MAX_LONG_LINES = 1;
const MAX_LARGE_BAGS = 10;
const MAX_FILES = 18;

/** Folders that were larger before `MAX_FILES` was agreed, and what they may hold. */
const LARGE_FOLDERS: Record<string, number> = {
  "src/simulator": 31,
  "src/host": 20,
};

/** Measures the files of one checkout, as `readSources` gives them. */
export function measure(files: SourceFile[]): Measures {
  const product = files.filter(({ path }) => isProduct(path));
  const functions = product.flatMap(functionSizes);
  const lines = functions.map((one) => one.lines);
  const bags = product.flatMap(inlineBags);
  return {
    functions: {
      count: functions.length,
      lines: [percentile(lines, 50), percentile(lines, 90), percentile(lines, 100)],
      complexityP99: percentile(functions.map(({ complexity }) => complexity), 99),
    },
    longestFile: longestOf(product),
    longLines: longLinesOf(files),
    bags: { all: bags.length, large: bags.filter(({ members }) => members >= 3) },
    folders: foldersOf(product),
    circles: importCircles(importGraph(product)),
    undocumented: product.flatMap(undocumentedExports),
    assertions: assertionsBySuite(files),
  };
}

/** The smallest of `values` that `percent` of them do not exceed; 0 when there are none. */
export function percentile(values: number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)] ?? 0;
}

/** The lines of a text; the end of the last line begins no further one. */
function linesOf(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}

function longestOf(files: SourceFile[]): { path: string; lines: number } {
  const sizes = files.map(({ path, text }) => ({ path, lines: linesOf(text).length }));
  return sizes.toSorted((a, b) => b.lines - a.lines)[0] ?? { path: "none", lines: 0 };
}

function longLinesOf(files: SourceFile[]): Measures["longLines"] {
  const lines = files.flatMap(({ path, text }) =>
    linesOf(text).map((line, index) => ({ path, line: index + 1, columns: [...line].length }))
  );
  const places = lines.filter(({ columns }) => columns > COLUMNS);
  return { percent: 100 * places.length / Math.max(1, lines.length), places };
}

function foldersOf(files: SourceFile[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    if (!path.includes("/")) continue;
    const folder = path.slice(0, path.lastIndexOf("/"));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => a < b ? -1 : 1));
}

/** `tests/support/` counts as the unit suite's: it was made for the tests beside the source. */
function assertionsBySuite(files: SourceFile[]): Map<string, number> {
  const inTests = files.filter(({ path }) => /^tests\/[^/]+$/.test(path))
    .map(({ path }) => path.slice("tests/".length));
  const counts = SUITES.filter(({ paths }) => paths).map((suite): [string, number] => {
    const paths = filesOf(suite, inTests).concat(suite.name === "unit" ? ["tests/support"] : []);
    const own = files.filter(({ path }) =>
      paths.some((one) => path === one || path.startsWith(`${one}/`))
    );
    return [suite.name, own.reduce((sum, file) => sum + countAssertions(file), 0)];
  });
  return new Map(counts);
}

/** Each bar that the code misses, as a sentence with the found and the wanted value. */
export function missedBars(measures: Measures): string[] {
  const { bags, circles, folders, longLines, undocumented } = measures;
  const missed: string[] = [];
  const hold = (what: string, found: number, most: number) => {
    if (found > most) missed.push(`${what}: found ${found}, wanted at most ${most}`);
  };
  hold("import circles", circles.length, 0);
  hold("undocumented exports", undocumented.length, 0);
  hold("inline-typed parameters of three or more members", bags.large.length, MAX_LARGE_BAGS);
  hold("percent of lines over 100 columns", Number(longLines.percent.toFixed(2)), MAX_LONG_LINES);
  for (const [folder, files] of folders) {
    hold(`product files in ${folder}/`, files, LARGE_FOLDERS[folder] ?? MAX_FILES);
  }
  return missed;
}
