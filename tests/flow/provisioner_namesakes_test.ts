// Namesakes, continued: what was made from a source, and who holds a volume of a bare handle.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { GiB } from "../../src/size.ts";
import { arrayOf, homeAndOther, makeNamesake, NAME } from "./namesakes.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

const SUFFIX = "snapshot-1";

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
