/** Runs some of upstream's specs by ginkgo, several at once, and reads its report. */
import { Child, killMarked, MARK } from "../../scripts/child.ts";
import { type GinkgoOutcome, readGinkgoReport } from "../../scripts/ginkgo_report.ts";
import { readIfThere } from "../../scripts/paths.ts";
import { say } from "../../scripts/shell.ts";
import { pause } from "../../src/async/wait.ts";
import type { Kubectl } from "../kubernetes/kubectl.ts";

/** The specs of one driver definition in this folder, which is named like the set. */
export interface SpecSet {
  /** The definition has this word in `TestTags`, so that it stands in the names of its specs. */
  name: string;
  /** So many must run; fewer mean that something was switched off. */
  minimum: number;
  /** Which of its specs, by their names behind that word; none: all. */
  only?: string;
}

interface GinkgoOptions {
  /** Of the report and the log in `folder`. */
  name: string;
  folder: string;
  /** Instead of all that the sets select, by the specs' names. */
  focus?: string;
  /** Names of features of which specs are wanted, besides those that all sets have. */
  features?: readonly string[];
  signal: AbortSignal;
}

/** Specs that wait for kubelet most of the time; with more of them the processor is short. */
const SPECS_AT_ONCE = 4;
/** Specs of other features are left out. */
const FEATURES = ["VolumeSnapshotDataSource", "VolumeSourceXFS"];
/** Needs images of volume populators, which cannot be made here. */
const IMPOSSIBLE = "any volume data source";
const LONGEST = "60m";
const PROGRESS_MS = 60_000;
const STOP_MS = 5000;

/** Runs the specs of these sets together. */
export async function runGinkgo(
  cluster: Kubectl,
  sets: SpecSet[],
  { name, folder, focus, features = [], signal }: GinkgoOptions,
): Promise<GinkgoOutcome> {
  // None that stop kubelets or test what is not offered; `Serial` ones run alone, at the end.
  const offered = [...FEATURES, ...features].join(", ");
  const report = `${name}.json`;
  const log = `${folder}/${name}.log`;
  const focuses = focus === undefined
    ? sets.map(({ name, only = "" }) => `\\] ${name} \\[Testpattern: ${only}`)
    : [focus];
  const temporary = `${cluster.dir}/tmp`; // the suite leaves files there; they go with the cluster
  await Deno.mkdir(temporary, { recursive: true });
  const child = Child.start(`ginkgo ${name}`, {
    command: `${cluster.env.KUBE_BIN}/ginkgo`,
    args: [
      ...[`--procs=${SPECS_AT_ONCE}`, `--timeout=${LONGEST}`, "--no-color", "--silence-skips"],
      ...[
        `--label-filter=!Disruptive && Feature: isSubsetOf {${offered}}`,
        `--skip=${IMPOSSIBLE}`,
        ...focuses.map((words) => `--focus=External.Storage.*${words}`),
      ],
      ...[`--output-dir=${folder}`, `--json-report=${report}`],
      ...[`${cluster.env.KUBE_BIN}/e2e.test`, "--"],
      ...["--provider=skeleton", `--kubeconfig=${cluster.env.KUBECONFIG}`],
      ...sets.map(({ name }) => `-storage.testdriver=${import.meta.dirname}/${name}.yaml`),
    ],
  }, { env: { ...cluster.env, TMPDIR: temporary }, log, mark: log });
  const progress = showProgress(child, signal);
  const stop = () => void child.stop(STOP_MS);
  signal.addEventListener("abort", stop, { once: true });
  await child.ended;
  signal.removeEventListener("abort", stop);
  await progress;
  await killMarked(MARK, log); // one that was ended does not end those that it started
  const text = await readIfThere(`${folder}/${report}`);
  if (text === undefined) {
    const words = await child.lastWords();
    throw new Error(`ginkgo wrote no report; the end of ${log}: ${words}`);
  }
  return readGinkgoReport(text, sets.map(({ name }) => name));
}

/** Says once a minute how many specs have ended: ginkgo writes a dot for each. */
async function showProgress(child: Child, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  child.ended.then(() => over.abort());
  const begun = performance.now();
  const either = AbortSignal.any([over.signal, signal]);
  while (!either.aborted) {
    await pause(PROGRESS_MS, either).catch(() => {});
    const dots = [...(await child.output()).matchAll(/•/g)].length;
    say(`${((performance.now() - begun) / 1000).toFixed(0).padStart(6)} s  ${dots} specs ended`);
  }
}
