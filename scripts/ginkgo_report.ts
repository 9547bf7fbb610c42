/** Reads what `ginkgo --json-report` says of a run of upstream's tests, and sums it up by sets. */

/** What the specs of one driver definition did, by the first words of their names. */
export interface SetOutcome {
  name: string;
  /** Those that no filter took away. */
  selected: number;
  passed: number;
  failed: Failure[];
  /** Those that skipped themselves, by the reason that they gave. */
  skipped: Map<string, number>;
  /** Those that the filters took away, by the label or the name that is the reason. */
  leftOut: Map<string, number>;
  /** Of all its specs together; several run at once. */
  seconds: number;
}

/** A spec that did not pass, or what went wrong outside of any. */
export interface Failure {
  name: string;
  error: string;
}

export interface GinkgoOutcome {
  sets: SetOutcome[];
  /** What failed and is no spec: the preparation of all, or an end before the last spec. */
  around: Failure[];
}

/** The fields of a report that are read here, as ginkgo writes them. */
interface SuiteReport {
  SpecReports: SpecReport[] | null;
  SpecialSuiteFailureReasons?: string[] | null;
}

interface SpecReport {
  ContainerHierarchyTexts: string[] | null;
  ContainerHierarchyLabels: (string[] | null)[] | null;
  LeafNodeType: string;
  LeafNodeText: string;
  LeafNodeLabels: string[] | null;
  State: string;
  /** In nanoseconds. */
  RunTime: number;
  Failure?: { Message: string; ForwardedPanic?: string };
}

const NS_PER_SECOND = 1e9;
/** Of a spec that stops kubelets and machines. */
const DISRUPTIVE = "Disruptive";

/**
 * Sums up the report of one run. A spec belongs to the set whose word stands behind the driver's
 * name, as its definition's TestTags put it there; specs of no set are not looked at.
 */
export function readGinkgoReport(json: string, names: string[]): GinkgoOutcome {
  const sets = names.map((name): SetOutcome => ({
    name,
    selected: 0,
    passed: 0,
    failed: [],
    skipped: new Map(),
    leftOut: new Map(),
    seconds: 0,
  }));
  const around: Failure[] = [];
  for (const suite of JSON.parse(json) as SuiteReport[]) {
    for (const spec of suite.SpecReports ?? []) {
      if (spec.LeafNodeType !== "It") {
        if (hasFailed(spec)) around.push(failureOf(spec));
        continue;
      }
      const first = spec.ContainerHierarchyTexts?.[0] ?? "";
      const set = sets.find(({ name }) => first.endsWith(`] ${name}`));
      if (set) count(spec, set);
    }
    for (const error of suite.SpecialSuiteFailureReasons ?? []) {
      around.push({ name: "the whole run", error });
    }
  }
  return { sets, around };
}

function count(spec: SpecReport, set: SetOutcome): void {
  set.seconds += spec.RunTime / NS_PER_SECOND;
  const skips = spec.State === "skipped" && spec.Failure !== undefined;
  if ((spec.State === "skipped" && !skips) || spec.State === "pending") {
    addOne(set.leftOut, spec.State === "pending" ? "pending" : labelReason(spec));
    return;
  }
  set.selected++;
  if (skips) addOne(set.skipped, plainReason(spec.Failure?.Message ?? ""));
  else if (spec.State === "passed") set.passed++;
  else set.failed.push(failureOf(spec));
}

function addOne(counts: Map<string, number>, reason: string): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
}

function hasFailed({ State }: SpecReport): boolean {
  return !["passed", "skipped", "pending", ""].includes(State);
}

function failureOf(spec: SpecReport): Failure {
  const { Failure, State } = spec;
  const said = [Failure?.ForwardedPanic, Failure?.Message].find((text) => text) ?? State;
  const texts = [...spec.ContainerHierarchyTexts ?? [], spec.LeafNodeText || spec.LeafNodeType];
  return { name: texts.filter((text) => text !== "").join(" "), error: said.trim() };
}

/** The label by which a filter took the spec away; without one it was the name. */
function labelReason(spec: SpecReport): string {
  const labels = [...spec.ContainerHierarchyLabels ?? [], spec.LeafNodeLabels]
    .flatMap((some) => some ?? []);
  if (labels.includes(DISRUPTIVE)) return DISRUPTIVE;
  return labels.find((label) => label.startsWith("Feature:")) ?? spec.LeafNodeText;
}

/** Upstream ends some reasons with "- skipping", which says nothing. */
function plainReason(message: string): string {
  return message.trim().split("\n")[0]?.replace(/\s*--? skipping$/, "") ?? "";
}

/** The table of all sets and, below it, each reason and each failure. */
export function reportLines({ sets, around }: GinkgoOutcome): string[] {
  const lines = [row(["set", "selected", "ran", "passed", "failed", "skipped", "spec time"])];
  for (const set of sets) {
    const { name, selected, passed, failed, seconds } = set;
    const numbers = [selected, passed + failed.length, passed, failed.length, sum(set.skipped)];
    lines.push(row([name, ...numbers.map(String), `${seconds.toFixed(0)} s`]));
  }
  for (const { name, skipped, leftOut } of sets) {
    lines.push(...reasons(`skipped in ${name}, by what the spec said`, skipped));
    lines.push(...reasons(`left out of ${name}, by label or name`, leftOut));
  }
  for (const { name, error } of [...around, ...sets.flatMap(({ failed }) => failed)]) {
    lines.push("", `FAILED ${name}`, ...error.split("\n").slice(0, 8).map((line) => `    ${line}`));
  }
  return lines;
}

function row([name = "", ...cells]: string[]): string {
  return `${name.padEnd(16)}${cells.map((cell) => cell.padStart(10)).join("")}`;
}

function reasons(title: string, counts: Map<string, number>): string[] {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  if (sorted.length === 0) return [];
  return ["", title, ...sorted.map(([reason, times]) => `${String(times).padStart(6)}  ${reason}`)];
}

/** How many specs all these reasons have together. */
export function sum(counts: Map<string, number>): number {
  return [...counts.values()].reduce((total, one) => total + one, 0);
}
