/** Limits of a volume group that a class names: it is made with them, or not changed. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { GiB } from "../../src/size.ts";
import { makeContainer } from "../support/containers.ts";
import { isUnclear, ProvisionerBed } from "./provisioner_bed.ts";

const LIMITED = {
  volumeGroup: "g1",
  volumeGroupIopsLimit: "20000",
  volumeGroupBandwidthLimit: "1G",
};
const HERE = { parameters: LIMITED };
const AS_ASKED = { iops_limit: 20_000, bandwidth_limit: GiB };
const G1 = { array: "fa-1", what: "volume group", name: "g1" } as const;

interface Shown {
  name: string;
  qos: Record<string, number | null>;
}

/** The volume groups of an array, each with its limits. */
async function groupsOn(bed: ProvisionerBed, array: string): Promise<[string, Shown["qos"]][]> {
  const path = "volume-groups";
  const found = await bed.admin<Shown>(array, { method: "GET", path });
  return found.map(({ name, qos }) => [name, qos]);
}

Deno.test("15.11: a class makes its volume group with its limits, in one call", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const calls = await bed.calls(() => bed.create("pvc-1", HERE));
    equal(calls.filter((call) => call.includes("volume-groups")).length, 1, calls.join("\n"));
    deepEqual(await groupsOn(bed, "fa-1"), [["g1", AS_ASKED]]);
    // Nobody has looked since: whoever made it knows that it is there.
    const soon = await bed.calls(() => bed.create("pvc-2", HERE));
    equal(soon.filter((call) => call.includes("volume-groups")).length, 0, soon.join("\n"));
    await bed.fleet.refresh(bed.signal);
    const later = await bed.calls(() => bed.create("pvc-3", HERE));
    deepEqual(
      later,
      await bed.calls(() => bed.create("pvc-4")),
      "a group that is known costs no call",
    );
    deepEqual(await groupsOn(bed, "fa-1"), [["g1", AS_ASKED]]);
    const named = (await bed.volumes())["fa-1"] ?? [];
    deepEqual(named.filter((name) => name.startsWith("g1/")).length, 3);
  });
});

Deno.test("15.11: a volume group with other limits is never changed; both are named", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 0 }, async (bed) => {
    const theirs = { iops_limit: 5_000, bandwidth_limit: null };
    await makeContainer(bed, { ...G1, body: { qos: { iops_limit: 5_000 } } });
    // The other array has no such group: it is made there.
    match(await bed.create("pvc-1", HERE), /g1\/k8s-pvc-1$/);
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": ["g1/k8s-pvc-1"] });
    const only = { parameters: { ...LIMITED, arrayID: bed.fleet.members[0]?.id ?? "" } };
    await rejects(bed.create("pvc-2", only), {
      code: "exhausted",
      message:
        /fa-1 has the volume group g1 with other limits than the class: IOPS 5000 there, 20000 in volumeGroupIopsLimit, bandwidth none there, 1 GiB\/s in volumeGroupBandwidthLimit.*\n.*make the limits of the class and those of the volume group the same \(`purevgroup setattr g1`\)/,
    });
    deepEqual(await groupsOn(bed, "fa-1"), [["g1", theirs]]);
    await bed.admin("fa-1", {
      ...{ method: "PATCH", path: "volume-groups", query: { names: "g1" } },
      body: { qos: AS_ASKED },
    });
    await bed.fleet.refresh(bed.signal);
    match(await bed.create("pvc-2", only), /g1\/k8s-pvc-2$/);
  });
});

Deno.test("15.11: a volume group that nobody saw yet is judged before it is used", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const theirs = { iops_limit: 5_000 };
    const query = { names: "g1" };
    await bed.admin("fa-1", {
      method: "POST",
      path: "volume-groups",
      query,
      body: { qos: theirs },
    });
    await rejects(bed.create("pvc-1", HERE), {
      code: "exhausted",
      message: /array fa-1 has the volume group g1 with other limits .*nothing of it is changed/,
    });
    deepEqual(await bed.volumes(), { "fa-1": [] });
    deepEqual(await groupsOn(bed, "fa-1"), [["g1", { ...theirs, bandwidth_limit: null }]]);
    await bed.admin("fa-1", {
      method: "PATCH",
      path: "volume-groups",
      query,
      body: { destroyed: true },
    });
    await rejects(bed.create("pvc-1", HERE), {
      code: "conflict",
      message:
        /volume group g1 on array fa-1 was destroyed and still holds its name: .*purevgroup recover g1/,
    });
  });
});

