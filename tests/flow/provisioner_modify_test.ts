// What a VolumeAttributesClass asks for, at create and later, over simulated arrays.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { MiB } from "../../src/size.ts";
import { isUnclear, N1, N2, ProvisionerBed, RWO_TAGS, RWX } from "./provisioner_bed.ts";

const BLOCK = { flasharrays: 1 };
const FILE = { flasharrays: 0, flashblades: 1 };
const FILE_CLAIM = { capabilities: [RWX], parameters: { backend: "file" } };

async function limits(bed: ProvisionerBed): Promise<Record<string, unknown>> {
  const items = await bed.admin<{ name: string; qos: unknown }>("fa-1", {
    method: "GET",
    path: "volumes",
  });
  return Object.fromEntries(items.map(({ name, qos }) => [name, qos]));
}

async function tags(bed: ProvisionerBed, volume: string): Promise<Record<string, string>> {
  const items = await bed.admin<{ key: string; value: string; resource: { name: string } }>(
    "fa-1",
    { method: "GET", path: "volumes/tags" },
  );
  return Object.fromEntries(
    items.filter(({ resource }) => resource.name === volume).map(({ key, value }) => [key, value]),
  );
}

async function rules(bed: ProvisionerBed): Promise<string | undefined> {
  const [item] = await bed.admin<{ nfs: { rules: string } }>("fb-1", {
    method: "GET",
    path: "file-systems",
  });
  return item?.nfs.rules;
}

function modify(
  { provisioner, signal }: ProvisionerBed,
  volumeId: string,
  mutableParameters: Record<string, string>,
): Promise<void> {
  return provisioner.modifyVolume({ volumeId, mutableParameters }, signal);
}

Deno.test("15.8: modifyVolume() changes only what the class names, once or twice, and keeps the driver's tags", () =>
  ProvisionerBed.run(BLOCK, async (bed) => {
    const volumeId = await bed.create("pvc-1", { parameters: { iops_limit: "1000" } });
    const gold = { bandwidth_limit: "10M", tags: "tier=gold", "csi.storage.k8s.io/pvc/name": "d" };
    await modify(bed, volumeId, gold);
    await modify(bed, volumeId, gold);
    deepEqual(await limits(bed), {
      "k8s-pvc-1": { iops_limit: 1000, bandwidth_limit: 10 * MiB },
    });
    deepEqual(await tags(bed, "k8s-pvc-1"), { cluster: "k8s", ...RWO_TAGS, tier: "gold" });
    await modify(bed, volumeId, { iops_limit: "none" });
    deepEqual(await limits(bed), {
      "k8s-pvc-1": { iops_limit: null, bandwidth_limit: 10 * MiB },
    });
    deepEqual(await bed.calls(() => modify(bed, volumeId, { iops_limit: "500" })), [
      "GET /volumes",
      "PATCH /volumes",
    ]);
  }));

Deno.test("modifyVolume() changes nothing when one of its parameters is wrong, or the volume is not there", () =>
  ProvisionerBed.run(BLOCK, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const wrong: Record<string, string>[] = [{ iops_limit: "99" }, { exportrules: "*(rw)" }, {
      protection_group: "gold",
    }];
    for (const one of wrong) {
      const made = await bed.calls(() =>
        rejects(modify(bed, volumeId, { bandwidth_limit: "1M", ...one }), { code: "invalid" })
      );
      deepEqual(made.filter((call) => !call.startsWith("GET ")), []);
    }
    await rejects(modify(bed, `${volumeId}-x`, { iops_limit: "500" }), { code: "not_found" });
  }));

