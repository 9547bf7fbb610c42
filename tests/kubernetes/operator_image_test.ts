/**
 * The operator's image in a pod: it starts without any right on its node, makes the release, and
 * takes it away. The driver's image is not there, so that its pods do not start, and who installs is
 * told.
 */
import assert from "node:assert/strict";
import { removeFolder } from "../../scripts/mounts.ts";
import { ROOT } from "../../scripts/program.ts";
import { type Ran, runTool, say, tryTool } from "../../scripts/shell.ts";
import { Kubectl, startKube } from "./kubectl.ts";
import { cannotRun, Steps } from "./steps.ts";

const ignore = await cannotRun("the operator's image in Kubernetes");
const ARCHIVE = `${ROOT}/dist/operator-image.tar`;
const OPERATOR = ["-n", "pso", "deployment/pso-csi-operator"];

let cluster: Kubectl;
let dir: string;
const steps = new Steps(() => cluster?.events());

Deno.test.beforeAll(async () => {
  if (ignore) return;
  dir = await Deno.makeTempDir({ prefix: "k-" });
  const made = await steps.timed("the image is built, if it is not there", () =>
    runTool(
      `${ROOT}/scripts/operator_image_build`,
      ["--if-needed", "--out", ARCHIVE],
      { timeoutMs: 25 * 60_000 },
    ));
  if (made !== "") say(made.trimEnd());
  cluster = await steps.timed(
    "cluster of one node starts",
    () => startKube(dir, { options: ["--nodes", "1"] }),
  );
  await cluster.kube("load", ARCHIVE);
});

Deno.test.afterAll(async () => {
  if (ignore) return;
  await cluster?.down();
  await removeFolder(dir);
  steps.print();
});

async function script(name: string, ...args: string[]): Promise<Ran> {
  return await tryTool(`${ROOT}/deploy/operator/${name}.sh`, args, { env: cluster.env });
}

Deno.test({
  name: "the operator's pod installs the release, says which pods do not start, and takes it away",
  ignore,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const installed = await steps.timed(
      "install.sh waits for operator and release",
      () =>
        script("install", "-namespace=pso", "-orchestrator=k8s", "-wait=release", "-timeout=120"),
    );
    assert.equal(installed.code, 0, installed.stdout + installed.stderr);
    // install.sh waited for the release, which may be there before kubelet has asked the pod.
    await cluster.kubectl(
      "wait",
      "--for=condition=Available",
      "--timeout=60s",
      "-n",
      "pso",
      "deployment/pso-csi-operator",
    );
    const pods = await cluster.get(
      "pods",
      "-n",
      "pso",
      "-l",
      "app.kubernetes.io/name=pso-csi-operator",
    );
    assert.equal(pods.items.length, 1);
    const [status] = pods.items[0].status.containerStatuses;
    assert.deepEqual([status.ready, status.restartCount, status.user.linux.uid], [true, 0, 65532]);

    const waited = await steps.timed(
      "update.sh says which pods do not start",
      () => script("update", "-timeout=10"),
    );
    assert.equal(waited.code, 1, waited.stdout);
    assert.match(waited.stderr, /driver is not ready, (ErrImagePull|ImagePullBackOff)/);

    const log = await cluster.kubectl("logs", ...OPERATOR);
    assert.deepEqual(log.split("\n").filter((line) => /forbidden/i.test(line)), []);
    const gone = await steps.timed("uninstall.sh", () => script("uninstall", "-timeout=120"));
    assert.equal(gone.code, 0, gone.stdout + gone.stderr);
    assert.match(gone.stdout, /the namespace pso is gone/);
  },
});
