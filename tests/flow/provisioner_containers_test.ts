/** Volumes in pods and volume groups: made, found, used and deleted where their class says. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { type Container, nameIn } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { classOf, makeContainer, pathOf } from "../support/containers.ts";
import { AS, IMPORT, ImportBed } from "./import_bed.ts";
import { isUnclear, N1, ProvisionerBed } from "./provisioner_bed.ts";

const P1: Container = { what: "pod", name: "p1" };
const G1: Container = { what: "volume group", name: "g1" };
const G1_IN_P1: Container = { what: "volume group", name: "p1::g1" };
const CONTAINERS = [P1, G1, G1_IN_P1];
const WHOLE = { maxEntries: 0, startingToken: "" };

/** Makes a container on an array, and the pod that it lies in if there is none. */
async function make(
  bed: ProvisionerBed,
  { array = "fa-1", ...container }: Container & { array?: string },
): Promise<void> {
  const [, pod] = /^(.*)::/.exec(container.name) ?? [];
  if (pod !== undefined) await makeContainer(bed, { array, what: "pod", name: pod });
  await makeContainer(bed, { array, ...container });
}

/** The first eight digits of the array's id. */
function hintOf(bed: ProvisionerBed, array: string): string {
  return bed.fleet.members.find((one) => one.array.label === array)?.id?.slice(0, 8) ?? "";
}

function expectMember(): never {
  throw new Error("no such array");
}

for (const container of CONTAINERS) {
  const { what, name: called } = container;
  const parameters = classOf(container);
  const here = { parameters };
  const upper = { parameters: classOf({ what, name: called.toUpperCase() }) };
  const placed = (name: string) => nameIn(container, `k8s-${name}`);
  const begins = `15.11: ${what} ${called}`;

  Deno.test(`${begins}: a class makes volumes in it, on the array that has it`, async () => {
    await ProvisionerBed.run({ flasharrays: 3 }, async (bed) => {
      await make(bed, { ...container, array: "fa-2" });
      const handles = [];
      for (const name of ["pvc-1", "pvc-2", "pvc-3"]) handles.push(await bed.create(name, here));
      const hint = hintOf(bed, "fa-2");
      const names = ["pvc-1", "pvc-2", "pvc-3"].map(placed);
      deepEqual(handles, names.map((name) => `${hint}/${name}`));
      equal(await bed.create("pvc-1", here), handles[0]);
      await bed.restart();
      equal(await bed.create("pvc-2", here), handles[1]);
      await bed.fleet.refresh(bed.signal);
      equal(await bed.create("pvc-3", upper), handles[2]);
      deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": names, "fa-3": [] });
      equal(bed.fleet.indexedVolumes(bed.fleet.members[1] ?? expectMember()), 3);
    });
  });

  Deno.test(`${begins}: a warm create in it is as few calls as one without`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      await make(bed, container);
      const calls = await bed.calls(() => bed.create("pvc-1", here));
      deepEqual(calls, await bed.calls(() => bed.create("pvc-2")));
      const id = `${hintOf(bed, "fa-1")}/${placed("pvc-1")}`;
      deepEqual((await bed.calls(() => bed.provisioner.deleteVolume(id, bed.signal))).length, 2);
    });
  });

  Deno.test(`${begins}: a volume in it lives as any other, until it is deleted`, async () => {
    await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
      const { provisioner, signal } = bed;
      await make(bed, container);
      const id = await bed.create("pvc-1", here);
      await bed.publish(id, N1);
      deepEqual((await bed.publishedTo(id)).length, 1);
      const grown = { volumeId: id, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } };
      equal((await provisioner.expandVolume(grown, signal)).capacityBytes, 2 * GiB);
      const limits = { iops_limit: "5000", tags: "tier=gold" };
      await provisioner.modifyVolume({ volumeId: id, mutableParameters: limits }, signal);
      const taken = { name: "snapshot-1", sourceVolumeId: id };
      const { snapshotId } = await provisioner.createSnapshot(taken, signal);
      equal(snapshotId, `${hintOf(bed, "fa-1")}/${placed("pvc-1")}.snapshot-1`);
      const restored = { ...here, contentSource: { snapshotId }, capacityRange: undefined };
      const copy = await bed.create("pvc-2", restored);
      equal(copy, `${hintOf(bed, "fa-1")}/${placed("pvc-2")}`);
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
      deepEqual(await bed.volumes(), { "fa-1": [placed("pvc-2")] });
    });
  });

  Deno.test(`${begins}: a claim waits, and says why, while no array has it`, async () => {
    await ProvisionerBed.run({ flasharrays: 2, flashblades: 1 }, async (bed) => {
      const command = what === "pod" ? "purepod" : "purevgroup";
      await rejects(bed.create("pvc-1", here), {
        code: "exhausted",
        message: `Cannot place pvc-1 (1 GiB): each of fa-1, fa-2 has no ${what} ${called}, fb-1 ` +
          `serves no block volumes\nIt waits until an array takes it; make the ${what} on an ` +
          `array (\`${command} create ${called}\`), add space or change the class`,
      });
      await make(bed, container);
      const other = bed.fleet.members[1]?.id ?? "";
      await rejects(bed.create("pvc-1", { parameters: { ...parameters, arrayID: other } }), {
        message: new RegExp(`each of fa-1, fb-1 is not the array .*, fa-2 has no ${what}`),
      });
      const named = { ...parameters, arrayID: bed.fleet.members[0]?.id ?? "" };
      match(await bed.create("pvc-1", { parameters: named }), new RegExp(`/${placed("pvc-1")}$`));
      await rejects(bed.create("pvc-2", { parameters: { ...parameters, backend: "file" } }), {
        code: "invalid",
        message: /(pod|volumeGroup) works for block volumes only/,
      });
    });
  });

  Deno.test(`${begins}: gone since the last look, it makes no volume elsewhere`, async () => {
    await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
      await make(bed, container);
      const call = { path: pathOf(container), query: { names: called } };
      const message = `volume ${placed("pvc-1")} cannot be made on array fa-1, which has no such ` +
        `${what}: make the ${what} there, or change the class`;
      await bed.admin("fa-1", { ...call, method: "PATCH", body: { destroyed: true } });
      await rejects(bed.create("pvc-1", here), {
        code: "unavailable",
        message: new RegExp(message),
      });
      await bed.admin("fa-1", { ...call, method: "DELETE" });
      await rejects(bed.create("pvc-1", here), {
        code: "unavailable",
        message: new RegExp(message),
      });
      deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
    });
  });

  Deno.test(`${begins}: a create whose answer was lost makes one volume`, async () => {
    await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
      for (const array of ["fa-1", "fa-2"]) await make(bed, { ...container, array });
      const match = { method: "POST", path: "/volumes" };
      await bed.fault({ action: "drop-after", match, times: 100 });
      await bed.fault({ action: "status", value: 503, match: { method: "GET" }, times: 100_000 });
      const { provisioner } = bed;
      await rejects(provisioner.createVolume(bed.request("pvc-1", here), bed.soon()), isUnclear);
      await bed.healFaults();
      await bed.create("pvc-1", here);
      await bed.restart();
      await bed.create("pvc-1", here);
      const made = Object.values(await bed.volumes()).flat();
      deepEqual(made, [placed("pvc-1")]);
    });
  });
}