Deno.test("15.11: a volume group that is gone since it was made is made again", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const volumeId = await bed.create("pvc-1", HERE);
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    const onGroup = (call: { method: "PATCH" | "DELETE"; body?: { destroyed: boolean } }) =>
      bed.admin("fa-1", { path: "volume-groups", query: { names: "g1" }, ...call });
    await bed.admin("fa-1", {
      ...{ method: "DELETE", path: "volumes", query: { names: "g1/k8s-pvc-1" } },
    });
    await onGroup({ method: "PATCH", body: { destroyed: true } });
    await onGroup({ method: "DELETE" });
    await rejects(bed.create("pvc-2", HERE), { code: "unavailable" });
    match(await bed.create("pvc-2", HERE), /g1\/k8s-pvc-2$/);
    deepEqual(await groupsOn(bed, "fa-1"), [["g1", AS_ASKED]]);
    // Another class wants other limits of the group that this process made.
    const other = { parameters: { ...LIMITED, volumeGroupIopsLimit: "1000" } };
    await rejects(bed.create("pvc-3", other), { message: /IOPS 20000 there, 1000/ });
  });
});

Deno.test("15.11: a limit that the class does not name may be anything", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    await makeContainer(bed, { ...G1, body: { qos: { iops_limit: 5_000 } } });
    const parameters = { volumeGroup: "g1", volumeGroupBandwidthLimit: "none" };
    match(await bed.create("pvc-1", { parameters }), /g1\//);
    const none = { ...parameters, volumeGroupIopsLimit: "none" };
    await rejects(bed.create("pvc-2", { parameters: none }), {
      message: /IOPS 5000 there, none in volumeGroupIopsLimit/,
    });
  });
});

Deno.test("15.11: a volume group in a pod is never made, and its limits are compared", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    await makeContainer(bed, { array: "fa-1", what: "pod", name: "p1" });
    const parameters = { ...LIMITED, volumeGroup: "p1::g1" };
    await rejects(bed.create("pvc-1", { parameters }), {
      message: /has no volume group p1::g1\n.*`purevgroup create p1::g1`/,
    });
    const inPod = { ...G1, name: "p1::g1" };
    await makeContainer(bed, { ...inPod, body: { qos: AS_ASKED } });
    match(await bed.create("pvc-1", { parameters }), /p1::g1\/k8s-pvc-1$/);
    const other = { ...parameters, volumeGroupIopsLimit: "1000" };
    await rejects(bed.create("pvc-2", { parameters: other }), {
      message: /IOPS 20000 there, 1000/,
    });
  });
});

Deno.test("15.11: a volume group whose making got no answer is found", async () => {
  await ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const lost = { method: "POST", path: "/volume-groups" };
    await bed.fault({ action: "drop-after", match: lost, times: 100 });
    await rejects(bed.provisioner.createVolume(bed.request("pvc-1", HERE), bed.soon()), isUnclear);
    await bed.healFaults();
    match(await bed.create("pvc-1", HERE), /g1\/k8s-pvc-1$/);
    deepEqual(await groupsOn(bed, "fa-1"), [["g1", AS_ASKED]]);
  });
});

Deno.test("15.11: claims at once and a clone make one volume group between them", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const source = { ...HERE, contentSource: { volumeId }, capacityRange: undefined };
    const copy = await bed.create("pvc-2", source);
    equal(copy, volumeId.replace("/k8s-pvc-1", "/g1/k8s-pvc-2"));
    const names = ["pvc-3", "pvc-4", "pvc-5", "pvc-6"];
    const calls = await bed.calls(() => Promise.all(names.map((name) => bed.create(name, HERE))));
    const ofGroups = calls.filter((call) => call.includes("volume-groups"));
    ok(ofGroups.length <= 2, "a call for each array at most: " + ofGroups.join(", "));
    for (const array of ["fa-1", "fa-2"]) {
      const isUsed = ((await bed.volumes())[array] ?? []).some((name) => name.startsWith("g1/"));
      deepEqual(await groupsOn(bed, array), isUsed ? [["g1", AS_ASKED]] : []);
    }
  });
});
