// A handle names one volume on one array: what happens when other arrays have one of the same name.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { homeAndOther, makeNamesake, NAME } from "./namesakes.ts";
import { N1, N2, ProvisionerBed, RAW_RWX, RWX } from "./provisioner_bed.ts";

const isGone = (error: unknown) => isPsoError(error, "not_found");
const isAmbiguous = (error: unknown) => isPsoError(error, "ambiguous");
const isUnavailable = (error: unknown) => isPsoError(error, "unavailable");

for (const restarted of [false, true]) {
  const when = restarted ? "after a restart" : "in one process";
  Deno.test(`deleteVolume() twice, ${when}, leaves a namesake on another array alone`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const volumeId = await bed.create("pvc-1");
      const [home, other] = await homeAndOther(bed);
      await makeNamesake(other);
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      if (restarted) await bed.restart();
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      const names = await bed.volumes();
      deepEqual([names[home.label], names[other.label]], [[], [NAME]]);
    });
  });
}

Deno.test("deleteVolume() whose answer is lost leaves a namesake alone when it is repeated", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    await makeNamesake(other);
    await bed.fault({
      array: home.label,
      match: { method: "PATCH", path: "/volumes" },
      action: "drop-after",
      times: 10,
    });
    await bed.provisioner.deleteVolume(volumeId, bed.signal).catch(() => {});
    await bed.healFaults();
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    equal(await home.findVolume(NAME), undefined);
    equal((await other.findVolume(NAME))?.name, NAME);
  });
});

Deno.test("deleteVolume() is UNAVAILABLE while its array is silent, and goes to no other", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    await makeNamesake(other);
    await bed.silence(home.label);
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.soon()), isUnavailable);
    equal((await other.findVolume(NAME))?.name, NAME);
  });
});

Deno.test("deleteSnapshot() twice leaves the snapshot of a namesake alone", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    const { snapshotId } = await bed.provisioner.createSnapshot(
      { name: "snapshot-1", sourceVolumeId: volumeId },
      bed.signal,
    );
    const snapshot = snapshotId.split("/")[1] ?? "";
    await makeNamesake(other);
    await other.createSnapshot(NAME, snapshot.split(".")[1] ?? "");
    for (let call = 0; call < 2; call++) {
      await bed.provisioner.deleteSnapshot(snapshotId, bed.signal);
    }
    equal(await home.findSnapshot(snapshot), undefined);
    equal((await other.findSnapshot(snapshot))?.name, snapshot);
    await rejects(bed.provisioner.getSnapshot(snapshotId, bed.signal), isGone);
    deepEqual(
      await bed.provisioner.listSnapshots(
        { snapshotId, sourceVolumeId: "", maxEntries: 0, startingToken: "" },
        bed.signal,
      ),
      { entries: [], nextToken: "" },
    );
  });
});

Deno.test("a volume that is destroyed on its array is gone, whatever namesake another one has", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    await makeNamesake(other);
    await home.deleteVolume(NAME);
    const { provisioner, signal } = bed;
    await rejects(bed.publish(volumeId, N1), isGone);
    await rejects(
      provisioner.expandVolume(
        { volumeId, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } },
        signal,
      ),
      isGone,
    );
    await rejects(
      provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId: volumeId }, signal),
      isGone,
    );
    await rejects(provisioner.getVolume(volumeId, signal), isGone);
    await rejects(
      bed.create("pvc-2", { contentSource: { volumeId } }),
      (error) => isPsoError(error, "not_found"),
    );
    await provisioner.unpublishVolume({ volumeId, nodeId: "" }, signal);
    const left = await other.findVolume(NAME, { hosts: true });
    deepEqual([left?.sizeBytes, left?.hosts], [GiB, []]);
  });
});

Deno.test("NOT_FOUND names the arrays that have another volume of the name", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [home, other] = await homeAndOther(bed);
    await makeNamesake(other);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await bed.fleet.members.find(({ array }) => array.label === home.label)?.array.deleteVolume(
      NAME,
    );
    await rejects(bed.provisioner.getVolume(volumeId, bed.signal), (error: Error) => {
      equal(
        error.message,
        `volume ${volumeId} does not exist: the array that made it, ${home.label}, has no live ` +
          `volume of that name; ${other.label} has one too, and that is another volume: to use ` +
          "it, " +
          "make a PersistentVolume with its handle (docs/handles.md)",
      );
      return true;
    });
  });
});

Deno.test("a bare handle of several arrays is refused, and backend file finds the file system", async () => {
  await ProvisionerBed.run({ flashblades: 1 }, async (bed) => {
    const arrays = bed.fleet.members.map(({ array }) => array);
    for (const array of arrays) await makeNamesake(array, "oracle-data");
    const { provisioner, signal } = bed;
    const volumeId = "oracle-data";
    const block = { volumeContext: { backend: "block" }, capability: RAW_RWX };
    await rejects(bed.publish(volumeId, N1, block), isAmbiguous);
    const file = { volumeContext: { backend: "file" }, capability: RWX };
    const context = await bed.publish(volumeId, N1, file);
    match(context.attachment ?? "", /fb-1/);
    await rejects(provisioner.deleteVolume(volumeId, signal), isAmbiguous);
    await rejects(
      provisioner.expandVolume(
        { volumeId, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } },
        signal,
      ),
      isAmbiguous,
    );
    await rejects(
      provisioner.createSnapshot({ name: "snapshot-1", sourceVolumeId: volumeId }, signal),
      isAmbiguous,
    );
    deepEqual((await bed.volumes())["fa-1"], ["oracle-data"]);
    deepEqual((await bed.volumes())["fa-2"], ["oracle-data"]);
  });
});

