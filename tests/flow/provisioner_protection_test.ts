/** Protection groups that a class names, and those that an array adds by itself. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { isUnclear, ProvisionerBed } from "./provisioner_bed.ts";

const ONE = { flasharrays: 1 };

function modify(
  { provisioner, signal }: ProvisionerBed,
  volumeId: string,
  mutableParameters: Record<string, string>,
): Promise<void> {
  return provisioner.modifyVolume({ volumeId, mutableParameters }, signal);
}

async function makeGroups(bed: ProvisionerBed, ...names: string[]): Promise<void> {
  const query = { names };
  await bed.admin("fa-1", { method: "POST", path: "protection-groups", query, body: {} });
}

/** Volumes by their groups, as `group/volume`. */
async function members(bed: ProvisionerBed): Promise<string[]> {
  const items = await bed.admin<{ group: { name: string }; member: { name: string } }>("fa-1", {
    method: "GET",
    path: "protection-groups/volumes",
  });
  return items.map(({ group, member }) => `${group.name}/${member.name}`).sort();
}

Deno.test("15.8: modifyVolume() puts a volume into protection groups, once or twice, and takes it out of none", () =>
  ProvisionerBed.run(ONE, async (bed) => {
    await makeGroups(bed, "gold", "hourly", "other");
    const id = await bed.create("pvc-1");
    await modify(bed, id, { protection_groups: "other" });
    for (const _time of [1, 2]) await modify(bed, id, { protection_groups: "gold,Hourly" });
    deepEqual(await members(bed), ["gold/k8s-pvc-1", "hourly/k8s-pvc-1", "other/k8s-pvc-1"]);
  }));

Deno.test("15.8: modifyVolume() with a protection group that is not there changes nothing", () =>
  ProvisionerBed.run({ ...ONE, flashblades: 1 }, async (bed) => {
    await makeGroups(bed, "gold");
    const id = await bed.create("pvc-1");
    await rejects(modify(bed, id, { protection_groups: "none", iops_limit: "1000" }), {
      code: "invalid",
      message: "volume k8s-pvc-1 cannot be put into the protection group none, which is not on " +
        "array fa-1: make it there, or name another one in the class",
    });
    const [volume] = await bed.admin<{ qos: unknown }>("fa-1", { method: "GET", path: "volumes" });
    deepEqual(volume?.qos, { iops_limit: null, bandwidth_limit: null });
    deepEqual(await members(bed), []);
    const gone = id.replace("pvc-1", "pvc-9");
    await rejects(modify(bed, gone, { protection_groups: "gold" }), { code: "not_found" });
    const file = await bed.create("pvc-2", { parameters: { backend: "file" } });
    await rejects(modify(bed, file, { protection_groups: "gold" }), { code: "invalid" });
  }));

for (const versions of [["2.4"], ["2.26"]]) {
  Deno.test(`15.8: createVolume() makes volumes and clones in the groups of their class at REST ${versions}`, () =>
    ProvisionerBed.run({ ...ONE, versions: { flasharray: versions } }, async (bed) => {
      await makeGroups(bed, "gold", "silver");
      const parameters = { protection_groups: "gold" };
      const volumeId = await bed.create("pvc-1", { parameters });
      const mutableParameters = { protection_groups: "silver" };
      await bed.create("pvc-2", { parameters, mutableParameters, contentSource: { volumeId } });
      deepEqual(await members(bed), ["gold/k8s-pvc-1", "silver/k8s-pvc-2"]);
    }));
}

Deno.test("15.8: createVolume() waits for a protection group that is not there, and finishes what it began", () =>
  ProvisionerBed.run({ ...ONE, versions: { flasharray: ["2.4"] } }, async (bed) => {
    const parameters = { protection_groups: "gold" };
    await rejects(bed.create("pvc-1", { parameters }), isUnclear);
    await rejects(bed.create("pvc-1", { parameters }), isUnclear);
    await makeGroups(bed, "gold");
    await bed.create("pvc-1", { parameters });
    deepEqual(await members(bed), ["gold/k8s-pvc-1"]);
  }));

Deno.test("15.8: createVolume() makes nothing when the array knows no such protection group", () =>
  ProvisionerBed.run(ONE, async (bed) => {
    const parameters = { protection_groups: "gold" };
    await rejects(bed.create("pvc-1", { parameters }), {
      message: /protection group gold, which is not on array fa-1/,
    });
    deepEqual(await bed.volumes(), { "fa-1": [] });
    await makeGroups(bed, "gold");
    await bed.create("pvc-1", { parameters });
  }));

Deno.test("15.8: what the array's default protection adds is there after a create, a clone and a change", () =>
  ProvisionerBed.run(ONE, async (bed) => {
    await makeGroups(bed, "default", "gold");
    await bed.admin("fa-1", {
      method: "PATCH",
      path: "container-default-protections",
      body: { default_protections: [{ name: "default", type: "protection_group" }] },
    });
    const volumeId = await bed.create("pvc-1");
    await bed.create("pvc-2", { contentSource: { volumeId } });
    await modify(bed, volumeId, { protection_groups: "gold" });
    deepEqual(await members(bed), ["default/k8s-pvc-1", "default/k8s-pvc-2", "gold/k8s-pvc-1"]);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    equal((await bed.volumes())["fa-1"]?.join(), "k8s-pvc-2");
  }));
