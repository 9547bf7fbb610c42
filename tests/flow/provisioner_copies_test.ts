// A volume that two arrays show, as those of a stretched pod do: the serial proves that it is one.
// And the other way round: what nothing proves is never destroyed or bound.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { StorageArray } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB } from "../../src/size.ts";
import { arrayOf, handleOn, homeAndOther, makeNamesake, NAME, showSerial } from "./namesakes.ts";
import { N1, ProvisionerBed, RWX } from "./provisioner_bed.ts";

const SUFFIX = "snapshot-1";
const nodeId = encodeNodeId(N1);
const isUnavailable = (error: unknown) => isPsoError(error, "unavailable");

/** A volume that is destroyed at home, and that the other array shows with its serial. */
async function movedVolume(bed: ProvisionerBed): Promise<[string, StorageArray]> {
  const volumeId = await bed.create("pvc-1");
  const [home, other] = await homeAndOther(bed);
  const serial = (await home.findVolume(NAME))?.serial;
  await home.deleteVolume(NAME);
  await makeNamesake(other);
  showSerial(bed, other, serial);
  return [volumeId, other];
}

Deno.test("a proven copy on another array is the volume for every call, also for delete", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const [volumeId, other] = await movedVolume(bed);
    await bed.publish(volumeId, N1);
    equal(await other.holds(NAME, N1), true);
    deepEqual(await bed.publishedTo(volumeId), [nodeId]);
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    await provisioner.expandVolume({ volumeId, capacityRange }, signal);
    equal((await other.findVolume(NAME))?.sizeBytes, 2 * GiB);
    await provisioner.unpublishVolume({ volumeId, nodeId }, signal);
    equal(await other.holds(NAME, N1), false);
    await provisioner.deleteVolume(volumeId, signal);
    equal(await other.findVolume(NAME), undefined);
  });
});

Deno.test("the snapshot of a proven copy is the one that the handle means", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const [volumeId, other] = await movedVolume(bed);
    await provisioner.createSnapshot({ name: SUFFIX, sourceVolumeId: volumeId }, signal);
    const snapshotId = `${volumeId}.${SUFFIX}`;
    equal((await provisioner.getSnapshot(snapshotId, signal)).snapshotId, snapshotId);
    const contentSource = { snapshotId };
    const restored = await bed.create("pvc-2", { contentSource });
    equal(restored, handleOn(bed, other, "k8s-pvc-2"));
    await bed.restart();
    equal(await bed.create("pvc-2", { contentSource }), restored, "repeated after a restart");
    await bed.provisioner.deleteSnapshot(snapshotId, signal);
    equal(await arrayOf(bed, other).findSnapshot(`${NAME}.${SUFFIX}`), undefined);
  });
});

Deno.test("a delete by a bare handle takes no silence for a no, though the name is this cluster's", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    const request = { name: SUFFIX, sourceVolumeId: volumeId };
    await bed.provisioner.createSnapshot(request, bed.signal);
    bed.link(other.label, "unreachable");
    await bed.restart();
    const { provisioner, signal } = bed;
    const snapshot = `${NAME}.${SUFFIX}`;
    await rejects(provisioner.deleteSnapshot(snapshot, signal), isUnavailable);
    equal((await arrayOf(bed, home).findSnapshot(snapshot))?.name, snapshot);
    await arrayOf(bed, home).deleteSnapshot(snapshot);
    await rejects(provisioner.deleteVolume(NAME, signal), isUnavailable);
    equal((await arrayOf(bed, home).findVolume(NAME))?.name, NAME);
    await bed.publish(NAME, N1);
    await provisioner.unpublishVolume({ volumeId: NAME, nodeId }, signal);
    bed.link(other.label, "whole");
    await provisioner.deleteVolume(NAME, signal);
    equal(await arrayOf(bed, home).findVolume(NAME), undefined);
  });
});

Deno.test("createVolume() refuses a name that two FlashBlades have, as file systems have no serial", async () => {
  await ProvisionerBed.run({ flasharrays: 0, flashblades: 2 }, async (bed) => {
    const file = { parameters: { backend: "file" }, capabilities: [RWX] };
    await bed.create("pvc-1", file);
    const [, other] = await homeAndOther(bed, "file");
    await makeNamesake(other);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.create("pvc-1", file), (error: Error) => {
      match(error.message, /fb-1 \(file system\) and fb-2 \(file system\) both have it/);
      return isUnavailable(error);
    });
  });
});

Deno.test("createVolume() binds a volume that two arrays show with one serial, by its maker's handle", async () => {
  // The first array in the configuration is not the maker.
  await ProvisionerBed.run({ suspended: ["fa-1"] }, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    deepEqual([home.label, other.label], ["fa-2", "fa-1"]);
    await makeNamesake(other);
    showSerial(bed, other, (await home.findVolume(NAME))?.serial);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    equal(await bed.create("pvc-1"), volumeId);
  });
});

Deno.test("arrays of one configured name: publish, list and delete go to the one that the handle names", async () => {
  await ProvisionerBed.run({ names: { "fa-1": "fa-2" } }, async (bed) => {
    const { provisioner, signal } = bed;
    const handles: string[] = [];
    for (const { array, id = "" } of bed.fleet.members) {
      await makeNamesake(array);
      handles.push(`${id.replaceAll("-", "").slice(0, 8)}/${NAME}`);
    }
    await bed.fleet.refresh(signal);
    const held = () => Promise.all(bed.fleet.members.map(({ array }) => array.holds(NAME, N1)));
    for (const [index, volumeId] of handles.entries()) {
      const isThis = handles.map((_, at) => at === index);
      await bed.publish(volumeId, N1);
      deepEqual(await held(), isThis);
      const { entries } = await provisioner.listVolumes(
        { maxEntries: 0, startingToken: "" },
        signal,
      );
      deepEqual(
        handles.map((handle) =>
          entries.find(({ volume }) => volume.volumeId === handle)?.publishedNodeIds
        ),
        isThis.map((is) => is ? [nodeId] : []),
      );
      await provisioner.unpublishVolume({ volumeId, nodeId }, signal);
      deepEqual(await held(), [false, false]);
    }
    await provisioner.deleteVolume(handles[1] ?? "", signal);
    const left = await Promise.all(bed.fleet.members.map(({ array }) => array.findVolume(NAME)));
    deepEqual(left.map((volume) => volume?.name), [NAME, undefined]);
  });
});
