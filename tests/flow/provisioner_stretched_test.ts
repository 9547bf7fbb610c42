/**
 * Volumes of a pod that is stretched over two arrays: one volume, by both, and when one is gone.
 */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { ClusterSinks } from "../../src/cluster/facts.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, type ProvisionerBed, RAW_RWX } from "./provisioner_bed.ts";
import {
  arraysIn,
  bringBack,
  connectByHand,
  connected,
  IN_P1,
  takeDown,
  withStretched,
} from "./stretched_bed.ts";

const [H1, H2] = [hostNameFor(N1.name), hostNameFor(N2.name)];
const WHOLE = { maxEntries: 0, startingToken: "" };

function test(name: string, work: (bed: ProvisionerBed) => Promise<void>): void {
  Deno.test(`15.11: ${name}`, () => withStretched({}, work));
}

function unpublish(bed: ProvisionerBed, volumeId: string, node = N1): Promise<void> {
  const request = { volumeId, nodeId: encodeNodeId(node) };
  return bed.provisioner.unpublishVolume(request, bed.signal);
}

/** Tells who has which volume, as whole lists. */
function tell(sinks: ClusterSinks, uses: { handle: string; node: NodeIdentity }[]): void {
  sinks.nodes.begin();
  for (const node of [N1, N2]) sinks.nodes.put({ name: node.name, nodeId: encodeNodeId(node) });
  sinks.nodes.listed();
  const modes = ["ReadWriteOnce"];
  sinks.volumes.begin();
  for (const { handle } of uses) {
    sinks.volumes.put({ name: handle, handle, readOnly: false, modes, isBlock: false });
  }
  sinks.volumes.listed();
  sinks.attachments.begin();
  for (const { handle, node } of uses) {
    sinks.attachments.put({
      ...{ name: `csi-${handle}-${node.name}`, volume: handle, node: node.name },
      ...{ isDeleting: false, isAttached: true, nodeId: encodeNodeId(node) },
    });
  }
  sinks.attachments.listed();
}

/** The first digits of the id of the array that the handle does not name. */
function otherHint(bed: ProvisionerBed, volumeId: string): string {
  const ids = bed.fleet.members.map(({ id = "" }) => id.slice(0, 8));
  return ids.find((id) => !volumeId.startsWith(id)) ?? "";
}

function nameOf(volumeId: string): string {
  return volumeId.slice(volumeId.indexOf("/") + 1);
}

test("a volume of a stretched pod is published and taken away by both arrays", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  deepEqual(arraysIn(await bed.publish(id, N1)).sort(), ["fa-1", "fa-2"]);
  deepEqual(await connected(bed), [`fa-1 ${H1}`, `fa-2 ${H1}`]);
  deepEqual(arraysIn(await bed.publish(id, N1)).sort(), ["fa-1", "fa-2"]);
  await rejects(bed.provisioner.deleteVolume(id, bed.signal), { code: "in_use" });
  await unpublish(bed, id);
  deepEqual(await connected(bed), []);
  await bed.provisioner.deleteVolume(id, bed.signal);
  deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
});

test("a volume that two arrays show is one volume in lists and look-ups", async (bed) => {
  const { signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  await bed.publish(id, N1);
  await bed.restart();
  await bed.fleet.refresh(signal);
  const { provisioner } = bed;
  const { entries } = await provisioner.listVolumes(WHOLE, signal);
  deepEqual(entries.map(({ volume }) => volume.volumeId), [id]);
  const taken = { name: "snapshot-1", sourceVolumeId: id };
  const { snapshotId } = await provisioner.createSnapshot(taken, signal);
  const whole = { ...WHOLE, snapshotId: "", sourceVolumeId: "" };
  const snapshots = await provisioner.listSnapshots(whole, signal);
  deepEqual(snapshots.entries.map((one) => [one.snapshotId, one.sourceVolumeId]), [
    [snapshotId, id],
  ]);
  equal(await bed.create("pvc-1", IN_P1), id);
  equal((await provisioner.getVolume(nameOf(id), signal)).publishedNodeIds.length, 1);
});

test("paths of the array that the node's host prefers come first", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  const [home, other] = arraysIn(await bed.publish(id, N1));
  equal(bed.fleet.memberByHint(id.slice(0, 8))?.array.label, home);
  const body = { preferred_arrays: [{ name: other }] };
  for (const array of ["fa-1", "fa-2"]) {
    await bed.admin(array, { method: "PATCH", path: "hosts", query: { names: H1 }, body });
  }
  deepEqual(arraysIn(await bed.publish(id, N1)), [other, home]);
});

