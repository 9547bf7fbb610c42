/**
 * A VolumeGroupSnapshot by upstream's csi-snapshotter and snapshot-controller: the compiled program
 * as controller over simulated arrays, at a real API server without nodes.
 */
import assert from "node:assert/strict";
import { ROOT } from "../../scripts/program.ts";
import { type Stand, startStand } from "../../scripts/stand.ts";
import { until } from "../../src/async/wait.ts";
import { type Kubectl, type KubeObject, startKube } from "../kubernetes/kubectl.ts";
import { cannotRun, clientOf } from "../kubernetes/steps.ts";

const EXAMPLES = `${ROOT}/deploy/examples`;
const NAMESPACE = "pso-examples";
const STORAGE = { apiVersion: "storage.k8s.io/v1" };

/** What the chart makes. */
const CLASSES = [
  { ...STORAGE, kind: "CSIDriver", metadata: { name: "pure-csi" }, spec: { attachRequired: true } },
  {
    ...STORAGE,
    kind: "StorageClass",
    metadata: { name: "pure-block" },
    provisioner: "pure-csi",
    parameters: { backend: "block" },
  },
];

/** One FlashArray, the controller, and upstream's sidecars at an API server. */
async function withSidecars(work: (kube: Kubectl, stand: Stand) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "pg-" });
  const stand = await startStand({ dir, flasharrays: 1, flashblades: 0, nodes: 1 });
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

/** Names of the live snapshots on the array. */
async function snapshotsOf({ facts }: Stand): Promise<string[]> {
  const [array] = facts.arrays;
  assert.ok(array);
  const client = await clientOf(array);
  const { items } = await client.ok("GET /volume-snapshots?destroyed=false");
  client.close();
  return items.map(({ name }: { name: string }) => name).sort();
}

/** A claim that is made from a snapshot. */
function restoreOf(snapshot: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: `from-${snapshot.slice(0, 20)}`, namespace: NAMESPACE },
    spec: {
      storageClassName: "pure-block",
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "5Gi" } },
      dataSource: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: snapshot },
    },
  };
}

Deno.test({
  name: "a VolumeGroupSnapshot is taken and deleted whole by upstream's snapshotter",
  ignore: await cannotRun("VolumeGroupSnapshots in Kubernetes"),
  fn: () =>
    withSidecars(async (kube, stand) => {
      const all = ["-n", NAMESPACE];
      await kube.kubectl("apply", "-f", `${EXAMPLES}/group-snapshot`);
      const ready = "jsonpath={.status.readyToUse}=true";
      await kube.awaited(ready, "volumegroupsnapshot/ledger-1", ...all);
      const taken = await snapshotsOf(stand);
      assert.equal(taken.length, 2);
      const suffixes = new Set(taken.map((name) => name.split(".")[1]));
      assert.match([...suffixes].join(), /^group-[0-9a-f]{32}-m[0-9a-f]{11}$/);

      const { items } = await kube.get("volumesnapshot", ...all);
      const names: string[] = items.map(({ metadata }: KubeObject) => metadata.name);
      assert.equal(names.length, 2);
      for (const name of names) await kube.awaited(ready, `volumesnapshot/${name}`, ...all);
      const restored = restoreOf(names[0] ?? "");
      await kube.apply(restored);
      const claim = `pvc/${restored.metadata.name}`;
      await kube.awaited("jsonpath={.status.phase}=Bound", claim, ...all);
      assert.deepEqual(await snapshotsOf(stand), taken);

      await kube.kubectl(...all, "delete", "volumegroupsnapshot", "ledger-1");
      await until(
        "the group's snapshots to be gone",
        async () => (await snapshotsOf(stand)).length === 0,
        { timeoutMs: 120_000, intervalMs: 500 },
      );
    }),
});
