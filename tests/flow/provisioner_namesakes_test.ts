// Namesakes, continued: what was made from a source, and who holds a volume of a bare handle.
import { deepEqual, equal, rejects } from "node:assert/strict";
import type { StorageArray } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { arrayOf, handleOn, homeAndOther, makeNamesake, NAME } from "./namesakes.ts";
import { N1, N2, ProvisionerBed } from "./provisioner_bed.ts";

const SUFFIX = "snapshot-1";
const nodeId = encodeNodeId(N1);
const isAmbiguous = (error: unknown) => isPsoError(error, "ambiguous");

for (const from of ["volume", "snapshot"] as const) {
  Deno.test(`createVolume() never binds a copy that was made from a namesake of its source, a ${from}`, async () => {
    for (const bare of [false, true]) {
      await ProvisionerBed.run({}, async (bed) => {
        const volumeId = await bed.create("pvc-1");
        const [home, other] = await homeAndOther(bed);
        const { snapshotId } = await bed.provisioner.createSnapshot(
          { name: SUFFIX, sourceVolumeId: volumeId },
          bed.signal,
        );
        await makeNamesake(other);
        await other.createSnapshot(NAME, SUFFIX);
        const source = from === "volume" ? { volume: NAME } : { snapshot: `${NAME}.${SUFFIX}` };
        await other.createVolume({ name: "k8s-pvc-2", sizeBytes: GiB, source });
        await bed.restart();
        await bed.fleet.refresh(bed.signal);
        const handle = from === "volume" ? volumeId : snapshotId;
        const asked = bare ? handle.split("/")[1] ?? "" : handle;
        const contentSource = from === "volume" ? { volumeId: asked } : { snapshotId: asked };
        await rejects(
          bed.create("pvc-2", { contentSource }),
          (error: Error) => isPsoError(error, bare ? "unavailable" : "conflict"),
        );
        deepEqual((await bed.volumes())[home.label], [NAME]);
        // Without the other's copy the claim gets its own, and a repeat after a restart the same.
        await arrayOf(bed, other).deleteVolume("k8s-pvc-2");
        if (bare) {
          await arrayOf(bed, other).deleteSnapshot(`${NAME}.${SUFFIX}`);
          await arrayOf(bed, other).deleteVolume(NAME);
        }
        const made = await bed.create("pvc-2", { contentSource });
        equal(made.split("/")[0], volumeId.split("/")[0]);
        await bed.restart();
        equal(await bed.create("pvc-2", { contentSource }), made);
      });
    }
  });
}

/** Two arrays with a volume of the name; `first` is published by the bare handle. */
async function twoOfOneName(
  bed: ProvisionerBed,
  { name, bare = name }: { name: string; bare?: string },
): Promise<[StorageArray, StorageArray]> {
  const [first, second] = bed.fleet.members.map(({ array }) => array);
  if (!first || !second) throw new Error("two arrays are needed");
  await makeNamesake(first, name);
  await bed.publish(bare, N1);
  await makeNamesake(second, name);
  return [first, second];
}

/** Whether each array shows the node connected to the volume. */
async function held(bed: ProvisionerBed, name: string): Promise<boolean[]> {
  return await Promise.all(bed.fleet.members.map(({ array }) => array.holds(name, N1)));
}

Deno.test("unpublishVolume() by a bare handle never cuts off what the node uses by another handle", async () => {
  for (const node of [nodeId, ""]) {
    await ProvisionerBed.run({}, async (bed) => {
      const name = "oracle-data";
      const [first, second] = await twoOfOneName(bed, { name });
      await first.disconnect(name, N1);
      await first.deleteVolume(name);
      await bed.publish(handleOn(bed, second, name), N1);
      for (let call = 0; call < 2; call++) {
        await bed.provisioner.unpublishVolume({ volumeId: name, nodeId: node }, bed.signal);
        equal(await second.holds(name, N1), true, `call ${call + 1}`);
      }
      const volumeId = handleOn(bed, second, name);
      await bed.provisioner.unpublishVolume({ volumeId, nodeId: node }, bed.signal);
      equal(await second.holds(name, N1), false);
    });
  }
});

Deno.test("unpublishVolume() of two volumes of one name, both published to the node, takes each by its handle", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const name = "oracle-data";
    const [, second] = await twoOfOneName(bed, { name });
    await bed.publish(handleOn(bed, second, name), N1);
    await bed.provisioner.unpublishVolume({ volumeId: name, nodeId }, bed.signal);
    deepEqual(await held(bed, name), [false, true]);
    const volumeId = handleOn(bed, second, name);
    await bed.provisioner.unpublishVolume({ volumeId, nodeId }, bed.signal);
    deepEqual(await held(bed, name), [false, false]);
  });
});