Deno.test("unpublishVolume() by a bare handle takes the volume that the node holds, and no namesake", async () => {
  for (const restarted of [false, true]) {
    await ProvisionerBed.run({}, async (bed) => {
      const [first] = bed.fleet.members;
      await first?.array.createVolume({ name: "oracle-data", sizeBytes: GiB });
      const share = { capability: RAW_RWX };
      await bed.publish("oracle-data", N1, share);
      await bed.publish("oracle-data", N2, share);
      await bed.fleet.members[1]?.array.createVolume({ name: "oracle-data", sizeBytes: GiB });
      if (restarted) await bed.restart();
      const nodeId = bed.publishRequest("", N1).nodeId;
      await bed.provisioner.unpublishVolume({ volumeId: "oracle-data", nodeId }, bed.signal);
      const [one, two] = bed.fleet.members;
      const left = await one?.array.findVolume("oracle-data", { hosts: true });
      deepEqual(left?.hosts, [hostNameFor(N2.name)]);
      equal(await two?.array.holds("oracle-data", N1), false);
      // Again: no volume shows the node any more.
      await bed.provisioner.unpublishVolume({ volumeId: "oracle-data", nodeId }, bed.signal);
      const all = { volumeId: "oracle-data", nodeId: "" };
      const unpublished = bed.provisioner.unpublishVolume(all, bed.signal);
      if (restarted) await rejects(unpublished, isAmbiguous, "nothing tells which one is meant");
      else await unpublished;
      const rest = await one?.array.findVolume("oracle-data", { hosts: true });
      deepEqual(rest?.hosts, restarted ? [hostNameFor(N2.name)] : []);
    });
  }
});

for (const restarted of [false, true]) {
  const which = restarted
    ? "refuses, after a restart, as no memory tells which one was published"
    : "takes the one that was published, and leaves the other";
  Deno.test(`unpublishVolume() by a bare handle of two volumes that the node holds ${which}`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const name = "oracle-data";
      const arrays = () => bed.fleet.members.map(({ array }) => array);
      await arrays()[0]?.createVolume({ name, sizeBytes: GiB });
      await bed.publish(name, N1);
      await arrays()[1]?.createVolume({ name, sizeBytes: GiB });
      const byHand = {
        protocol: "local",
        exclusive: true,
        preempt: true,
        readOnly: false,
      } as const;
      await arrays()[1]?.connect(name, N1, byHand);
      if (restarted) await bed.restart();
      const { nodeId } = bed.publishRequest("", N1);
      const unpublished = bed.provisioner.unpublishVolume({ volumeId: name, nodeId }, bed.signal);
      const several = new RegExp(
        "^Cannot unpublish oracle-data from node node-1\\.example\\.org: it is connected " +
          "to \\w{8}/oracle-data \\(fa-1\\), \\w{8}/oracle-data \\(fa-2\\), and nothing tells which",
      );
      if (restarted) {
        await rejects(
          unpublished,
          (error) => isAmbiguous(error) && several.test(String(Object(error).message)),
        );
      } else await unpublished;
      const held = await Promise.all(arrays().map((array) => array.holds(name, N1)));
      deepEqual(held, [restarted, true]);
    });
  });
}

Deno.test("createVolume() is repeated after a restart and refused while two arrays have the name", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const [, other] = await homeAndOther(bed);
    await makeNamesake(other);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.create("pvc-1"), (error: Error) => {
      isUnavailable(error);
      match(
        error.message,
        /^Cannot create k8s-pvc-1: fa-1 \(serial \w{24}\) and fa-2 \(serial \w{24}\) both have it/,
      );
      return isUnavailable(error);
    });
    for (const { array } of bed.fleet.members) {
      if (array.label === other.label) {
        await array.deleteVolume(NAME);
      }
    }
    equal(await bed.create("pvc-1"), volumeId);
  });
});

Deno.test("arrays are told apart by id: the configured name of one may be the other's own name", async () => {
  await ProvisionerBed.run({ names: { "fa-1": "fa-2" } }, async (bed) => {
    const ids = new Set<string>();
    for (let count = 1; count <= 12; count++) {
      const volumeId = await bed.create(`pvc-${count}`);
      ids.add(volumeId.split("/")[0] ?? "");
      const clone = await bed.create(`clone-${count}`, { contentSource: { volumeId } });
      equal(clone.split("/")[0], volumeId.split("/")[0], "a clone stays on its source's array");
      const { snapshotId } = await bed.provisioner.createSnapshot(
        { name: `snapshot-${count}`, sourceVolumeId: volumeId },
        bed.signal,
      );
      const restored = await bed.create(`restore-${count}`, { contentSource: { snapshotId } });
      equal(restored.split("/")[0], volumeId.split("/")[0]);
    }
    equal(ids.size, 2, "both arrays are used");
  });
});
