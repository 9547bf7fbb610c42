// What proves that another array's volume is the one that a handle means. A name proves nothing, and
// the maker's digits in a serial prove the maker alone: of two volumes it made, they tell none apart.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { StorageArray } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { GiB } from "../../src/size.ts";
import {
  arrayOf,
  eradicate,
  homeAndOther,
  makeNamesake,
  NAME,
  showMadeBy,
  showSerial,
  tagByHand,
} from "./namesakes.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";

const SUFFIX = "snapshot-1";
const SNAPSHOT = `${NAME}.${SUFFIX}`;
const nodeId = encodeNodeId(N1);
const isGone = (error: unknown) => isPsoError(error, "not_found");

/** What happens between a delete and its repetition. */
const REPEATS: {
  what: string;
  lost?: boolean;
  between?: (bed: ProvisionerBed) => Promise<void>;
}[] = [
  { what: "in one process" },
  { what: "after a restart", between: (bed) => bed.restart() },
  { what: "after a lost answer", lost: true },
  { what: "after a lost answer and a restart", lost: true, between: (bed) => bed.restart() },
];

/** A delete that is repeated: where it is, and the path of its change. */
interface Deletion {
  home: StorageArray;
  path: "/volumes" | "/volume-snapshots";
}

/** Runs a delete twice; with `lost`, the answer to the first one's change is lost. */
async function twice(
  bed: ProvisionerBed,
  { home, path, lost, between }: Omit<typeof REPEATS[number], "what"> & Deletion,
  work: () => Promise<void>,
): Promise<void> {
  if (lost) {
    await bed.fault({
      array: home.label,
      match: { method: "PATCH", path },
      action: "drop-after",
      times: 10,
    });
    await rejects(work());
    await bed.healFaults();
  } else await work();
  await between?.(bed);
  await work();
}

/** A volume of this driver and a namesake whose serial begins alike, both with a snapshot. */
async function madeAlike(
  bed: ProvisionerBed,
): Promise<{ volumeId: string; snapshotId: string; home: StorageArray; other: StorageArray }> {
  const volumeId = await bed.create("pvc-1");
  const [home, other] = await homeAndOther(bed);
  const { snapshotId } = await bed.provisioner.createSnapshot(
    { name: SUFFIX, sourceVolumeId: volumeId },
    bed.signal,
  );
  await makeNamesake(other);
  await other.createSnapshot(NAME, SUFFIX);
  showMadeBy(bed, other, home);
  const [one, two] = [await home.findVolume(NAME), await other.findVolume(NAME)];
  equal(one?.serial?.slice(0, 16), two?.serial?.slice(0, 16));
  equal(one?.serial === two?.serial, false, "the serials end differently");
  return { volumeId, snapshotId, home, other };
}

for (const repeat of REPEATS) {
  Deno.test(`deleteVolume() twice, ${repeat.what}, leaves a namesake alone whose serial only begins alike`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const { volumeId, home, other } = await madeAlike(bed);
      await home.deleteSnapshot(SNAPSHOT);
      await other.deleteSnapshot(SNAPSHOT);
      await twice(
        bed,
        { ...repeat, home, path: "/volumes" },
        () => bed.provisioner.deleteVolume(volumeId, bed.signal),
      );
      equal(await arrayOf(bed, home).findVolume(NAME), undefined);
      equal((await arrayOf(bed, other).findVolume(NAME))?.name, NAME);
      await rejects(bed.publish(volumeId, N1), isGone);
      await rejects(bed.provisioner.getVolume(volumeId, bed.signal), isGone);
    });
  });

  Deno.test(`deleteSnapshot() twice, ${repeat.what}, leaves a namesake's snapshot alone while the volume is live`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const { snapshotId, home, other } = await madeAlike(bed);
      await twice(
        bed,
        { ...repeat, home, path: "/volume-snapshots" },
        () => bed.provisioner.deleteSnapshot(snapshotId, bed.signal),
      );
      equal(await arrayOf(bed, home).findSnapshot(SNAPSHOT), undefined);
      equal((await arrayOf(bed, other).findSnapshot(SNAPSHOT))?.name, SNAPSHOT);
      await rejects(bed.provisioner.getSnapshot(snapshotId, bed.signal), isGone);
    });
  });
}

