/**
 * Upstream's External Storage suite against the driver as the chart installs it, with the image of
 * the Containerfile: what `./scripts/test e2e` runs, and with `--services` what
 * `./scripts/test e2e-services` does. By hand, for some specs only:
 * `./scripts/deno run -A tests/e2e/run.ts [--services] --focus REGEXP`. Reports and logs stay in
 * dist/e2e.
 */
import { type Failure, type GinkgoOutcome, reportLines, sum } from "../../scripts/ginkgo_report.ts";
import { ROOT } from "../../scripts/program.ts";
import { runTool, say } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { messageOf } from "../../src/errors.ts";
import { ChartCluster, CONTROLLERS, NAMESPACE } from "../kubernetes/chart_cluster.ts";
import { WAIT_MS } from "../kubernetes/kubectl.ts";
import { cannotRun, leftOn, Steps } from "../kubernetes/steps.ts";
import { buildKube } from "../support/kube.ts";
import { skip } from "../skips.ts";
import { runGinkgo, type SpecSet } from "./ginkgo.ts";
import { makeImages } from "./images.ts";

/** Where reports and logs stay. */
const FOLDER = `${ROOT}/dist/e2e`;
const ARCHIVE = `${ROOT}/dist/image.tar`;
const IMAGE_MS = 30 * 60_000;
const RACK = "topology.purestorage.com/rack";

const SETS: SpecSet[] = [
  { name: "block", minimum: 115 },
  { name: "file", minimum: 68 },
  {
    name: "raw",
    minimum: 1,
    only: "Dynamic PV \\(block volmode\\).* the single volume from pods on different node",
  },
];
/** These want a cluster with racks, where the others would find no room for their pods. */
const TOPOLOGY_SETS: SpecSet[] = [
  { name: "topology", minimum: 4, only: ".*\\] topology " },
  { name: "capacity", minimum: 1, only: ".* capacity provides" },
];

/** What goes beyond claims; `--services` runs these, and no others. */
const SERVICE_SETS: SpecSet[] = [
  { name: "attributes", minimum: 14, only: ".* volume-modify" },
  { name: "exports", minimum: 7, only: ".* volume-modify" },
  { name: "groups", minimum: 8, only: ".* volumegroupsnapshot" },
  { name: "inline", minimum: 4, only: "CSI Ephemeral-volume \\(default fs\\)" },
];
const SERVICE_FEATURES = ["VolumeAttributesClass", "volumegroupsnapshot"];
/** The values that they need. */
const SERVICE_VALUES = {
  ephemeral: { enabled: true },
  storageClasses: [{
    name: "one-array",
    parameters: { backend: "block", labels: "array=fa-1", "csi.storage.k8s.io/fstype": "xfs" },
  }],
  volumeAttributesClasses: [
    { name: "e2e-limits", parameters: { iops_limit: "2000", bandwidth_limit: "100M" } },
    { name: "e2e-exports", parameters: { exportrules: "*(rw,no_root_squash)" } },
  ],
  volumeGroupSnapshotClasses: [{ name: "e2e-groups" }],
};

const interruption = new AbortController();

/** Runs the specs that the arguments choose; gives back the exit code. */
export async function main(args: string[]): Promise<number> {
  const services = args[0] === "--services";
  const [flag, focus] = services ? args.slice(1) : args;
  if (flag !== undefined && (flag !== "--focus" || focus === undefined)) {
    throw new Error("it takes --services and --focus REGEXP");
  }
  if (await cannotRun("upstream's External Storage suite")) {
    say("ok | 0 passed | 0 failed | 1 ignored");
    return 0;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interruption.abort());
  }
  const run = new Run({ focus, services });
  const around: Failure[] = [];
  await run.all().catch((error) => {
    around.push({ name: "outside of the specs", error: messageOf(error) });
  });
  const sets = run.outcomes.flatMap(({ sets }) => sets);
  // What a focus took away is in no report.
  if (focus !== undefined) sets.forEach(({ leftOut }) => leftOut.clear());
  return report({
    sets,
    around: [...run.outcomes.flatMap(({ around }) => around), ...around],
  }, focus === undefined ? (services ? SERVICE_SETS : [...SETS, ...TOPOLOGY_SETS]) : []);
}

/** What of the specs runs. */
interface Choice {
  /** By their names; none: all. */
  focus: string | undefined;
  /** Those of SERVICE_SETS, in place of all others. */
  services: boolean;
}

/** One cluster, in which the sets run one after another. */
class Run {
  readonly outcomes: GinkgoOutcome[] = [];
  readonly #choice: Choice;
  readonly #steps: Steps;
  #cluster: ChartCluster | undefined;

  constructor(choice: Choice) {
    this.#choice = choice;
    this.#steps = new Steps(() => this.#cluster?.troubles());
  }

