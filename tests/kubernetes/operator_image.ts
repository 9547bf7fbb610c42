/**
 * The operator's image in a pod: it starts without any right on its node, makes the release whose
 * pods become ready and serve a claim, tells who installs of pods that do not start, and takes all of
 * it away.
 */
import assert from "node:assert/strict";
import { ROOT } from "../../scripts/program.ts";
import { type Ran, runTool, say, tryTool } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { type Kubectl, WAIT_MS } from "./kubectl.ts";
import { claim, counter } from "./objects.ts";
import type { Steps } from "./steps.ts";

const ARCHIVE = `${ROOT}/dist/operator-image.tar`;
/** One that install.sh makes, and so uninstall.sh takes away. */
const NAMESPACE = "operated";
const IN = ["--namespace", NAMESPACE];
const OPERATOR = "pso-csi-operator";

/** A cluster of two hosts that holds the images of driver and sidecars, and no release. */
export interface OperatorBed {
  cluster: Kubectl;
  /** For files of the scenario. */
  dir: string;
  steps: Steps;
  /** Values of a release with simulated arrays, which keep their volumes in that folder. */
  values(stateDir: string): Record<string, unknown>;
}

/** Builds the operator's image, if it is not there, and puts it on all nodes. */
export async function loadOperator({ cluster, steps }: OperatorBed): Promise<void> {
  const made = await steps.timed("the operator's image is built, if it is not there", () =>
    runTool(
      `${ROOT}/scripts/operator_image_build`,
      ["--if-needed", "--out", ARCHIVE],
      { timeoutMs: 25 * 60_000 },
    ));
  if (made !== "") say(made.trimEnd());
  await cluster.kube("load", ARCHIVE);
}

/** The life of an installation by the operator's scripts. */
export async function operatorLife(bed: OperatorBed): Promise<void> {
  const { cluster, steps } = bed;
  await steps.timed("operator: install.sh waits for all pods", async () => {
    const file = await writeValues(bed, bed.values(`${bed.dir}/operated`));
    const installed = await script(
      cluster,
      "install",
      ...[`-namespace=${NAMESPACE}`, "-orchestrator=k8s", `-f=${file}`],
      `-timeout=${WAIT_MS / 1000}`,
    );
    if (installed.code !== 0) {
      assert.fail(installed.stdout + installed.stderr + await logOf(cluster));
    }
    assert.match(installed.stdout, /all pods are ready/);
  });
  await hasNoRights(cluster);

  await steps.timed("operator: a claim is Bound, and its pod writes", async () => {
    await cluster.apply(claim("operated"), counter("operated", 1, "operated"));
    await cluster.running("operated");
    await until(
      "the pod has written",
      async () => Number(await cluster.exec("operated", "tail -n 1 /data/count")) > 1,
      { timeoutMs: 30_000 },
    );
    await cluster.delete("pod", "operated");
    await cluster.delete("pvc", "operated");
    await until("the volume is gone", async () => (await cluster.get("pv")).items.length === 0, {
      timeoutMs: WAIT_MS,
      intervalMs: 500,
    });
  });

  const waited = await steps.timed("operator: update.sh says which pods do not start", async () => {
    const wrong = { plugin: { tag: "v0.0.0-missing" } };
    const file = await writeValues(bed, { ...bed.values(`${bed.dir}/operated`), images: wrong });
    return await script(cluster, "update", `-f=${file}`, "-timeout=10");
  });
  assert.equal(waited.code, 1, waited.stdout);
  assert.match(waited.stderr, /driver is not ready, (ErrImagePull|ImagePullBackOff)/);

  const log = await logOf(cluster);
  assert.deepEqual(log.split("\n").filter((line) => /forbidden/i.test(line)), []);
  const gone = await steps.timed(
    "operator: uninstall.sh",
    () => script(cluster, "uninstall", "-timeout=120"),
  );
  assert.equal(gone.code, 0, gone.stdout + gone.stderr);
  assert.match(gone.stdout, new RegExp(`the namespace ${NAMESPACE} is gone`));
}

async function logOf(cluster: Kubectl): Promise<string> {
  return await cluster.kubectl("logs", ...IN, `deployment/${OPERATOR}`);
}

/** Its one pod was never started again, and its user is nobody. */
async function hasNoRights(cluster: Kubectl): Promise<void> {
  const label = `app.kubernetes.io/name=${OPERATOR}`;
  const pods = await cluster.get("pods", ...IN, "--selector", label);
  assert.equal(pods.items.length, 1);
  const [status] = pods.items[0].status.containerStatuses;
  assert.deepEqual([status.ready, status.restartCount, status.user.linux.uid], [true, 0, 65532]);
}

async function writeValues({ dir }: OperatorBed, values: unknown): Promise<string> {
  const file = `${dir}/operated.yaml`;
  await Deno.writeTextFile(file, JSON.stringify(values)); // JSON is YAML
  return file;
}

async function script(cluster: Kubectl, name: string, ...args: string[]): Promise<Ran> {
  return await tryTool(`${ROOT}/deploy/operator/${name}.sh`, args, { env: cluster.env });
}
