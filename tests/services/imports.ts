/** Claims of the example that take in volumes of an array, whose data their pod reads. */
import assert from "node:assert/strict";
import type { Bed } from "../kubernetes/bed.ts";
import { Examples, RESTRICTED } from "../kubernetes/examples.ts";
import { claim, pod } from "../kubernetes/objects.ts";
import { clientOf, volumesOf } from "../kubernetes/steps.ts";
import { eventSays, examplePod, itemOf, letGo, persistentVolumesLeft } from "./steps.ts";

const CLAIMS = ["imported", "imported-copy"];
/** What the example takes in, and of what it takes a copy. */
const FOREIGN = ["gold-image", "oracle-data"];

/** Makes both volumes on the array, with a file: they are copies of one that a pod wrote. */
async function makeForeign(bed: Bed): Promise<void> {
  const { cluster } = bed;
  await cluster.apply(claim("seed", { size: "2Gi" }), pod("seed", 1, { claim: "seed" }));
  await cluster.running("seed");
  await cluster.exec("seed", "echo golden >/data/word && chmod 666 /data/word && sync");
  const seed = await itemOf(cluster, { claim: "seed", namespace: "default", array: "fa-1" });
  await cluster.delete("pod", "seed");
  await letGo(cluster);
  const client = await clientOf(cluster.fleet.array("fa-1"));
  for (const name of FOREIGN) {
    await client.ok(`POST /volumes?names=${name}`, { source: { name: seed.name } });
  }
  client.close();
  await cluster.delete("pvc", "seed");
  await persistentVolumesLeft(cluster, 0);
}

/** Registers it. */
export function importScenarios(bed: Bed): void {
  bed.scenario(
    "15.5: example import runs as it stands: a pod reads the volume taken in, and the copy",
    async () => {
      const { cluster } = bed;
      const examples = new Examples(cluster, RESTRICTED);
      const array = cluster.fleet.array("fa-1");
      await bed.timed("two volumes that others made", () => makeForeign(bed));
      await examples.apply("namespaces.yaml");
      // Kubernetes looks for a class that was not there only after 10 s, and a folder begins with "c".
      await examples.apply("import/class.yaml");
      await examples.apply("import");
      await bed.timed("a pod has the volumes of example import", async () => {
        // The scheduler looks at a pod again after seconds when it came before its volumes.
        for (const name of CLAIMS) {
          await examples.awaited("jsonpath={.status.phase}=Bound", `pvc/${name}`);
        }
        await cluster.apply(examplePod("importer", ...CLAIMS));
        await examples.awaited("condition=Ready", "pod/importer");
      });
      for (const name of CLAIMS) {
        assert.equal(await examples.shell("importer", `cat /${name}/word`), "golden");
      }
      await examples.shell("importer", "echo changed >/imported/word && sync");
      assert.equal(await examples.shell("importer", "cat /imported-copy/word"), "golden");

      const { spec: { volumeName } } = await examples.get("pvc", "imported");
      const { spec } = await cluster.get("pv", volumeName);
      assert.match(spec.csi.volumeHandle, /^[0-9a-f]{8}\/oracle-data@keep$/);
      assert.equal(spec.capacity.storage, "2Gi", "its real size");
      const thief = claim("thief", { storageClass: "pure-import" });
      Object.assign(thief.metadata, {
        namespace: RESTRICTED,
        annotations: { "pso.purestorage.com/import": "fa-1/oracle-data" },
      });
      await bed.timed("a second claim for the same volume is refused", async () => {
        await cluster.apply(thief);
        await eventSays(cluster, `it has the PersistentVolume ${volumeName}`);
      });

      await examples.kubectl("delete", "pod", "importer");
      await examples.kubectl("delete", "pvc", ...CLAIMS, "thief");
      await cluster.kubectl("delete", "storageclass", "pure-import");
      await persistentVolumesLeft(cluster, 0);
      const left = (await volumesOf(array)).sort();
      assert.deepEqual(left, FOREIGN, "the copy is gone, no original is");
      const client = await clientOf(array);
      for (const name of FOREIGN) {
        await client.ok(`PATCH /volumes?names=${name}`, { destroyed: true });
      }
      client.close();
    },
  );
}
