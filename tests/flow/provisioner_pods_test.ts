/** Volumes in pods of FlashArrays: made, found, used and deleted in the pod that the class names. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { GiB } from "../../src/size.ts";
import { isUnclear, N1, ProvisionerBed } from "./provisioner_bed.ts";

/** Makes a pod on an array as an administrator, and lets the controller see it. */
async function makePod(
  bed: ProvisionerBed,
  array: string,
  { name, body = {} }: { name: string; body?: unknown },
): Promise<void> {
  await bed.admin(array, { method: "POST", path: "pods", query: { names: name }, body });
  await bed.fleet.refresh(bed.signal);
}

const IN_P1 = { parameters: { pod: "p1" } };
const WHOLE = { maxEntries: 0, startingToken: "" };

/** The first eight digits of the array's id. */
function hintOf(bed: ProvisionerBed, array: string): string {
  return bed.fleet.members.find((one) => one.array.label === array)?.id?.slice(0, 8) ?? "";
}

Deno.test("15.11: provisioner: a class with a pod makes volumes in it, on the array that has it", async () => {
  await ProvisionerBed.run({ flasharrays: 3 }, async (bed) => {
    await makePod(bed, "fa-2", { name: "p1" });
    const handles = [];
    for (const name of ["pvc-1", "pvc-2", "pvc-3"]) handles.push(await bed.create(name, IN_P1));
    const hint = hintOf(bed, "fa-2");
    deepEqual(handles, ["1", "2", "3"].map((number) => `${hint}/p1::k8s-pvc-${number}`));
    equal(await bed.create("pvc-1", IN_P1), handles[0]);
    await bed.restart();
    equal(await bed.create("pvc-2", IN_P1), handles[1]);
    await bed.fleet.refresh(bed.signal);
    equal(await bed.create("pvc-3", { parameters: { pod: "P1" } }), handles[2]);
    deepEqual(await bed.volumes(), {
      "fa-1": [],
      "fa-2": ["p1::k8s-pvc-1", "p1::k8s-pvc-2", "p1::k8s-pvc-3"],
      "fa-3": [],
    });
    equal(bed.fleet.indexedVolumes(bed.fleet.members[1] ?? expectMember()), 3);
  });
});

function expectMember(): never {
  throw new Error("no such array");
}

Deno.test("provisioner: a warm create in a pod is as few calls as one without", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await makePod(bed, "fa-1", { name: "p1" });
    const calls = await bed.calls(() => bed.create("pvc-1", IN_P1));
    deepEqual(calls, await bed.calls(() => bed.create("pvc-2")));
    const id = `${hintOf(bed, "fa-1")}/p1::k8s-pvc-1`;
    deepEqual((await bed.calls(() => bed.provisioner.deleteVolume(id, bed.signal))).length, 2);
  });
});

Deno.test("provisioner: a volume in a pod lives as any other, until it is deleted", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const { provisioner, signal } = bed;
    await makePod(bed, "fa-1", { name: "p1" });
    const id = await bed.create("pvc-1", IN_P1);
    await bed.publish(id, N1);
    deepEqual((await bed.publishedTo(id)).length, 1);
    const grown = { volumeId: id, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } };
    equal((await provisioner.expandVolume(grown, signal)).capacityBytes, 2 * GiB);
    const limits = { iops_limit: "5000", tags: "tier=gold" };
    await provisioner.modifyVolume({ volumeId: id, mutableParameters: limits }, signal);
    const taken = { name: "snapshot-1", sourceVolumeId: id };
    const { snapshotId } = await provisioner.createSnapshot(taken, signal);
    equal(snapshotId, `${hintOf(bed, "fa-1")}/p1::k8s-pvc-1.snapshot-1`);
    const restored = { ...IN_P1, contentSource: { snapshotId }, capacityRange: undefined };
    const copy = await bed.create("pvc-2", restored);
    match(copy, /\/p1::k8s-pvc-2$/);
    const listed = await provisioner.listVolumes(WHOLE, signal);
    deepEqual(listed.entries.map(({ volume }) => volume.volumeId).sort(), [id, copy].sort());
    const all = { ...WHOLE, snapshotId: "", sourceVolumeId: "" };
    const { entries } = await provisioner.listSnapshots(all, signal);
    deepEqual(entries.map((one) => one.snapshotId), [snapshotId]);
    await rejects(provisioner.deleteVolume(id, signal), { code: "in_use" });
    await provisioner.unpublishVolume({ volumeId: id, nodeId: "" }, signal);
    await rejects(provisioner.deleteVolume(id, signal), { message: /snapshot-1/ });
    await provisioner.deleteSnapshot(snapshotId, signal);
    await provisioner.deleteVolume(id, signal);
    await provisioner.deleteVolume(id, signal);
    deepEqual(await bed.volumes(), { "fa-1": ["p1::k8s-pvc-2"] });
  });
});

Deno.test("provisioner: a clone is where its class says, in a pod or in none", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    await makePod(bed, "fa-1", { name: "p1" });
    await makePod(bed, "fa-1", { name: "p2" });
    await makePod(bed, "fa-2", { name: "p3" });
    const source = await bed.create("pvc-1", IN_P1);
    const clone = (name: string, parameters: Record<string, string>) =>
      bed.create(name, { parameters, contentSource: { volumeId: source } });
    match(await clone("pvc-2", { pod: "p2" }), /\/p2::k8s-pvc-2$/);
    match(await clone("pvc-3", {}), /\/k8s-pvc-3$/);
    match(await clone("pvc-3", {}), /\/k8s-pvc-3$/);
    await rejects(clone("pvc-4", { pod: "p3" }), {
      code: "exhausted",
      message: /fa-1 has no pod p3/,
    });
  });
});