  async all(): Promise<void> {
    await Deno.remove(FOLDER, { recursive: true }).catch(() => {});
    await Deno.mkdir(FOLDER, { recursive: true });
    const steps = this.#steps;
    await steps.timed("image, if it is not there", buildImage);
    await steps.timed("upstream's tests, if they are not there", () => buildKube("e2e"));
    try {
      await steps.timed("cluster, fleet, images, chart, images of the specs", () => this.#start());
      await (this.#choice.services ? this.#specs("services", SERVICE_SETS) : this.#volumes());
      await steps.timed("nothing is left on the arrays", () => this.#findNothing());
    } finally {
      // What is known of failures besides ginkgo's own log.
      await this.#cluster?.keepLogs(FOLDER).catch((error) => say(messageOf(error)));
      await steps.timed("everything stops", async () => await this.#cluster?.stop());
      steps.print();
    }
  }

  async #volumes(): Promise<void> {
    await this.#specs("volumes", SETS);
    const { focus } = this.#choice;
    if (["topology", "capacity"].some((word) => focus?.includes(word) ?? true)) {
      await this.#steps.timed("racks, for topology", () => this.#giveRacks());
      await this.#specs("topology", TOPOLOGY_SETS);
    }
  }

  get #running(): ChartCluster {
    if (!this.#cluster) throw new Error("the cluster has not started");
    return this.#cluster;
  }

  async #start(): Promise<void> {
    const cluster = await ChartCluster.start({ archive: ARCHIVE });
    this.#cluster = cluster;
    cluster.values.maxVolumesPerNode = 24; // a spec makes so many and one more
    cluster.values.storageClasses = [{
      name: "late-block",
      parameters: { backend: "block", "csi.storage.k8s.io/fstype": "xfs" },
      volumeBindingMode: "WaitForFirstConsumer",
    }];
    if (this.#choice.services) {
      Object.assign(cluster.values, SERVICE_VALUES);
      await cluster.kubectl("apply", "-f", `${import.meta.dirname}/policies.yaml`);
    }
    await this.#install();
    await makeImages(cluster);
  }

  async #install(): Promise<void> {
    const cluster = this.#running;
    await cluster.install();
    for (const one of ["deployment/pure-provisioner", "daemonset/pure-csi"]) {
      await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
    }
    await until("a leader", () => cluster.leader(), { timeoutMs: WAIT_MS });
    say(`${(await cluster.pods(CONTROLLERS)).length} controllers, ${await cluster.leader()} leads`);
  }

  async #specs(name: string, sets: SpecSet[]): Promise<void> {
    const { focus, services } = this.#choice;
    const features = services ? SERVICE_FEATURES : [];
    const options = { name, folder: FOLDER, focus, features, signal: interruption.signal };
    const specs = () => runGinkgo(this.#running, sets, options);
    this.outcomes.push(await this.#steps.timed(`specs of ${name}`, specs));
    interruption.signal.throwIfAborted();
  }

  /** Each node its rack and its array; the third array has a rack of its own. */
  async #giveRacks(): Promise<void> {
    const cluster = this.#running;
    for (const node of [1, 2]) {
      await cluster.kubectl("label", "node", `node-${node}`, `${RACK}=rack-${node}`);
    }
    for (const array of [1, 2, 3]) cluster.fleet.label(`fa-${array}`, { [RACK]: `rack-${array}` });
    cluster.values.storagetopology = { enable: true, strictTopology: true };
    cluster.values.csi = { storageCapacity: true };
    await this.#install();
  }

  async #findNothing(): Promise<void> {
    const cluster = this.#running;
    await until("the last volume is gone", async () => {
      return (await cluster.get("pv")).items.length === 0;
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
    const left = await Promise.all(cluster.fleet.facts.arrays.map(leftOn));
    const problems = [...left.flat(), ...await cluster.forbidden()];
    if (problems.length > 0) throw new Error(`left behind or forbidden:\n${problems.join("\n")}`);
  }
}

async function buildImage(): Promise<void> {
  const args = ["--if-needed", "--out", ARCHIVE];
  const made = await runTool(`${ROOT}/scripts/image_build`, args, { timeoutMs: IMAGE_MS });
  if (made !== "") say(made.trimEnd());
}

/** Prints the table, and at the end the line that `scripts/test` reads. */
function report(outcome: GinkgoOutcome, wanted: SpecSet[]): number {
  for (const { name, minimum, only } of wanted) {
    const set = outcome.sets.find((one) => one.name === name);
    if (only !== undefined) set?.leftOut.clear(); // its other specs are those of another set
    const ran = (set?.passed ?? 0) + (set?.failed.length ?? 0);
    if (ran < minimum) {
      outcome.around.push({ name: `the set ${name}`, error: `${ran} ran, not ${minimum}` });
    }
  }
  say("");
  reportLines(outcome).forEach(say);
  if (Deno.env.has("PSO_SKIPS")) tellSkips(outcome);
  const total = (count: (set: GinkgoOutcome["sets"][number]) => number) =>
    outcome.sets.reduce((all, set) => all + count(set), 0);
  const failed = outcome.around.length + total((set) => set.failed.length);
  const passed = total((set) => set.passed);
  const skipped = total((set) => sum(set.skipped));
  say(
    `\n${
      failed === 0 ? "ok" : "FAILED"
    } | ${passed} passed | ${failed} failed | ${skipped} ignored`,
  );
  return failed === 0 ? 0 : 1;
}

function tellSkips({ sets }: GinkgoOutcome): void {
  for (const { name, skipped, leftOut } of sets) {
    for (const [reason, times] of skipped) skip(`${times} specs of ${name}`, reason);
    for (const [label, times] of leftOut) skip(`${times} specs of ${name} left out`, label);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
