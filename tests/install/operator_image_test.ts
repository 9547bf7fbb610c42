/**
 * The operator's image in a pod: it starts without any right on its node, makes the release whose
 * pods become ready and serve a claim, tells who installs of pods that do not start, and takes all of
 * it away.
 */
import assert from "node:assert/strict";
import { removeFolder } from "../../scripts/mounts.ts";
import { type Ran, tryTool } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { simulated, startImages } from "../kubernetes/image_cluster.ts";
import { type Kubectl, WAIT_MS } from "../kubernetes/kubectl.ts";
import { claim, counter } from "../kubernetes/objects.ts";
import { cannotRun, Steps } from "../kubernetes/steps.ts";
import { OPERATOR as SCRIPTS } from "../support/operator_files.ts";

/** Not the one of the manifests. install.sh makes it, and so uninstall.sh takes it away. */
const NAMESPACE = "operated";
const IN = ["--namespace", NAMESPACE];
const OPERATOR = "pso-csi-operator";

const ignore = await cannotRun("the operator's image in Kubernetes");
const TITLE =
  "the operator's pod makes a release that serves a claim, names pods that do not start, ends it";

Deno.test(TITLE, { ignore, sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "k-" });
  let cluster: Kubectl | undefined;
  const steps = new Steps(() => cluster?.events());
  try {
    const started = cluster = await startImages(steps, dir, "image", "operator-image");
    const step = (name: string, work: () => Promise<void>) =>
      t.step({
        name,
        sanitizeOps: false,
        sanitizeResources: false,
        fn: () => steps.timed(name, work),
      });
    await step("install.sh waits for all pods", () => install(started));
    await step("its pod has no rights on its node", () => hasNoRights(started));
    await step("a claim is Bound, and its pod writes", () => serves(started));
    await step("update.sh says which pods do not start", () => misses(started));
    await step("uninstall.sh takes all of it away", () => uninstall(started));
  } finally {
    await cluster?.down();
    await removeFolder(dir);
    steps.print();
  }
});

async function install(cluster: Kubectl): Promise<void> {
  const file = await writeValues(cluster, {});
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
}

/** Its one pod was never started again, and its user is nobody. */
async function hasNoRights(cluster: Kubectl): Promise<void> {
  const label = `app.kubernetes.io/name=${OPERATOR}`;
  const pods = await cluster.get("pods", ...IN, "--selector", label);
  assert.equal(pods.items.length, 1);
  const [status] = pods.items[0].status.containerStatuses;
  assert.deepEqual([status.ready, status.restartCount, status.user.linux.uid], [true, 0, 65532]);
}

async function serves(cluster: Kubectl): Promise<void> {
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
}

async function misses(cluster: Kubectl): Promise<void> {
  const file = await writeValues(cluster, { images: { plugin: { tag: "v0.0.0-missing" } } });
  const updated = await script(cluster, "update", `-f=${file}`, "-wait=release");
  assert.equal(updated.code, 0, updated.stdout + updated.stderr);
  const waited = await script(cluster, "update", "-timeout=20");
  assert.equal(waited.code, 1, waited.stdout);
  assert.match(waited.stderr, /driver is not ready, (ErrImagePull|ImagePullBackOff)/);
}

async function uninstall(cluster: Kubectl): Promise<void> {
  const log = await logOf(cluster);
  assert.deepEqual(log.split("\n").filter((line) => /forbidden/i.test(line)), []);
  const gone = await script(cluster, "uninstall", "-timeout=120");
  assert.equal(gone.code, 0, gone.stdout + gone.stderr);
  assert.match(gone.stdout, new RegExp(`the namespace ${NAMESPACE} is gone`));
}

async function logOf(cluster: Kubectl): Promise<string> {
  return await cluster.kubectl("logs", ...IN, `deployment/${OPERATOR}`);
}

/** A values file with simulated arrays, and with these values. */
async function writeValues(cluster: Kubectl, values: Record<string, unknown>): Promise<string> {
  const file = `${cluster.dir}/values.yaml`;
  // JSON is YAML.
  await Deno.writeTextFile(
    file,
    JSON.stringify({ ...simulated(`${cluster.dir}/fleet`), ...values }),
  );
  return file;
}

async function script(cluster: Kubectl, name: string, ...args: string[]): Promise<Ran> {
  return await tryTool(`${SCRIPTS}/${name}.sh`, args, { env: cluster.env });
}