test("a publish to one node takes the volume from all others on both arrays", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  const volume = nameOf(id);
  await connectByHand(bed, "fa-1", { volume, host: "old-1", node: N2 });
  await connectByHand(bed, "fa-2", { volume, host: "old-2", node: N2 });
  await bed.publish(id, N1);
  deepEqual(await connected(bed), [`fa-1 ${H1}`, `fa-2 ${H1}`]);
});

test("a volume that somebody has by the other array is not destroyed", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  await connectByHand(bed, "fa-1", { volume: nameOf(id), host: "by-hand-1", node: N2 });
  await connectByHand(bed, "fa-2", { volume: nameOf(id), host: "by-hand-2", node: N2 });
  await rejects(bed.provisioner.deleteVolume(id, bed.signal), {
    code: "in_use",
    message: /by-hand-\d on fa-\d, by-hand-\d on fa-\d: detach it first/,
  });
});

for (const gone of ["fa-1", "fa-2"]) {
  test(`${gone} dies under a published volume: the other goes on where it is safe`, async (bed) => {
    const { provisioner, signal } = bed;
    const id = await bed.create("pvc-1", IN_P1);
    await bed.publish(id, N1);
    await takeDown(bed, gone);
    const left = gone === "fa-1" ? "fa-2" : "fa-1";
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const grown = await provisioner.expandVolume({ volumeId: id, capacityRange }, signal);
    equal(grown.capacityBytes, 2 * GiB);
    const taken = { name: "snapshot-1", sourceVolumeId: id };
    const { snapshotId } = await provisioner.createSnapshot(taken, signal);
    match(snapshotId, /\/p1::k8s-pvc-1\.snapshot-1$/);
    deepEqual(arraysIn(await bed.publish(id, N1)), [left]);
    // The volume may still be connected on the silent array.
    const advice = new RegExp(
      `${gone} did not answer .* purepod remove --array ${gone} --with-unknown p1$`,
    );
    await rejects(bed.publish(id, N2), { code: "unavailable", message: advice });
    await rejects(unpublish(bed, id), { code: "unavailable", message: advice });
    await rejects(provisioner.deleteVolume(id, signal), { code: "unavailable" });
    await bringBack(bed);
    deepEqual(arraysIn(await bed.publish(id, N1)).sort(), ["fa-1", "fa-2"]);
    await unpublish(bed, id);
    deepEqual(await connected(bed), []);
    await provisioner.deleteSnapshot(snapshotId, signal);
    await provisioner.deleteVolume(id, signal);
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
  });
}

test("while an array is gone new volumes are made and published by the other", async (bed) => {
  await takeDown(bed, "fa-1");
  const id = await bed.create("pvc-1", IN_P1);
  deepEqual(arraysIn(await bed.publish(id, N1)), ["fa-2"]);
  await bringBack(bed);
  deepEqual(arraysIn(await bed.publish(id, N1)), ["fa-2", "fa-1"]);
  deepEqual(await connected(bed), [`fa-1 ${H1}`, `fa-2 ${H1}`]);
});

test("a controller that does not know who had the volume gives it to no single node", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  await bed.publish(id, N1);
  await takeDown(bed, "fa-2");
  await bed.restart();
  await bed.fleet.refresh(bed.signal);
  await rejects(bed.publish(id, N2), {
    code: "unavailable",
    message: /a node that this controller does not know may have it on the silent array/,
  });
  // What may serve several nodes is cut off from nobody.
  deepEqual(arraysIn(await bed.publish(id, N2, { capability: RAW_RWX })), ["fa-1"]);
});

test("nobody is cut off while the other array is gone: it could not be done there", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  await takeDown(bed, "fa-2");
  await connectByHand(bed, "fa-1", { volume: nameOf(id), host: "by-hand", node: N2 });
  await rejects(bed.publish(id, N1), { code: "in_use", message: /is connected to by-hand/ });
  await bringBack(bed);
  deepEqual(await connected(bed), ["fa-1 by-hand"]);
});

