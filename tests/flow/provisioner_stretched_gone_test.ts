/**
 * Volumes of a stretched pod when the array that their handles name is gone for ever: the other
 * array of the pod has them.
 */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { FleetMember } from "../../src/arrays/fleet.ts";
import { registerFleet } from "../../src/arrays/fleet_metrics.ts";
import type { RestCall } from "../../src/arrays/rest/client.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, type ProvisionerBed, RAW_RWX, RWO } from "./provisioner_bed.ts";
import {
  arraysIn,
  bringBack,
  connectByHand,
  connected,
  IN_P1,
  takeDown,
  withStretched,
} from "./stretched_bed.ts";

function test(name: string, work: (bed: ProvisionerBed) => Promise<void>): void {
  Deno.test(`15.11: ${name}`, () => withStretched({}, work));
}

/** The array that the handle names, and the other one of the pod. */
function sidesOf(bed: ProvisionerBed, volumeId: string): { home: FleetMember; left: FleetMember } {
  const home = bed.fleet.members.find(({ id = "" }) => volumeId.startsWith(id.slice(0, 8)));
  const left = bed.fleet.members.find((member) => member !== home);
  if (!home || !left) throw new Error(`no two arrays for ${volumeId}`);
  return { home, left };
}

function nameOf(volumeId: string): string {
  return volumeId.slice(volumeId.indexOf("/") + 1);
}

async function unpublish(bed: ProvisionerBed, volumeId: string, node = N1): Promise<void> {
  await bed.provisioner.unpublishVolume({ volumeId, nodeId: encodeNodeId(node) }, bed.signal);
}

/** Names of the live volumes of one array. */
async function volumesOn(bed: ProvisionerBed, { array }: FleetMember): Promise<string[]> {
  const { items } = await array.listVolumes({ limit: 100 }, bed.signal);
  return items.map(({ name }) => name).sort();
}

/** The other array goes on without the one that is gone. */
async function takeOutOfPod(bed: ProvisionerBed, gone: FleetMember, left: FleetMember) {
  const query = { group_names: "p1", member_names: gone.array.label, with_unknown: true };
  await bed.admin(left.array.label, { method: "DELETE", path: "pods/arrays", query });
}

/** How an array is given up for ever. */
const ENDS: Record<string, (bed: ProvisionerBed, home: FleetMember, left: FleetMember) => unknown> =
  {
    "is taken out of the pod": takeOutOfPod,
    "is taken out of the pod, and that was noticed": async (bed, home, left) => {
      await takeOutOfPod(bed, home, left);
      await bed.fleet.refresh(bed.signal);
    },
    "is taken out of the configuration": (bed, _, left) => bed.fleet.replace([left]),
    "is taken out of the pod and the configuration": async (bed, home, left) => {
      await takeOutOfPod(bed, home, left);
      bed.fleet.replace([left]);
      await bed.fleet.refresh(bed.signal);
    },
  };