Deno.test("unpublishVolume() by a bare handle needs the array alone that it was published on", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const name = "oracle-data";
    const [, second] = await twoOfOneName(bed, { name });
    await bed.silence(second.label);
    await bed.provisioner.unpublishVolume({ volumeId: name, nodeId }, bed.signal);
    await bed.healFaults();
    deepEqual(await held(bed, name), [false, false]);
  });
});

for (
  const [what, bare] of [["that looks like ours, ", "deadbeef/pvc-1"], ["", "k8s/pvc-1"]] as const
) {
  for (const when of ["in one process", "after a restart"]) {
    Deno.test(`unpublishVolume() by PSO's handle ${what}of two arrays takes what the node holds, ${when}`, async () => {
      await ProvisionerBed.run({}, async (bed) => {
        const name = bare.replace("/", "-");
        await twoOfOneName(bed, { name, bare });
        if (when === "after a restart") await bed.restart();
        for (let call = 0; call < 2; call++) {
          await bed.provisioner.unpublishVolume({ volumeId: bare, nodeId }, bed.signal);
          deepEqual(await held(bed, name), [false, false]);
        }
        await rejects(bed.provisioner.deleteVolume(bare, bed.signal), isAmbiguous);
      });
    });
  }
}

Deno.test("unpublishVolume() from a node that is known by name alone takes the volume that its host holds", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const bare = "k8s/pvc-1";
    const [, second] = await twoOfOneName(bed, { name: NAME, bare });
    await bed.publish(handleOn(bed, second, NAME), N2);
    await bed.restart();
    const byName = { volumeId: bare, nodeId: N1.name };
    await bed.provisioner.unpublishVolume(byName, bed.signal);
    deepEqual(await held(bed, NAME), [false, false]);
    // The other volume may be that node's: its host is known to nobody.
    await rejects(
      bed.provisioner.unpublishVolume(byName, bed.signal),
      (error) => isPsoError(error, "not_found") && error.message.includes(hostNameFor(N2.name)),
    );
    equal(await arrayOf(bed, second).holds(NAME, N2), true);
  });
});

Deno.test("a handle of PSO whose prefix is this cluster's, and looks like an array's id, is gone once no array has it", async () => {
  await ProvisionerBed.run({ settings: { clusterId: "deadbeef" } }, async (bed) => {
    const { provisioner, signal } = bed;
    const volumeId = "deadbeef/pvc-1";
    const key = provisioner.lockKey({ volumeName: "pvc-1" });
    equal(provisioner.lockKey({ volumeId }), key);
    equal(provisioner.lockKey({ volumeId: "0a1b2c3d/deadbeef-pvc-1" }), key);
    const [array] = bed.fleet.members;
    await array?.array.createVolume({ name: "deadbeef-pvc-1", sizeBytes: GiB });
    await bed.publish(volumeId, N1);
    for (let call = 0; call < 2; call++) {
      await provisioner.unpublishVolume({ volumeId, nodeId }, signal);
      await provisioner.deleteVolume(volumeId, signal);
      await provisioner.deleteSnapshot(`${volumeId}.${SUFFIX}`, signal);
    }
    equal(await array?.array.findVolume("deadbeef-pvc-1"), undefined);
    await rejects(bed.publish(volumeId, N1), (error) => isPsoError(error, "not_found"));
    // Any other prefix may be the id of an array that is not configured any more.
    const foreign = "cafecafe/pvc-1";
    await rejects(
      provisioner.deleteVolume(foreign, signal),
      (error) =>
        isPsoError(error, "unavailable") &&
        /id begins with cafecafe into the configuration again/.test(error.message),
    );
  });
});

Deno.test("createSnapshot() is repeated after a restart though a namesake has a snapshot of that name", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const sourceVolumeId = await bed.create("pvc-1");
    const [, other] = await homeAndOther(bed);
    const request = { name: SUFFIX, sourceVolumeId };
    const { snapshotId } = await bed.provisioner.createSnapshot(request, bed.signal);
    await makeNamesake(other);
    await other.createSnapshot(NAME, SUFFIX);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    const again = await bed.provisioner.createSnapshot(request, bed.signal);
    equal(again.snapshotId, snapshotId);
    // The name belongs to two volumes now; a third one gets none of it.
    const third = { ...request, sourceVolumeId: await bed.create("pvc-3") };
    await rejects(
      bed.provisioner.createSnapshot(third, bed.signal),
      (error) => isPsoError(error, "conflict"),
    );
  });
});