test("Kubernetes tells a controller after a restart who had the volume", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  const other = `${otherHint(bed, id)}/${nameOf(id)}`;
  await bed.publish(id, N1);
  await takeDown(bed, "fa-2");
  await bed.restart();
  await bed.fleet.refresh(bed.signal);
  const sinks = bed.provisioner.followCluster();
  tell(sinks, [{ handle: id, node: N1 }]);
  const inUse = /node-1\.example\.org may have it on the silent array/;
  await rejects(bed.publish(id, N2), { code: "unavailable", message: inUse });
  tell(sinks, []);
  // Nobody has it any more: what was connected was taken away on both arrays.
  await bringBack(bed);
  await unpublish(bed, id);
  await takeDown(bed, "fa-2");
  deepEqual(arraysIn(await bed.publish(id, N2)), ["fa-1"]);
  await bringBack(bed);
  // A second PersistentVolume means the volume by the other array.
  tell(sinks, [{ handle: other, node: N2 }]);
  await rejects(unpublish(bed, id, N2), { code: "in_use" });
});

test("a node that uses another PersistentVolume keeps both arrays", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  const other = `${otherHint(bed, id)}/${nameOf(id)}`;
  await bed.publish(other, N2);
  const sinks = bed.provisioner.followCluster();
  tell(sinks, [{ handle: other, node: N2 }]);
  await rejects(bed.publish(id, N1), { code: "in_use", message: /node-2\.example\.org has it/ });
  deepEqual(await connected(bed), [`fa-1 ${H2}`, `fa-2 ${H2}`]);
  tell(sinks, []);
  await bed.publish(id, N1);
  deepEqual(await connected(bed), [`fa-1 ${H1}`, `fa-2 ${H1}`]);
});

test("what was published while its array was not heard is known later", async (bed) => {
  const { signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  const home = bed.fleet.memberByHint(id.slice(0, 8))?.array.label ?? "";
  await takeDown(bed, home);
  await bed.restart();
  await bed.fleet.refresh(signal);
  await bed.publish(id, N1, { capability: RAW_RWX });
  await bringBack(bed);
  const { entries } = await bed.provisioner.listVolumes(WHOLE, signal);
  deepEqual(entries.map(({ volume }) => volume.volumeId), [id]);
  await rejects(bed.publish(id, N1), { code: "conflict", message: /writable as raw block/ });
  await bed.publish(id, N1, { capability: RAW_RWX });
  await unpublish(bed, id);
  await bed.publish(id, N2);
  const listed = await bed.provisioner.listVolumes(WHOLE, signal);
  deepEqual(listed.entries.map(({ volume }) => volume.volumeId), [id]);
});

test("by a protocol of one array a volume for one node is not given on while the other is silent", async (bed) => {
  const byNvme = (node: NodeIdentity): NodeIdentity => ({
    ...node,
    protocols: ["nvme-tcp"],
    nqn: `nqn.2014-08.org.nvmexpress:uuid:${node.name}`,
  });
  const change = { volumeContext: { protocol: "nvme-tcp" } };
  const id = await bed.create("pvc-1", IN_P1);
  await bed.publish(id, byNvme(N1), change);
  // What the other array is asked through says nothing of whom it serves.
  const home = bed.fleet.memberByHint(id.slice(0, 8))?.array.label ?? "";
  const other = `${otherHint(bed, id)}/${nameOf(id)}`;
  await bed.silence(home);
  await bed.restart();
  await bed.fleet.refresh(bed.signal);
  await rejects(bed.publish(other, byNvme(N2), change), { code: "unavailable" });
  await bed.healFaults();
  equal((await connected(bed)).length, 1);
});

test("an array that is silent and serves all the same gets no new single user", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  await bed.silence("fa-2");
  await bed.fleet.refresh(bed.signal);
  await rejects(bed.publish(id, N1), {
    code: "unavailable",
    message: /by fa-1 pod p1 is online on fa-2, which cannot be asked who has the volume there/,
  });
  await bed.healFaults();
  deepEqual(arraysIn(await bed.publish(id, N1)).sort(), ["fa-1", "fa-2"]);
});

