// The take-over from PSO looks for the volume of each PersistentVolume on simulated arrays.
import { deepEqual, match } from "node:assert/strict";
import { volumeProblems } from "../../src/admin/takeover/volumes.ts";
import { GiB } from "../../src/size.ts";
import { volumeOf } from "../support/pso_objects.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

const PV = "pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
const OTHER = "pvc-1c6f3fa5-405d-4d3f-8078-1e3e2c2e8b22";

async function addVolume(bed: ProvisionerBed, array: number, name: string): Promise<void> {
  await bed.fleet.members[array]?.array.createVolume({ name, sizeBytes: GiB });
}

Deno.test("volumeProblems() finds volumes by every handle of PSO, and changes nothing", async () => {
  await ProvisionerBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
    await addVolume(bed, 0, `k8s-${PV}`);
    await addVolume(bed, 1, `k8s-${OTHER}`);
    await addVolume(bed, 0, "oracle-data");
    const volumes = [
      volumeOf(PV),
      volumeOf("old", { volumeHandle: `k8s/${PV}` }),
      volumeOf(OTHER, { volumeAttributes: { backend: "file" }, fsType: "ext3" }),
      volumeOf("imported", { volumeHandle: "oracle-data", volumeAttributes: {} }),
    ];
    await bed.restart();
    const calls = await bed.calls(async () => {
      deepEqual(await volumeProblems(bed.fleet, { volumes, cluster: "k8s" }), []);
    });
    deepEqual(calls.filter((call) => !call.startsWith("GET ")), []);
  });
});

Deno.test("volumeProblems() names a volume that is gone, one that two arrays have, and one that no node mounts", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 0 }, async (bed) => {
    for (const array of [0, 1]) await addVolume(bed, array, `k8s-${PV}`);
    await addVolume(bed, 0, "photos");
    await bed.restart();
    const volumes = [
      volumeOf(PV),
      volumeOf(OTHER),
      volumeOf("b", { volumeHandle: "photos", fsType: "btrfs" }),
      volumeOf("c", { volumeHandle: "*" }),
    ];
    const problems = await volumeProblems(bed.fleet, { volumes, cluster: "k8s" });
    deepEqual(
      problems.map(({ object }) => object),
      [PV, OTHER, "b", "c"].map((pv) => `PersistentVolume ${pv}`),
    );
    const [twice, gone, foreign, odd] = problems.map(({ what }) => what);
    match(twice ?? "", /2 arrays have a volume k8s-pvc-0b5e.*write one of/);
    match(gone ?? "", /^has the handle "k8s-pvc-1c6f.*", and no array has a volume that it means$/);
    match(foreign ?? "", /^has the file system btrfs, and this driver mounts xfs and ext4 only$/);
    match(odd ?? "", /^has the handle "\*", and no array/);
  });
});

Deno.test("volumeProblems() tells a silent array once, and what the others show of a volume all the same", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 0, cold: true }, async (bed) => {
    await addVolume(bed, 0, `k8s-${PV}`);
    await addVolume(bed, 0, "photos");
    await bed.restart();
    bed.link("fa-2", "unreachable");
    const volumes = [
      volumeOf(PV),
      volumeOf(OTHER),
      volumeOf("b", { volumeHandle: "photos", fsType: "btrfs" }),
    ];
    const problems = await volumeProblems(bed.fleet, { volumes, cluster: "k8s" });
    deepEqual(problems.map(({ object }) => object), ["array fa-2", "PersistentVolume b"]);
    match(problems[0]?.what ?? "", /^does not answer as it should: .*ECONNREFUSED/);
    match(problems[0]?.fix ?? "", /admin check/);
  });
});
