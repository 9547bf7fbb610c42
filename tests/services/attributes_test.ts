/**
 * VolumeAttributesClasses by upstream's csi-provisioner and csi-resizer: the compiled program as
 * controller over simulated arrays, at a real API server without nodes.
 */
import assert from "node:assert/strict";
import { ROOT } from "../../scripts/program.ts";
import { type Stand, startStand } from "../../scripts/stand.ts";
import { until } from "../../src/async/wait.ts";
import { MiB } from "../../src/size.ts";
import { type Kubectl, startKube } from "../kubernetes/kubectl.ts";
import { cannotRun, clientOf } from "../kubernetes/steps.ts";

const EXAMPLES = `${ROOT}/deploy/examples`;
const NAMESPACE = "pso-examples";
const STORAGE = { apiVersion: "storage.k8s.io/v1" };

/** What the chart makes, and classes of this test. */
const CLASSES = [
  { ...STORAGE, kind: "CSIDriver", metadata: { name: "pure-csi" }, spec: { attachRequired: true } },
  ...["block", "file"].map((backend) => ({
    ...STORAGE,
    kind: "StorageClass",
    metadata: { name: `pure-${backend}` },
    provisioner: "pure-csi",
    parameters: { backend },
  })),
  ...Object.entries<Record<string, string>>({
    "pure-wrong": { iops_limit: "99" },
    "pure-lab": { exportrules: "198.51.100.0/24(ro)" },
    "pure-office": { exportrules: "203.0.113.0/24(ro)" },
  }).map(([name, parameters]) => ({
    ...STORAGE,
    kind: "VolumeAttributesClass",
    metadata: { name },
    driverName: "pure-csi",
    parameters,
  })),
];

const FILE_CLAIM = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "files", namespace: NAMESPACE },
  spec: {
    storageClassName: "pure-file",
    volumeAttributesClassName: "pure-lab",
    accessModes: ["ReadWriteMany"],
    resources: { requests: { storage: "1Gi" } },
  },
};

async function withSidecars(work: (kube: Kubectl, stand: Stand) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "pa-" });
  const stand = await startStand({ dir, flasharrays: 1, flashblades: 1, nodes: 1 });
  try {
    const kube = await startKube(dir, { options: ["--no-nodes"] });
    try {
      const { controller } = stand.facts;
      await kube.kube("sidecars", "--driver", "pure-csi", "--controller", controller);
      await kube.apply(...CLASSES);
      await kube.kubectl("apply", "-f", `${EXAMPLES}/namespaces.yaml`);
      await work(kube, stand);
    } finally {
      await kube.down();
    }
  } finally {
    await stand.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

/** What the only volume or file system of that kind of array is. */
// deno-lint-ignore no-explicit-any -- an item of the array's REST
async function onlyItem({ facts }: Stand, kind: "flasharray" | "flashblade"): Promise<any> {
  const array = facts.arrays.find((one) => one.kind === kind);
  assert.ok(array);
  const client = await clientOf(array);
  const what = kind === "flasharray" ? "volumes" : "file-systems";
  const { items } = await client.ok(`GET /${what}?destroyed=false`);
  client.close();
  assert.equal(items.length, 1);
  return items[0];
}

async function change(kube: Kubectl, claim: string, attributesClass: string): Promise<void> {
  const patch = JSON.stringify({ spec: { volumeAttributesClassName: attributesClass } });
  await kube.kubectl("-n", NAMESPACE, "patch", "pvc", claim, "-p", patch);
}

async function isNow(kube: Kubectl, claim: string, attributesClass: string): Promise<void> {
  const wanted = `jsonpath={.status.currentVolumeAttributesClassName}=${attributesClass}`;
  await kube.awaited(wanted, `pvc/${claim}`, "-n", NAMESPACE);
}

Deno.test({
  name:
    "a claim gets what its VolumeAttributesClass names, at create and later, by upstream's sidecars",
  ignore: await cannotRun("VolumeAttributesClasses in Kubernetes"),
  fn: () =>
    withSidecars(async (kube, stand) => {
      await kube.kubectl("apply", "-f", `${EXAMPLES}/qos`);
      await isNow(kube, "limited", "pure-slow");
      const limits = async () => (await onlyItem(stand, "flasharray")).qos;
      assert.deepEqual(await limits(), { iops_limit: 500, bandwidth_limit: 20 * MiB });
      await change(kube, "limited", "pure-unlimited");
      await isNow(kube, "limited", "pure-unlimited");
      const none = { iops_limit: null, bandwidth_limit: null };
      assert.deepEqual(await limits(), none);
      await change(kube, "limited", "pure-wrong");
      const refusal = 'class parameter iops_limit is "99", wanted a whole number';
      await until(
        "the claim's event",
        async () => (await kube.events()).includes(refusal),
        { timeoutMs: 60_000, intervalMs: 500 },
      );
      assert.deepEqual(await limits(), none);

      await kube.apply(FILE_CLAIM);
      await isNow(kube, "files", "pure-lab");
      const rules = async () => (await onlyItem(stand, "flashblade")).nfs.rules;
      assert.equal(await rules(), "198.51.100.0/24(ro)");
      await change(kube, "files", "pure-office");
      await isNow(kube, "files", "pure-office");
      assert.equal(await rules(), "203.0.113.0/24(ro)");
    }),
});