test("an array that is offline in the pod and answers is left out, unless another has the volume", async (bed) => {
  const [mine, theirs] = [await bed.create("pvc-1", IN_P1), await bed.create("pvc-2", IN_P1)];
  await connectByHand(bed, "fa-2", { volume: nameOf(theirs), host: "by-hand", node: N2 });
  const match = { method: "POST", path: "/connections" };
  const refusal = { value: 400, message: "Pod is offline.", times: 100 };
  await bed.fault({ array: "fa-2", action: "status", match, ...refusal });
  // A pod that is online: the refusal is told, whatever it says.
  await rejects(bed.publish(mine, N1), { message: /Pod is offline/ });
  await unpublish(bed, mine);
  const ending = { method: "DELETE", path: "/connections" };
  await bed.fault({ array: "fa-2", action: "status", match: ending, ...refusal });
  for (const array of ["fa-1", "fa-2"]) {
    bed.rewrite(
      array,
      (text, path) =>
        path.includes("/pods")
          ? text.replace(/("name":"fa-2"[^}]*"status":)"online"/, '$1"offline"')
          : text,
    );
  }
  await bed.fleet.refresh(bed.signal);
  deepEqual(arraysIn(await bed.publish(mine, N1)), ["fa-1"]);
  await rejects(bed.publish(theirs, N1), { message: /Pod is offline/ });
});

test("an array that was taken out of the pod holds nothing up", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  await bed.publish(id, N1);
  await takeDown(bed, "fa-2");
  await rejects(unpublish(bed, id), { code: "unavailable" });
  const query = { group_names: "p1", member_names: "fa-2", with_unknown: true };
  await bed.admin("fa-1", { method: "DELETE", path: "pods/arrays", query });
  await unpublish(bed, id);
  deepEqual(arraysIn(await bed.publish(id, N2)), ["fa-1"]);
});

test("a pod that was taken from the handle's own array lives on the other one", async (bed) => {
  const { provisioner, signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  await bed.publish(id, N1);
  const home = bed.fleet.memberByHint(id.slice(0, 8))?.array.label ?? "";
  const left = home === "fa-1" ? "fa-2" : "fa-1";
  const query = { group_names: "p1", member_names: home };
  await bed.admin(left, { method: "DELETE", path: "pods/arrays", query });
  for (let look = 0; look < 2; look++) {
    deepEqual(arraysIn(await bed.publish(id, N2)), [left]);
    await bed.fleet.refresh(signal);
  }
  deepEqual(await connected(bed), [`${left} ${H2}`]);
  await unpublish(bed, id, N2);
  await provisioner.deleteVolume(id, signal);
  deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
});

test("a pod whose other array is not configured is used by the one that is", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  const member = bed.fleet.memberByHint(id.slice(0, 8));
  if (!member) throw new Error("no array has the handle's id");
  bed.restartWith(member.array);
  await bed.fleet.refresh(bed.signal);
  deepEqual(arraysIn(await bed.publish(id, N1)), [member.array.label]);
  await unpublish(bed, id);
  deepEqual(await connected(bed), []);
});

test("a stretched pod counts once, with the room of the array that has less", async (bed) => {
  const { provisioner } = bed;
  const request = { capabilities: [], parameters: { ...IN_P1.parameters, backend: "block" } };
  const { availableBytes } = provisioner.getCapacity(request);
  const { capacityBytes = 0, usedBytes = 0 } = bed.fleet.members[0]?.status ?? {};
  equal(availableBytes <= capacityBytes - usedBytes, true);
  equal(availableBytes > 0, true);
  const arrayId = bed.fleet.members[1]?.id ?? "";
  const id = await bed.create("pvc-1", { parameters: { ...IN_P1.parameters, arrayID: arrayId } });
  equal(id.slice(0, 8), arrayId.slice(0, 8));
});

Deno.test("15.11: while the array of a handle was never heard the other one serves it", async () => {
  await withStretched({}, async (bed) => {
    const id = await bed.create("pvc-1", IN_P1);
    const home = bed.fleet.memberByHint(id.slice(0, 8))?.array.label ?? "";
    await takeDown(bed, home);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    const left = home === "fa-1" ? "fa-2" : "fa-1";
    deepEqual(arraysIn(await bed.publish(id, N1, { capability: RAW_RWX })), [left]);
    await rejects(unpublish(bed, id), { code: "unavailable" });
    await bringBack(bed);
    await unpublish(bed, id);
    deepEqual(await connected(bed), []);
  });
});