Deno.test("a snapshot of a destroyed volume is gone, though a namesake's serial begins alike", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const { snapshotId, home, other } = await madeAlike(bed);
    await home.deleteSnapshot(SNAPSHOT);
    await home.deleteVolume(NAME);
    await provisioner.deleteSnapshot(snapshotId, signal);
    await rejects(provisioner.getSnapshot(snapshotId, signal), isGone);
    await rejects(bed.create("pvc-2", { contentSource: { snapshotId } }), isGone);
    equal((await other.findSnapshot(SNAPSHOT))?.name, SNAPSHOT);
  });
});

Deno.test("where the home array knows nothing of the volume, the maker's digits are enough to use it and not to destroy it", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const { volumeId, snapshotId, home, other } = await madeAlike(bed);
    await home.deleteSnapshot(SNAPSHOT);
    await eradicate(bed, home);
    await bed.publish(volumeId, N1);
    equal(await other.holds(NAME, N1), true);
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    await provisioner.expandVolume({ volumeId, capacityRange }, signal);
    await provisioner.unpublishVolume({ volumeId, nodeId }, signal);
    equal(await other.holds(NAME, N1), false);
    equal((await provisioner.getSnapshot(snapshotId, signal)).snapshotId, snapshotId);
    const isUnproven = (error: unknown) =>
      isPsoError(error, "in_use") &&
      /on array fa-\d .* no tag cluster=k8s: .* give it that tag/.test(error.message);
    await rejects(provisioner.deleteSnapshot(snapshotId, signal), isUnproven);
    equal((await other.findSnapshot(SNAPSHOT))?.name, SNAPSHOT);
    await tagByHand(bed, other, "another");
    await rejects(provisioner.deleteSnapshot(snapshotId, signal), isUnproven);
    await tagByHand(bed, other, "k8s");
    await provisioner.deleteSnapshot(snapshotId, signal);
    equal(await other.findSnapshot(SNAPSHOT), undefined);
    await tagByHand(bed, other, "another");
    await rejects(provisioner.deleteVolume(volumeId, signal), isUnproven);
    equal((await other.findVolume(NAME))?.name, NAME);
    await tagByHand(bed, other, "k8s");
    await provisioner.deleteVolume(volumeId, signal);
    equal(await other.findVolume(NAME), undefined);
  });
});

Deno.test("a repeated delete needs no proof of a namesake once its own volume is eradicated", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const { volumeId, snapshotId, home, other } = await madeAlike(bed);
    await provisioner.deleteSnapshot(snapshotId, signal);
    await provisioner.deleteVolume(volumeId, signal);
    await bed.admin(home.label, { method: "DELETE", path: "volumes", query: { names: NAME } });
    await tagByHand(bed, other, "k8s");
    await provisioner.deleteSnapshot(snapshotId, signal);
    await provisioner.deleteVolume(volumeId, signal);
    equal((await other.findVolume(NAME))?.name, NAME);
    equal((await other.findSnapshot(SNAPSHOT))?.name, SNAPSHOT);
  });
});

Deno.test("copies that several arrays show with one serial are one volume, for a handle and for a bare name", async () => {
  await ProvisionerBed.run({ flasharrays: 3 }, async (bed) => {
    const { provisioner, signal } = bed;
    const volumeId = await bed.create("pvc-1");
    const [home] = await homeAndOther(bed);
    const serial = (await home.findVolume(NAME))?.serial;
    const others = bed.fleet.members.map(({ array }) => array).filter((array) => array !== home);
    for (const other of others) {
      await makeNamesake(other);
      await other.createSnapshot(NAME, SUFFIX);
      showSerial(bed, other, serial);
    }
    await home.deleteVolume(NAME);
    deepEqual(
      (await Promise.all(others.map((array) => array.findVolume(NAME)))).map((volume) =>
        volume?.serial
      ),
      [serial, serial],
    );
    for (const handle of [volumeId, NAME]) {
      equal((await provisioner.getVolume(handle, signal)).volume.volumeId, handle);
      const snapshotId = `${handle}.${SUFFIX}`;
      equal((await provisioner.getSnapshot(snapshotId, signal)).snapshotId, snapshotId);
    }
  });
});

