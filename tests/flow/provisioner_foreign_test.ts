// What is not this cluster's: stale rules, addresses that changed hands, and volumes, snapshots and
// file systems that somebody else made. docs/reach.md and docs/handles.md say it for administrators.
import { deepEqual, rejects } from "node:assert/strict";
import { decodeNodeId, encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { ProvisionerBed, RWX } from "./provisioner_bed.ts";

const FILE = { flasharrays: 0, flashblades: 1 };
const SHARED_FILE = { parameters: { backend: "file" }, capabilities: [RWX] };
const SHARED = { capability: RWX };

function nodeOf(nodeId: string): NodeIdentity {
  const node = decodeNodeId(nodeId);
  if (!node) throw new Error(`${nodeId} is no node_id`);
  return node;
}

async function setRules(bed: ProvisionerBed, fileSystem: string, rules: string): Promise<void> {
  const query = { names: fileSystem };
  const body = { nfs: { rules } };
  await bed.admin("fb-1", { method: "PATCH", path: "file-systems", query, body });
}

Deno.test("a stale rule whose address another node has by now stops no delete and makes that node no user", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const [stale, other] = [
      await bed.create("pvc-1", SHARED_FILE),
      await bed.create("pvc-2", SHARED_FILE),
    ];
    const [before, after] = [nodeOf("1;n1;n;a=10.1.0.1"), nodeOf("1;n1;n;a=10.1.0.99")];
    const heir = nodeOf("1;n2;n;a=10.1.0.1");
    for (const node of [before, after, heir]) await bed.publish(other, node, SHARED);
    await setRules(bed, "k8s-pvc-1", "10.1.0.1(rw,no_root_squash)");
    deepEqual(await bed.publishedTo(stale), ["10.1.0.1"]);
    deepEqual((await bed.publishedTo(other)).toSorted(), [after, heir].map(encodeNodeId));
    await rejects(bed.provisioner.deleteVolume(other, bed.signal), { code: "in_use" });
    await bed.provisioner.deleteVolume(stale, bed.signal);
    deepEqual(await bed.volumes(), { "fb-1": ["k8s-pvc-2"] });
  });
});

Deno.test("a rule for the address of a node that alone ever had it stops a delete after a restart too", async () => {
  await ProvisionerBed.run(FILE, async (bed) => {
    const [one, other] = [
      await bed.create("pvc-1", SHARED_FILE),
      await bed.create("pvc-2", SHARED_FILE),
    ];
    const node = nodeOf("1;n1;n;a=10.1.0.1");
    await bed.publish(one, node, SHARED);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await bed.publish(other, node, SHARED);
    await rejects(bed.provisioner.deleteVolume(one, bed.signal), { code: "in_use" });
  });
});
