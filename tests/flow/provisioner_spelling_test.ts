// Arrays compare names without case: two spellings in handles are one volume.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB } from "../../src/size.ts";
import { handleOn } from "./namesakes.ts";
import { N1, ProvisionerBed, RAW_RWX, RWX } from "./provisioner_bed.ts";

const isInUse = (error: unknown) => isPsoError(error, "in_use");
const nodeId = encodeNodeId(N1);

Deno.test("deleteVolume() knows who uses a file system by every spelling of its name", async () => {
  await ProvisionerBed.run({ flasharrays: 0, flashblades: 1 }, async (bed) => {
    const [member] = bed.fleet.members;
    if (!member) throw new Error("no array");
    const exportRules = "*(rw,no_root_squash)";
    await member.array.createVolume({ name: "data", sizeBytes: GiB, exportRules });
    const volumeId = handleOn(bed, member.array, "data");
    await bed.publish(volumeId, N1, { capability: RWX });
    for (const handle of [volumeId, handleOn(bed, member.array, "DATA"), "Data"]) {
      await rejects(bed.provisioner.deleteVolume(handle, bed.signal), isInUse, handle);
      deepEqual(await bed.publishedTo(handle), [nodeId]);
    }
    const other = { volumeId: handleOn(bed, member.array, "DATA"), nodeId };
    await bed.provisioner.unpublishVolume(other, bed.signal);
    deepEqual(await bed.publishedTo(volumeId), []);
    await bed.provisioner.deleteVolume(handleOn(bed, member.array, "DATA"), bed.signal);
  });
});

Deno.test("listVolumes() shows a volume of another spelling once, where it is published, by the cluster's handle", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const [member] = bed.fleet.members;
    if (!member) throw new Error("no array");
    await member.array.createVolume({ name: "Data", sizeBytes: GiB });
    const volumeId = handleOn(bed, member.array, "DATA");
    await bed.publish(volumeId, N1, { capability: RAW_RWX });
    const page = await bed.provisioner.listVolumes(
      { maxEntries: 0, startingToken: "" },
      bed.signal,
    );
    deepEqual(
      page.entries.map(({ volume, publishedNodeIds }) => [volume.volumeId, publishedNodeIds]),
      [[volumeId, [nodeId]]],
    );
  });
});

Deno.test("createVolume() of a copy is repeated by every spelling of its source", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const source = await bed.create("pvc-1");
    const volumeId = source.replace("k8s-", "K8S-");
    const made = await bed.create("pvc-2", { contentSource: { volumeId } });
    await bed.restart();
    equal(await bed.create("pvc-2", { contentSource: { volumeId: source } }), made);
    equal(await bed.create("pvc-2", { contentSource: { volumeId } }), made);
  });
});

Deno.test("lockKey() is one for every spelling of a handle", () =>
  ProvisionerBed.run({ flasharrays: 1, cold: true }, (bed) => {
    const { provisioner } = bed;
    const volumes = ["0a1b2c3d/k8s-pvc-1", "0A1B2C3D/K8S-PVC-1", "K8s-Pvc-1", "k8s/PVC-1"];
    const keys = volumes.map((volumeId) => provisioner.lockKey({ volumeId }));
    deepEqual([...new Set(keys)], [provisioner.lockKey({ volumeName: "pvc-1" })]);
    const snapshots = ["0A1B2C3D/v.Snapshot-1", "v.SNAPSHOT-1"];
    const snapshotKeys = snapshots.map((snapshotId) => provisioner.lockKey({ snapshotId }));
    deepEqual([...new Set(snapshotKeys)], [provisioner.lockKey({ snapshotName: "snapshot-1" })]);
    return Promise.resolve();
  }));

Deno.test("a handle names its array in upper case too, for every call", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const [member] = bed.fleet.members;
    if (!member) throw new Error("no array");
    for (const { array } of bed.fleet.members) {
      await array.createVolume({ name: "data", sizeBytes: GiB });
    }
    const volumeId = handleOn(bed, member.array, "data");
    const upper = volumeId.toUpperCase();
    await bed.publish(upper, N1);
    equal(await member.array.holds("data", N1), true);
    deepEqual(await bed.publishedTo(upper), [nodeId]);
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    await provisioner.expandVolume({ volumeId: upper, capacityRange }, signal);
    const { snapshotId } = await provisioner.createSnapshot(
      { name: "snapshot-1", sourceVolumeId: upper },
      signal,
    );
    for (const sourceVolumeId of ["", upper, volumeId]) {
      const { entries } = await provisioner.listSnapshots(
        { snapshotId: snapshotId.toUpperCase(), sourceVolumeId, maxEntries: 0, startingToken: "" },
        signal,
      );
      deepEqual(entries.map(({ sizeBytes }) => sizeBytes), [2 * GiB]);
    }
    const contentSource = { snapshotId: snapshotId.toUpperCase() };
    const restored = await bed.create("pvc-2", { contentSource, capacityRange });
    equal(restored, handleOn(bed, member.array, "k8s-pvc-2"));
    await provisioner.unpublishVolume({ volumeId, nodeId }, signal);
    await bed.publish(volumeId, N1);
    await provisioner.unpublishVolume({ volumeId: upper, nodeId }, signal);
    equal(await member.array.holds("data", N1), false);
    await provisioner.deleteSnapshot(snapshotId.toUpperCase(), signal);
    await provisioner.deleteVolume(upper, signal);
    equal(await member.array.findVolume("data"), undefined);
    const [, other] = bed.fleet.members;
    equal((await other?.array.findVolume("data"))?.name, "data");
  });
});

Deno.test("unpublishVolume() by another spelling of a bare handle takes what was published by it", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const [one, two] = bed.fleet.members.map(({ array }) => array);
    if (!one || !two) throw new Error("no arrays");
    await one.createVolume({ name: "data", sizeBytes: GiB });
    await bed.publish("data", N1);
    await two.createVolume({ name: "data", sizeBytes: GiB });
    const byHand = { protocol: "local", exclusive: true, preempt: true, readOnly: false } as const;
    await two.connect("data", N1, byHand);
    await bed.provisioner.unpublishVolume({ volumeId: "DATA", nodeId }, bed.signal);
    deepEqual([await one.holds("data", N1), await two.holds("data", N1)], [false, true]);
  });
});