Deno.test("two volumes that the handle's array made and that bear its name elsewhere are told apart by nobody", async () => {
  await ProvisionerBed.run({ flasharrays: 3 }, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home] = await homeAndOther(bed);
    const others = bed.fleet.members.map(({ array }) => array).filter((array) => array !== home);
    for (const other of others) {
      await makeNamesake(other);
      await tagByHand(bed, other, "k8s");
      showMadeBy(bed, other, home);
    }
    await eradicate(bed, home);
    const isAmbiguous = (error: unknown) => isPsoError(error, "ambiguous");
    await rejects(bed.publish(volumeId, N1), isAmbiguous);
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), isAmbiguous);
    for (const other of others) equal((await other.findVolume(NAME))?.name, NAME);
  });
});

Deno.test("deleteVolume() by a bare name that is repeated touches no namesake made between", async () => {
  for (const lost of [false, true]) {
    await ProvisionerBed.run({}, async (bed) => {
      const { provisioner, signal } = bed;
      await bed.create("pvc-1");
      const [home, other] = await homeAndOther(bed);
      await home.createSnapshot(NAME, SUFFIX);
      const repeat = { home, lost };
      const between = async () => {
        await makeNamesake(other);
        await other.createSnapshot(NAME, SUFFIX);
      };
      await twice(
        bed,
        { ...repeat, path: "/volume-snapshots", between },
        () => provisioner.deleteSnapshot(SNAPSHOT, signal),
      );
      equal(await home.findSnapshot(SNAPSHOT), undefined);
      equal((await other.findSnapshot(SNAPSHOT))?.name, SNAPSHOT);
      await other.deleteSnapshot(SNAPSHOT);
      await other.deleteVolume(NAME);
      await bed.admin(other.label, { method: "DELETE", path: "volumes", query: { names: NAME } });
      await twice(
        bed,
        { ...repeat, path: "/volumes", between: () => makeNamesake(other) },
        () => provisioner.deleteVolume(NAME, signal),
      );
      equal(await home.findVolume(NAME), undefined);
      equal((await other.findVolume(NAME))?.name, NAME);
      // The name is used again, and so it means the volume that is there now.
      await bed.publish(NAME, N1);
      await provisioner.unpublishVolume({ volumeId: NAME, nodeId }, signal);
      await provisioner.deleteVolume(NAME, signal);
      equal(await other.findVolume(NAME), undefined);
    });
  }
});

Deno.test("deleteVolume() by a bare name that a lost answer left undone goes on with the same volume", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    await bed.fault({
      array: home.label,
      match: { method: "PATCH", path: "/volumes" },
      action: "drop-before",
      times: 10,
    });
    await rejects(provisioner.deleteVolume(NAME, signal));
    await bed.healFaults();
    await makeNamesake(other);
    await provisioner.deleteVolume(NAME, signal);
    equal(await home.findVolume(NAME), undefined);
    equal((await other.findVolume(NAME))?.name, NAME);
  });
});

Deno.test("a volume that is made again under a handle that was deleted is deleted again", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    for (let round = 0; round < 2; round++) {
      const volumeId = await bed.create("pvc-1");
      const [home] = await homeAndOther(bed);
      await bed.publish(NAME, N1);
      await provisioner.unpublishVolume({ volumeId: NAME, nodeId }, signal);
      for (const handle of [NAME, volumeId]) await provisioner.deleteVolume(handle, signal);
      equal(await home.findVolume(NAME), undefined);
      await bed.admin(home.label, { method: "DELETE", path: "volumes", query: { names: NAME } });
    }
    const volumeId = await bed.create("pvc-1");
    match(volumeId, new RegExp(NAME));
    await provisioner.deleteVolume(volumeId, signal);
    deepEqual(Object.values(await bed.volumes()).flat(), []);
  });
});