for (const [how, end] of Object.entries(ENDS)) {
  test(`an array that is gone for ever and ${how} keeps nothing from its volumes`, async (bed) => {
    const { provisioner, signal } = bed;
    const id = await bed.create("pvc-1", IN_P1);
    const { home, left } = sidesOf(bed, id);
    await bed.publish(id, N1);
    const early = await provisioner.createSnapshot({ name: "early", sourceVolumeId: id }, signal);
    const wanted = { name: "group-1", sourceVolumeIds: [id] };
    const before = await provisioner.createGroupSnapshot(wanted, signal);
    await takeDown(bed, home.array.label);
    await end(bed, home, left);
    const later = { name: "group-2", sourceVolumeIds: [id] };
    for (const made of [before, await provisioner.createGroupSnapshot(later, signal)]) {
      const snapshotIds = made.snapshots.map(({ snapshotId }) => snapshotId);
      const group = { groupSnapshotId: made.groupSnapshotId, snapshotIds };
      equal((await provisioner.getGroupSnapshot(group, signal)).snapshots.length, 1);
      await provisioner.deleteGroupSnapshot(group, signal);
    }
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const { capacityBytes } = await provisioner.expandVolume(
      { volumeId: id, capacityRange },
      signal,
    );
    equal(capacityBytes, 2 * GiB);
    await provisioner.modifyVolume(
      { volumeId: id, mutableParameters: { iops_limit: "1000" } },
      signal,
    );
    equal((await provisioner.getVolume(id, signal)).volume.capacityBytes, 2 * GiB);
    const asked = { volumeId: id, volumeContext: {}, capabilities: [RWO], parameters: {} };
    equal((await provisioner.validateCapabilities(asked, signal)).confirmed, true);
    await provisioner.getVolumeHealth(id, signal);
    const late = await provisioner.createSnapshot({ name: "late", sourceVolumeId: id }, signal);
    const listed = await provisioner.listSnapshots({
      ...{ snapshotId: early.snapshotId, sourceVolumeId: "", maxEntries: 0, startingToken: "" },
    }, signal);
    deepEqual(listed.entries.map(({ snapshotId }) => snapshotId), [early.snapshotId]);
    const contentSource = { snapshotId: early.snapshotId };
    const copy = await bed.create("pvc-2", { ...IN_P1, contentSource });
    deepEqual(arraysIn(await bed.publish(id, N1)), [left.array.label]);
    await unpublish(bed, id);
    deepEqual(arraysIn(await bed.publish(id, N2)), [left.array.label]);
    await rejects(provisioner.deleteVolume(id, signal), { code: "in_use" });
    await unpublish(bed, id, N2);
    deepEqual(await connected(bed, [left.array.label]), []);
    await rejects(provisioner.deleteVolume(id, signal), { code: "in_use", message: /snapshot/ });
    for (const { snapshotId } of [early, late]) {
      await provisioner.deleteSnapshot(snapshotId, signal);
    }
    for (let time = 0; time < 2; time++) await provisioner.deleteVolume(id, signal);
    deepEqual(await volumesOn(bed, left), [nameOf(copy)]);
  });
}

