// Snapshots of several volumes at one moment: what a client asks an array for, and what it takes
// from the answer.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { GiB } from "../../src/size.ts";
import { type ArrayBench, versionsUpTo, withArray } from "./array_bench.ts";

const VOLUMES = ["k8s-pvc-1", "k8s-pvc-2", "k8s-pvc-3"];
const SUFFIX = "group-0b5e2e943f4c4c2e9f670d2d1b1d7a11-m0123456789a";
const NAMES = VOLUMES.map((name) => `${name}.${SUFFIX}`);

async function withVolumes(
  restVersions: string[] | undefined,
  test: (bench: ArrayBench) => Promise<void>,
): Promise<void> {
  await withArray({ kind: "flasharray", restVersions }, async (bench) => {
    for (const name of VOLUMES) await bench.array.createVolume({ name, sizeBytes: GiB });
    await test(bench);
  });
}

for (const [name, versions] of [["newest", undefined], ["2.4", versionsUpTo(4)]] as const) {
  Deno.test(`FlashArray ${name}: createGroupSnapshot() is one call, and repeatable`, async () => {
    await withVolumes(versions, async ({ array, calls }) => {
      await array.listVolumes({ limit: 1 });
      const made = await calls(() => array.createGroupSnapshot(VOLUMES, SUFFIX));
      deepEqual(made, ["POST /volume-snapshots"]);
      const group = await array.createGroupSnapshot(VOLUMES, SUFFIX);
      deepEqual(
        group.map(({ name, volume, group }) => [name, volume, group]),
        VOLUMES.map((volume, at) => [NAMES[at], volume, SUFFIX]),
      );
      deepEqual((await array.listSnapshots({ limit: 10 })).items, group);
      deepEqual(await array.findSnapshot(NAMES[0] ?? ""), group[0]);
      const alone = await array.createSnapshot(VOLUMES[0] ?? "", "snapshot-1");
      equal("group" in alone, false);
    });
  });
}

Deno.test("createGroupSnapshot() makes all of its snapshots or none", async () => {
  await withVolumes(undefined, async ({ array }) => {
    await rejects(array.createGroupSnapshot([...VOLUMES, "k8s-none"], SUFFIX), {
      code: "not_found",
      message: /volume k8s-none is not on array /,
    });
    await array.deleteVolume("k8s-pvc-3");
    await rejects(array.createGroupSnapshot(VOLUMES, SUFFIX), { code: "not_found" });
    await array.createSnapshot("k8s-pvc-1", SUFFIX);
    await rejects(array.createGroupSnapshot(VOLUMES.slice(0, 2), SUFFIX), {
      code: "conflict",
      message: /k8s-pvc-2\.group-\S+ is gone; recover .* or delete this VolumeGroupSnapshot/,
    });
    deepEqual((await array.listSnapshots({ limit: 10 })).items.map(({ name }) => name), [NAMES[0]]);
  });
});

Deno.test("createGroupSnapshot() finds what a call made whose answer was lost", async () => {
  await withVolumes(undefined, async ({ array, fault }) => {
    const match = { method: "POST", path: "/volume-snapshots" };
    await fault({ action: "drop-after", match, times: 1 });
    const lost = await array.createGroupSnapshot(VOLUMES, SUFFIX).catch((error) => error);
    ok(Array.isArray(lost) || lost.code === "unavailable", String(lost));
    equal((await array.createGroupSnapshot(VOLUMES, SUFFIX)).length, 3);
    equal((await array.listSnapshots({ limit: 10 })).items.length, 3);
  });
});

Deno.test("createGroupSnapshot() of a FlashBlade is refused without a call", async () => {
  await withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: GiB });
    const made = await calls(() =>
      rejects(array.createGroupSnapshot(["k8s-pvc-1"], SUFFIX), (error: Error) => {
        match(error.message, /is a FlashBlade and takes no snapshot of several file systems/);
        return true;
      })
    );
    deepEqual(made, []);
  });
});