Deno.test("15.11: a clone is where its class says, in a container or in none", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    for (const name of ["p1", "p2"]) await make(bed, { what: "pod", name });
    for (const name of ["g1", "g2", "p2::g1"]) {
      await makeContainer(bed, { array: "fa-1", what: "volume group", name });
    }
    await make(bed, { what: "pod", name: "p3", array: "fa-2" });
    await make(bed, { what: "volume group", name: "g3", array: "fa-2" });
    const inPod = await bed.create("pvc-1", { parameters: { pod: "p1" } });
    const inGroup = await bed.create("pvc-2", { parameters: { volumeGroup: "g1" } });
    const clone = async (volumeId: string, parameters: Record<string, string>) =>
      await bed.create(`pvc-${crypto.randomUUID()}`, { parameters, contentSource: { volumeId } });
    for (const source of [inPod, inGroup]) {
      match(await clone(source, { pod: "p2" }), /\/p2::k8s-pvc-[^/]*$/);
      match(await clone(source, { volumeGroup: "g2" }), /\/g2\/k8s-pvc-/);
      match(await clone(source, { volumeGroup: "p2::g1" }), /\/p2::g1\/k8s-pvc-/);
      match(await clone(source, {}), /^[0-9a-f]{8}\/k8s-pvc-/);
      const elsewhere: Record<string, string>[] = [{ pod: "p3" }, { volumeGroup: "g3" }];
      for (const parameters of elsewhere) {
        await rejects(clone(source, parameters), {
          code: "exhausted",
          message: /fa-1 has no (pod p3|volume group g3)/,
        });
      }
    }
  });
});

Deno.test("15.11: the quota of a pod counts before a create and in the capacity, for its volume groups too", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    await makeContainer(bed, { array: "fa-1", ...P1, body: { quota_limit: 4 * GiB } });
    await makeContainer(bed, { array: "fa-1", ...G1_IN_P1 });
    const [pod, group] = [{ parameters: classOf(P1) }, { parameters: classOf(G1_IN_P1) }];
    const sized = (gib: number) => ({ capacityRange: { requiredBytes: gib * GiB, limitBytes: 0 } });
    await bed.create("pvc-1", { ...group, ...sized(3) });
    await bed.fleet.refresh(bed.signal);
    for (const where of [pod, group]) {
      const { maximumVolumeBytes } = bed.provisioner.getCapacity({ ...where, capabilities: [] });
      equal(maximumVolumeBytes, GiB);
    }
    await rejects(bed.create("pvc-2", { ...pod, ...sized(2) }), {
      code: "exhausted",
      message: /fa-1 has the pod p1 with 1 GiB left of its quota/,
    });
    await rejects(bed.create("pvc-2", { ...group, ...sized(2) }), {
      code: "exhausted",
      message: /fa-1 has the volume group p1::g1 with 1 GiB left of its pod's quota/,
    });
    await bed.create("pvc-3", pod);
    // The last look is older than pvc-3: the array itself refuses.
    await rejects(bed.create("pvc-4", pod), { code: "exhausted", message: /quota/i });
  });
});