Deno.test("createVolume() with a VolumeAttributesClass makes the volume so, in as many calls, and a clone too", () =>
  ProvisionerBed.run(BLOCK, async (bed) => {
    const parameters = { iops_limit: "1000", bandwidth_limit: "1M" };
    const mutableParameters = { iops_limit: "2000", bandwidth_limit: "none", tags: "tier=gold" };
    let source = "";
    const made = await bed.calls(async () => {
      source = await bed.create("pvc-1", { parameters, mutableParameters });
    });
    deepEqual(made, ["POST /volumes"]);
    await bed.create("pvc-2", {
      contentSource: { volumeId: source },
      parameters,
      mutableParameters,
    });
    const own = { iops_limit: 2000, bandwidth_limit: null };
    deepEqual(await limits(bed), { "k8s-pvc-1": own, "k8s-pvc-2": own });
    equal((await tags(bed, "k8s-pvc-2")).tier, "gold");
  }));

// The last release in which tags are a call of their own.
const BEFORE_TAGS = { ...BLOCK, versions: { flasharray: ["2.38"] } };

Deno.test("createVolume() that ended before its tags or limits gets them by its repetition", () =>
  ProvisionerBed.run(BEFORE_TAGS, async (bed) => {
    const mutableParameters = { iops_limit: "2000", tags: "tier=gold" };
    const match = { method: "PUT", path: "/volumes/tags/batch" };
    await bed.fault({ action: "status", value: 400, match, times: 1 });
    await rejects(bed.create("pvc-1", { mutableParameters }), isUnclear);
    await bed.admin("fa-1", {
      method: "PATCH",
      path: "volumes",
      query: { names: "k8s-pvc-1" },
      body: { qos: { iops_limit: "" } },
    });
    await bed.create("pvc-1", { mutableParameters });
    equal((await tags(bed, "k8s-pvc-1")).tier, "gold");
    deepEqual(await limits(bed), { "k8s-pvc-1": { iops_limit: 2000, bandwidth_limit: null } });
  }));

Deno.test("createVolume() refuses attributes that the kind does not have, and makes nothing", () =>
  ProvisionerBed.run({ ...BLOCK, flashblades: 1 }, async (bed) => {
    const mutableParameters = { iops_limit: "2000" };
    await rejects(bed.create("pvc-1", { ...FILE_CLAIM, mutableParameters }), { code: "invalid" });
    await rejects(bed.create("pvc-1", { mutableParameters: { exportrules: "*(rw)" } }), {
      code: "invalid",
    });
    deepEqual(await bed.volumes(), { "fa-1": [], "fb-1": [] });
  }));

Deno.test("modifyVolume() of export rules keeps the access of every node that has the volume", () =>
  ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", {
      ...FILE_CLAIM,
      mutableParameters: { exportrules: "127.0.0.0/24(rw,no_root_squash)" },
    });
    for (const node of [N1, N2]) await bed.publish(volumeId, node, { capability: RWX });
    equal(await rules(bed), "127.0.0.0/24(rw,no_root_squash)");
    await modify(bed, volumeId, { exportrules: "10.0.0.0/8(ro)" });
    const own = ["127.0.0.11", "127.0.0.12"].map((client) => `${client}(rw,no_root_squash)`);
    equal(await rules(bed), [...own, "10.0.0.0/8(ro)"].join(" "));
    deepEqual((await bed.publishedTo(volumeId)).length, 2);
  }));

Deno.test("modifyVolume() after a restart adds export rules and takes none away: who uses them is not known", () =>
  ProvisionerBed.run(FILE, async (bed) => {
    const exportrules = "127.0.0.0/24(rw,no_root_squash)";
    const volumeId = await bed.create("pvc-1", {
      ...FILE_CLAIM,
      mutableParameters: { exportrules },
    });
    await bed.publish(volumeId, N1, { capability: RWX });
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(modify(bed, volumeId, { exportrules: "10.0.0.0/8(ro)" }), { code: "in_use" });
    equal(await rules(bed), exportrules);
    await modify(bed, volumeId, { exportrules: `${exportrules} 10.0.0.0/8(ro)` });
    equal(await rules(bed), `${exportrules} 10.0.0.0/8(ro)`);
  }));