Deno.test("a live home volume has the last word on its snapshots, also where another array shows the same volume", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    const { snapshotId, home, other } = await madeAlike(bed);
    showSerial(bed, other, (await home.findVolume(NAME))?.serial);
    await home.deleteSnapshot(SNAPSHOT);
    await provisioner.deleteSnapshot(snapshotId, signal);
    await rejects(provisioner.getSnapshot(snapshotId, signal), isGone);
    equal((await other.findSnapshot(SNAPSHOT))?.name, SNAPSHOT);
  });
});

Deno.test("a repeated delete by a bare name touches no other volume on the same array either", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const { provisioner, signal } = bed;
    await bed.create("pvc-1");
    const [array] = bed.fleet.members.map((member) => member.array);
    if (!array) throw new Error("no array");
    await provisioner.deleteVolume(NAME, signal);
    await bed.admin(array.label, { method: "DELETE", path: "volumes", query: { names: NAME } });
    await makeNamesake(array);
    await provisioner.deleteVolume(NAME, signal);
    equal((await array.findVolume(NAME))?.name, NAME);
  });
});

Deno.test("a delete by a bare name that was refused binds the name to nothing", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { provisioner, signal } = bed;
    await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    await home.createSnapshot(NAME, SUFFIX);
    const isInUse = (error: unknown) => isPsoError(error, "in_use");
    await rejects(provisioner.deleteVolume(NAME, signal), isInUse);
    await home.deleteSnapshot(SNAPSHOT);
    await home.deleteVolume(NAME);
    await makeNamesake(other);
    await provisioner.deleteVolume(NAME, signal);
    equal(await other.findVolume(NAME), undefined);
  });
});

Deno.test("where the handle's array is not configured, the maker's digits let a volume be used, and the tag lets it be destroyed", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const { signal } = bed;
    const { volumeId, other } = await madeAlike(bed);
    await other.deleteSnapshot(SNAPSHOT);
    bed.restartWith(other);
    const { provisioner } = bed;
    await bed.publish(volumeId, N1);
    equal(await other.holds(NAME, N1), true);
    await provisioner.unpublishVolume({ volumeId, nodeId }, signal);
    const isUnproven = (error: unknown) => isPsoError(error, "in_use");
    await rejects(provisioner.deleteVolume(volumeId, signal), isUnproven);
    await tagByHand(bed, other, "k8s");
    await provisioner.deleteVolume(volumeId, signal);
    equal(await other.findVolume(NAME), undefined);
  });
});

for (const lost of [false, true]) {
  const answer = lost ? "was lost, is UNAVAILABLE" : "came, is done";
  Deno.test(`a delete by a bare name whose array left the configuration after the answer ${answer}`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const { provisioner, signal } = bed;
      await bed.create("pvc-1");
      const [home, other] = await homeAndOther(bed);
      const between = async () => {
        await makeNamesake(other);
        const left = bed.fleet.members.find(({ array }) => array === home);
        bed.fleet.replace([{ array: other }]);
        // It shows no volume any more, and is let go.
        if (left) bed.fleet.deleted(left, NAME);
        await bed.fleet.refresh(signal);
        equal(bed.fleet.members.length, 1);
      };
      const deletes = twice(
        bed,
        { home, lost, path: "/volumes", between },
        () => provisioner.deleteVolume(NAME, signal),
      );
      if (lost) await rejects(deletes, (error) => isPsoError(error, "unavailable"));
      else await deletes;
      equal((await other.findVolume(NAME))?.name, NAME);
    });
  });
}