Deno.test("15.11: the limits of a class are its volume's, and those of the volume group stay", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const shared = { iops_limit: 20_000, bandwidth_limit: 1024 ** 3 };
    await makeContainer(bed, { array: "fa-1", ...G1, body: { qos: shared } });
    const limited = { ...classOf(G1), iops_limit: "5000", bandwidth_limit: "100M" };
    const volumeId = await bed.create("pvc-1", { parameters: limited });
    const mutableParameters = { iops_limit: "6000" };
    await bed.provisioner.modifyVolume({ volumeId, mutableParameters }, bed.signal);
    const read = async (path: string) =>
      (await bed.admin<{ qos: Record<string, number> }>("fa-1", { method: "GET", path }))[0]?.qos;
    deepEqual(await read("volume-groups"), shared);
    const own = { iops_limit: 6000, bandwidth_limit: 100 * 1024 ** 2 };
    deepEqual(await read("volumes"), own);
  });
});

Deno.test("15.11: an import leaves a volume in its volume group, and a copy of one is where the class says", async () => {
  await ImportBed.run({ flasharrays: 1 }, async (bed, imports) => {
    for (const name of ["g1", "g2"]) await make(bed, { what: "volume group", name });
    await imports.addVolume("g1/oracle-data");
    const wish = { [IMPORT]: "fa-1/g1/oracle-data" };
    const inG2 = { parameters: { volumeGroup: "g2" } };
    await rejects(imports.import("shop/a", wish, inG2), {
      code: "invalid",
      message: /g1\/oracle-data .*it is not in the volume group g2 of the class on array fa-1/,
    });
    const copy = await imports.import("shop/b", { ...wish, [AS]: "copy" }, inG2);
    match(copy.volumeId, /^[0-9a-f]{8}\/g2\/k8s-pvc-/);
    const { volumeId } = await imports.import("shop/a", wish, { parameters: classOf(G1) });
    equal(volumeId, `${hintOf(bed, "fa-1")}/g1/oracle-data@keep`);
    await bed.publish(volumeId, N1);
    await bed.provisioner.unpublishVolume({ volumeId, nodeId: N1.name }, bed.signal);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    const left = (await bed.volumes())["fa-1"];
    deepEqual(left, ["g1/oracle-data", copy.volumeId.slice(copy.volumeId.indexOf("/") + 1)]);
  });
});

Deno.test("15.11: a handle without an array finds a volume in a volume group", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    await make(bed, { ...G1, array: "fa-2" });
    await make(bed, { ...G1_IN_P1, array: "fa-2" });
    for (const container of [G1, G1_IN_P1]) {
      const name = `pvc-${container.name.length}`;
      const id = await bed.create(name, { parameters: classOf(container) });
      const bare = id.slice(id.indexOf("/") + 1);
      await bed.publish(bare, N1);
      deepEqual((await bed.publishedTo(id)).length, 1);
      await bed.provisioner.unpublishVolume({ volumeId: bare, nodeId: N1.name }, bed.signal);
      await bed.provisioner.deleteVolume(bare, bed.signal);
    }
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": [] });
  });
});

for (const cold of [false, true]) {
  const when = cold ? "right after a start" : "once the arrays were listed";
  for (const [one, two] of [[P1, { what: "pod", name: "p2" }], [G1, G1_IN_P1]] as const) {
    const [asked, other] = [nameIn(one, "k8s-pvc-1"), nameIn(two, "k8s-pvc-1")];
    Deno.test(`15.11: ${other} is no claim's that asks for ${asked}, ${when}`, async () => {
      await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
        await make(bed, { ...one });
        await make(bed, { ...two, array: "fa-2" });
        await bed.create("pvc-1", { parameters: classOf(two) });
        const parameters = { arrayID: bed.fleet.members[1]?.id ?? "" };
        await bed.create("pvc-2", { parameters });
        const before = await bed.volumes();
        await bed.restart();
        // Containers are known, names are not: as while the listing of an array goes on.
        if (!cold) await bed.fleet.refresh(bed.signal);
        await rejects(bed.create("pvc-1", { parameters: classOf(one) }), {
          code: "unavailable",
          message: `Cannot create pvc-1: fa-2 has ${other}, and ${asked} is asked for: move it ` +
            "there on the array if it is this claim's, else rename or remove it",
        });
        await rejects(bed.create("pvc-2", { parameters: classOf(one) }), {
          message: new RegExp(`fa-2 has k8s-pvc-2, and ${nameIn(one, "k8s-pvc-2")} is asked for`),
        });
        deepEqual(await bed.volumes(), before);
        await bed.fleet.refresh(bed.signal);
        await rejects(bed.create("pvc-1"), {
          message: new RegExp(`fa-2 has ${other}, and k8s-pvc-1 is asked for`),
        });
        deepEqual(await bed.volumes(), before);
      });
    });
  }
}