test("a volume that nobody has is destroyed while its array is offline in the pod", async (bed) => {
  const { provisioner, signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  const { home, left } = sidesOf(bed, id);
  await bed.publish(id, N1);
  await takeDown(bed, home.array.label);
  await rejects(provisioner.deleteVolume(id, signal), { code: "in_use" });
  await rejects(unpublish(bed, id), { code: "unavailable" });
  // The node may still be connected on the array that is silent.
  const message = /nobody may have .* and node-1\.example\.org may have it on the silent array/;
  await rejects(provisioner.deleteVolume(id, signal), { code: "unavailable", message });
  await bringBack(bed);
  await unpublish(bed, id);
  await takeDown(bed, home.array.label);
  for (let time = 0; time < 2; time++) await provisioner.deleteVolume(id, signal);
  deepEqual(await volumesOn(bed, left), []);
  await bringBack(bed);
  deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
});

test("after a restart a volume is destroyed without its array once Kubernetes names no user", async (bed) => {
  const { signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  const { home } = sidesOf(bed, id);
  await bed.publish(id, N1, { capability: RAW_RWX });
  await unpublish(bed, id);
  await takeDown(bed, home.array.label);
  await bed.restart();
  await bed.fleet.refresh(signal);
  const message = /a node that this controller does not know may have it on the silent array/;
  await rejects(bed.provisioner.deleteVolume(id, signal), { code: "unavailable", message });
  const { nodes, volumes, attachments } = bed.provisioner.followCluster();
  for (const table of [nodes, volumes, attachments]) {
    table.begin();
    table.listed();
  }
  await bed.provisioner.deleteVolume(id, signal);
  await bringBack(bed);
  deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
});

test("a volume is destroyed on no array while a silent one may serve it", async (bed) => {
  const { provisioner, signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  const { home, left } = sidesOf(bed, id);
  await connectByHand(bed, home.array.label, { volume: nameOf(id), host: "by-hand", node: N2 });
  await bed.silence(home.array.label);
  await bed.fleet.refresh(signal);
  const serving = /pod p1 is online on fa-\d, which cannot be asked who has the volume there/;
  await rejects(provisioner.deleteVolume(id, signal), { code: "unavailable", message: serving });
  await bed.healFaults();
  await bed.fleet.refresh(signal);
  // The other array has lost the pod by the time that it is asked.
  await takeDown(bed, home.array.label);
  bed.rewrite(
    left.array.label,
    (text, path) => path.includes("/pods") ? text.replaceAll('"p1"', '"p2"') : text,
  );
  await rejects(provisioner.deleteVolume(id, signal), { code: "unavailable" });
  deepEqual(await volumesOn(bed, left), [nameOf(id)]);
});

test("a delete whose answer was lost is done, its array gone for ever", async (bed) => {
  const { provisioner, signal } = bed;
  const ids = [await bed.create("pvc-1", IN_P1), await bed.create("pvc-2", IN_P1)];
  const [id = "", other = ""] = ids;
  const taken = { name: "snapshot-1", sourceVolumeId: other };
  const { snapshotId } = await provisioner.createSnapshot(taken, signal);
  const { home, left } = sidesOf(bed, id);
  await takeDown(bed, home.array.label);
  await takeOutOfPod(bed, home, left);
  await bed.fleet.refresh(signal);
  const destroy = async (names: string, path: "volumes" | "volume-snapshots") => {
    const body = { destroyed: true };
    await bed.admin(left.array.label, { method: "PATCH", path, query: { names }, body });
  };
  await destroy(nameOf(id), "volumes");
  await destroy(nameOf(snapshotId), "volume-snapshots");
  await provisioner.deleteVolume(id, signal);
  await provisioner.deleteSnapshot(snapshotId, signal);
  await unpublish(bed, id);
  await rejects(provisioner.getVolume(id, signal), { code: "not_found" });
  await bed.restart();
  await bed.fleet.refresh(signal);
  await bed.provisioner.deleteVolume(id, signal);
  await bed.provisioner.deleteSnapshot(snapshotId, signal);
  await bed.provisioner.deleteVolume(other, signal);
  deepEqual(await volumesOn(bed, left), []);
});

test("a delete that was begun on an array that is gone for ever ends on the other one", async (bed) => {
  const { provisioner, signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  const { home, left } = sidesOf(bed, id);
  const taken = { name: "snapshot-1", sourceVolumeId: id };
  const { snapshotId } = await provisioner.createSnapshot(taken, signal);
  for (const path of ["/volume-snapshots", "/volumes"]) {
    const match = { method: "PATCH", path };
    await bed.fault({ array: home.array.label, action: "drop-before", match, times: 100 });
  }
  await rejects(provisioner.deleteSnapshot(snapshotId, signal), { code: "unavailable" });
  await takeDown(bed, home.array.label);
  await takeOutOfPod(bed, home, left);
  await provisioner.deleteSnapshot(snapshotId, signal);
  await provisioner.deleteVolume(id, signal);
  deepEqual(await volumesOn(bed, left), []);
});

test("a new volume of the name of one that is gone stays", async (bed) => {
  const { provisioner, signal } = bed;
  const id = await bed.create("pvc-1", IN_P1);
  const { home, left } = sidesOf(bed, id);
  await takeDown(bed, home.array.label);
  await takeOutOfPod(bed, home, left);
  await bed.fleet.refresh(signal);
  const query = { names: nameOf(id) };
  const path = "volumes";
  const onLeft = (call: Pick<RestCall, "method" | "body">) =>
    bed.admin(left.array.label, { path, query, ...call });
  await onLeft({ method: "PATCH", body: { destroyed: true } });
  await onLeft({ method: "DELETE" });
  await onLeft({ method: "POST", body: { provisioned: GiB } });
  await rejects(provisioner.deleteVolume(id, signal), { code: "in_use", message: /may be a copy/ });
  await rejects(provisioner.getVolume(id, signal), { code: "unavailable" });
  deepEqual(await volumesOn(bed, left), [nameOf(id)]);
});

for (const isGone of [false, true]) {
  const whose = isGone ? " of an array that is gone" : "";
  test(`a repeated delete of a volume${whose} touches no later one of the name`, async (bed) => {
    const { provisioner, signal } = bed;
    const { home, left } = sidesOf(bed, await bed.create("pvc-1", IN_P1));
    const name = "p1::oracle-data";
    await home.array.createVolume({ name, sizeBytes: GiB });
    const id = `${home.id?.slice(0, 8)}/${name}`;
    if (isGone) {
      await takeDown(bed, home.array.label);
      await takeOutOfPod(bed, home, left);
      await bed.fleet.refresh(signal);
    }
    await provisioner.deleteVolume(id, signal);
    deepEqual(await left.array.findVolume(name), undefined);
    const query = { names: name };
    await bed.admin(left.array.label, { method: "DELETE", path: "volumes", query });
    await left.array.createVolume({ name, sizeBytes: GiB });
    await provisioner.deleteVolume(id, signal);
    await connectByHand(bed, left.array.label, { volume: name, host: "by-hand", node: N2 });
    await provisioner.deleteVolume(id, signal);
    deepEqual((await left.array.findVolume(name))?.name, name);
  });
}

test("an unpublish is remembered of every array of the pod", async (bed) => {
  const id = await bed.create("pvc-1", IN_P1);
  const { home, left } = sidesOf(bed, id);
  await bed.publish(id, N1, { capability: RAW_RWX });
  await takeDown(bed, home.array.label);
  await takeOutOfPod(bed, home, left);
  await unpublish(bed, id);
  // In another mode it would contradict a publish that is still there.
  deepEqual(arraysIn(await bed.publish(id, N1)), [left.array.label]);
  await unpublish(bed, id);
  await bed.provisioner.deleteVolume(id, bed.signal);
});

test("by NVMe a volume goes on by the other array when its own is gone", async (bed) => {
  const change = { volumeContext: { protocol: "nvme-tcp" } };
  const node: NodeIdentity = { ...N1, protocols: ["nvme-tcp"], nqn: "nqn.2014-08.org.example:1" };
  const id = await bed.create("pvc-1", IN_P1);
  const { home, left } = sidesOf(bed, id);
  await bed.silence(home.array.label);
  await bed.fleet.refresh(bed.signal);
  await rejects(bed.publish(id, node, change), { code: "unavailable" });
  await bed.healFaults();
  await takeDown(bed, home.array.label);
  for (const end of [() => {}, () => takeOutOfPod(bed, home, left)]) {
    await end();
    equal((await bed.publish(id, node, change)).protocol, "nvme-tcp");
    equal((await connected(bed, [left.array.label])).length, 1);
  }
  await unpublish(bed, id, node);
  deepEqual(await connected(bed, [left.array.label]), []);
});

/** What is found wrong with volumes: reasons by handle. */
async function findings(bed: ProvisionerBed): Promise<Record<string, string[]>> {
  const whole = { maxEntries: 0, startingToken: "" };
  const { entries } = await bed.provisioner.listVolumeHealth(whole, bed.signal);
  return Object.fromEntries(
    entries.map(({ volumeId, findings }) => [volumeId, findings.map(({ reason }) => reason)]),
  );
}

/** The value of `pso_array_pods_not_in_sync` for an array. */
function podsNotInSync(bed: ProvisionerBed, array: string): string | undefined {
  const metrics = new Metrics();
  registerFleet(metrics, bed.fleet);
  const line = new RegExp(`^pso_array_pods_not_in_sync\\{array="${array}"\\} (\\d+)$`, "m");
  return line.exec(metrics.text())?.[1];
}

for (const which of ["home", "left"] as const) {
  test(`a volume without its paths by ${which} is told`, async (bed) => {
    const { provisioner, signal } = bed;
    const id = await bed.create("pvc-1", IN_P1);
    deepEqual(await findings(bed), {});
    const gone = sidesOf(bed, id)[which].array.label;
    await takeDown(bed, gone);
    await bed.publish(id, N1);
    const away = ["ArrayUnreachable", "PodNotInSync"];
    const { findings: found } = await provisioner.getVolumeHealth(id, signal);
    deepEqual(found.map(({ reason }) => reason), away);
    match(found[1]?.message ?? "", new RegExp(`^pod p1 is offline on array ${gone}: `));
    deepEqual(podsNotInSync(bed, gone === "fa-1" ? "fa-2" : "fa-1"), "1");
    deepEqual(await findings(bed), { [id]: which === "home" ? ["ArrayUnreachable"] : away });
    await bringBack(bed);
    deepEqual(podsNotInSync(bed, gone), "0");
    deepEqual(await findings(bed), { [id]: ["NotOnAllArrays"] });
    const { findings: [half] } = await provisioner.getVolumeHealth(id, signal);
    match(half?.message ?? "", new RegExp(`published to ${N1.name}, and not by array ${gone}, `));
    await bed.publish(id, N1);
    deepEqual(await findings(bed), {});
    for (const array of ["fa-1", "fa-2"]) {
      for (const at of await connected(bed, [array])) {
        const query = { volume_names: nameOf(id), host_names: at.split(" ")[1] ?? "" };
        await bed.admin(array, { method: "DELETE", path: "connections", query });
      }
    }
    deepEqual(await findings(bed), { [id]: ["Disconnected"] });
  });
}