Deno.test("provisioner: a claim waits, and says why, while no array has its pod", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 1 }, async (bed) => {
    await rejects(bed.create("pvc-1", IN_P1), {
      code: "exhausted",
      message: "Cannot place pvc-1 (1 GiB): each of fa-1, fa-2 has no pod p1, fb-1 serves no " +
        "block volumes\nIt waits until an array takes it; add space or change the class",
    });
    await makePod(bed, "fa-1", { name: "p1" });
    const other = bed.fleet.members[1]?.id ?? "";
    await rejects(bed.create("pvc-1", { parameters: { pod: "p1", arrayID: other } }), {
      message: /each of fa-1, fb-1 is not the array .*, fa-2 has no pod p1/,
    });
    const parameters = { pod: "p1", arrayID: bed.fleet.members[0]?.id ?? "" };
    match(await bed.create("pvc-1", { parameters }), /\/p1::k8s-pvc-1$/);
    await rejects(bed.create("pvc-2", { parameters: { pod: "p1", backend: "file" } }), {
      code: "invalid",
      message: /pod works for block volumes only/,
    });
  });
});

Deno.test("provisioner: a pod that was destroyed since the last look makes no volume elsewhere", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    await makePod(bed, "fa-1", { name: "p1" });
    const query = { names: "p1" };
    await bed.admin("fa-1", { method: "PATCH", path: "pods", query, body: { destroyed: true } });
    await bed.admin("fa-1", { method: "DELETE", path: "pods", query });
    await rejects(bed.create("pvc-1", IN_P1), {
      code: "unavailable",
      message: /p1::k8s-pvc-1 cannot be made on array fa-1, which has no such pod/,
    });
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
  });
});

Deno.test("provisioner: the quota of a pod counts before a create and in the capacity", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    await makePod(bed, "fa-1", { name: "p1", body: { quota_limit: 4 * GiB } });
    await bed.create("pvc-1", {
      ...IN_P1,
      capacityRange: { requiredBytes: 3 * GiB, limitBytes: 0 },
    });
    await bed.fleet.refresh(bed.signal);
    const { maximumVolumeBytes } = bed.provisioner.getCapacity({ ...IN_P1, capabilities: [] });
    equal(maximumVolumeBytes, GiB);
    const large = { ...IN_P1, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } };
    await rejects(bed.create("pvc-2", large), {
      code: "exhausted",
      message: /fa-1 has the pod p1 with 1 GiB left of its quota/,
    });
    await bed.create("pvc-3", IN_P1);
    // The last look is older than pvc-3: the array itself refuses.
    await rejects(bed.create("pvc-4", IN_P1), { code: "exhausted", message: /quota/i });
  });
});

for (const cold of [false, true]) {
  const when = cold ? "right after a start" : "once the arrays were listed";
  Deno.test(`provisioner: a volume of the name in another place is no claim's, ${when}`, async () => {
    await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
      await makePod(bed, "fa-1", { name: "p1" });
      await makePod(bed, "fa-2", { name: "p2" });
      await bed.create("pvc-1", { parameters: { pod: "p2" } });
      const parameters = { arrayID: bed.fleet.members[1]?.id ?? "" };
      await bed.create("pvc-2", { parameters });
      const before = await bed.volumes();
      await bed.restart();
      // Pods are known, names are not: as while the listing of an array goes on.
      if (!cold) await bed.fleet.refresh(bed.signal);
      await rejects(bed.create("pvc-1", IN_P1), {
        code: "unavailable",
        message: "Cannot create pvc-1: fa-2 has p2::k8s-pvc-1, and p1::k8s-pvc-1 is asked for: " +
          "move it there on the array if it is this claim's, else rename or remove it",
      });
      await rejects(bed.create("pvc-2", IN_P1), {
        message: /fa-2 has k8s-pvc-2, and p1::k8s-pvc-2 is asked for/,
      });
      deepEqual(await bed.volumes(), before);
      await bed.fleet.refresh(bed.signal);
      await rejects(bed.create("pvc-1"), {
        message: /fa-2 has p2::k8s-pvc-1, and k8s-pvc-1 is asked for/,
      });
      deepEqual(await bed.volumes(), before);
    });
  });
}

Deno.test("provisioner: a create in a pod whose answer was lost makes one volume", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    await makePod(bed, "fa-1", { name: "p1" });
    await makePod(bed, "fa-2", { name: "p1" });
    const match = { method: "POST", path: "/volumes" };
    await bed.fault({ action: "drop-after", match, times: 100 });
    await bed.fault({ action: "status", value: 503, match: { method: "GET" }, times: 100_000 });
    const { provisioner } = bed;
    await rejects(provisioner.createVolume(bed.request("pvc-1", IN_P1), bed.soon()), isUnclear);
    await bed.healFaults();
    await bed.create("pvc-1", IN_P1);
    await bed.restart();
    await bed.create("pvc-1", IN_P1);
    const made = Object.values(await bed.volumes()).flat();
    deepEqual(made, ["p1::k8s-pvc-1"]);
  });
});
