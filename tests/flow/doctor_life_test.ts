// What the controller itself makes is in order for `admin doctor`: names, tags, hosts, rules, sizes and
// snapshots as they come out of its calls, beside the objects that the sidecars write.
import { deepEqual, equal } from "node:assert/strict";
import { encodeNodeId } from "../../src/handoff.ts";
import { type Container, nameIn } from "../../src/names.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { classOf, makeContainer } from "../support/containers.ts";
import { type FakeCluster, fakeCluster, installIn } from "../support/fake_cluster.ts";
import { N1, N2, ProvisionerBed, RWX } from "./provisioner_bed.ts";

const STORAGE = "/apis/storage.k8s.io/v1";
const BLOCK = "pvc-11111111-0000-4000-8000-000000000000";
const FILE = "pvc-22222222-0000-4000-8000-000000000000";
const SNAPSHOT = "snapshot-33333333-0000-4000-8000-000000000000";

function pv(name: string, { handle, mode }: { handle: string; mode: string }) {
  return {
    metadata: { name, uid: `uid-${name}` },
    spec: {
      csi: { driver: "pure-csi", volumeHandle: handle },
      claimRef: { namespace: "shop", name, uid: name.slice("pvc-".length) },
      accessModes: [mode],
      capacity: { storage: "1Gi" },
    },
    status: { phase: "Bound" },
  };
}

/** What kubelet and the sidecars write for these nodes and attachments. */
function writeObjects({ items }: FakeCluster, attached: [pv: string, node: string][]): void {
  const nodes = [N1, N2];
  items.set("/api/v1/nodes", nodes.map(({ name }) => ({ metadata: { name } })));
  items.set(
    `${STORAGE}/csinodes`,
    nodes.map((node) => ({
      metadata: { name: node.name },
      spec: { drivers: [{ name: "pure-csi", nodeID: encodeNodeId(node) }] },
    })),
  );
  items.set(
    `${STORAGE}/volumeattachments`,
    attached.map(([persistentVolumeName, nodeName]) => ({
      spec: { attacher: "pure-csi", nodeName, source: { persistentVolumeName } },
    })),
  );
}

/** What doctor says of two volumes; the one of a FlashArray is in a container of it or in none. */
function lookedAt(container?: Container): Promise<void> {
  return ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
    const { provisioner, served, signal } = bed;
    if (container) await makeContainer(bed, { array: "fa-1", ...container });
    const named = { "csi.storage.k8s.io/pv/name": BLOCK };
    const parameters = { ...named, ...(container && classOf(container)) };
    const block = await bed.create(BLOCK, { parameters });
    const file = { capabilities: [RWX], parameters: { backend: "file" } };
    const shared = await bed.create(FILE, file);
    await bed.publish(block, N1);
    for (const node of [N1, N2]) await bed.publish(shared, node, { capability: RWX });
    const request = { name: SNAPSHOT, sourceVolumeId: block, parameters: {} };
    const { snapshotId } = await provisioner.createSnapshot(request, signal);
    const cluster = fakeCluster();
    try {
      installIn(cluster, { arrays: "{}", now: Date.now() });
      const { items } = cluster;
      items.set("/api/v1/persistentvolumes", [
        pv(BLOCK, { handle: block, mode: "ReadWriteOnce" }),
        pv(FILE, { handle: shared, mode: "ReadWriteMany" }),
      ]);
      items.set("/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents", [
        { metadata: { name: "by-hand" }, status: { snapshotHandle: snapshotId } },
      ]);
      writeObjects(cluster, [[BLOCK, N1.name], [FILE, N1.name], [FILE, N2.name]]);
      const [array, blade] = served.arrays.map(({ address, token }) => ({
        MgmtEndPoint: `http://${address}`,
        APIToken: token,
      }));
      const arrays = { FlashArrays: [array], FlashBlades: [{ ...blade, NFSEndPoint: "10.0.0.3" }] };
      const files = { v: JSON.stringify({ arrays }), k: cluster.kubeconfig };
      const doctor = async () => {
        const words = ["doctor", "-f", "v", "--kubeconfig", "k", "-o", "json"];
        const now = () => Date.now() + 3_600_000;
        const { code, said } = await runAdmin(words, { files, now });
        const { findings, unknown } = JSON.parse(said);
        const brief = findings.map((one: { check: string; object: string }) =>
          `${one.check}: ${one.object}`
        );
        return { code, findings: brief, unknown };
      };
      deepEqual(await doctor(), { code: 0, findings: [], unknown: [] });
      writeObjects(cluster, [[FILE, N1.name]]);
      const { findings, code } = await doctor();
      deepEqual(findings, [
        `stale host: ${nameIn(container, `k8s-${BLOCK}`)}`,
        `stale host: k8s-${FILE}`,
      ]);
      equal(code, 1);
    } finally {
      await cluster.stop();
    }
  });
}

Deno.test("admin doctor finds nothing in what the controller made, and each attachment that is taken away from Kubernetes alone", () =>
  lookedAt());

Deno.test("admin doctor finds the same of a volume in a pod", () =>
  lookedAt({ what: "pod", name: "p1" }));

Deno.test("15.11: admin doctor finds the same of a volume in a volume group", () =>
  lookedAt({ what: "volume group", name: "g1" }));
