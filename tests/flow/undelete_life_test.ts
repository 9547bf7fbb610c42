// A claim that was deleted by mistake: the controller makes, publishes and deletes its volume, `admin
// undelete` brings it back, and the same controller publishes it by the handle of the manifest.
import { deepEqual, equal } from "node:assert/strict";
import { type Container, nameIn } from "../../src/names.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { classOf, makeContainer } from "../support/containers.ts";
import { N1, N2, ProvisionerBed } from "./provisioner_bed.ts";

const NAME = "pvc-11111111-0000-4000-8000-000000000000";
const CLAIM = {
  "csi.storage.k8s.io/pvc/namespace": "shop",
  "csi.storage.k8s.io/pvc/name": "data",
  "csi.storage.k8s.io/pv/name": NAME,
};

/** A volume is deleted and comes back, in a container of the array or in none. */
function deletedAndBack(container?: Container): Promise<void> {
  return ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const { provisioner, served, signal } = bed;
    if (container) await makeContainer(bed, { array: "fa-1", ...container });
    const parameters = { ...CLAIM, ...(container && classOf(container)) };
    const volumeId = await bed.create(NAME, { parameters });
    await bed.publish(volumeId, N1);
    await provisioner.unpublishVolume({ volumeId, nodeId: N1.name }, signal);
    await provisioner.deleteVolume(volumeId, signal);
    const [array] = served.arrays;
    if (!array) throw new Error("no array");
    const entry = { MgmtEndPoint: `http://${array.address}`, APIToken: array.token };
    const files = { "values.yaml": JSON.stringify({ arrays: { FlashArrays: [entry] } }) };
    const words = [
      "undelete",
      "-f",
      "values.yaml",
      "--volume",
      nameIn(container, `k8s-${NAME}`),
      "--yes",
      "-o",
      "json",
    ];
    const { code, said } = await runAdmin(words, { files });
    equal(code, 0, said);
    const { objects: [pv, claim] } = JSON.parse(said);
    equal(pv.metadata.name, NAME);
    deepEqual(claim.metadata, { namespace: "shop", name: "data" });
    const { volumeHandle } = pv.spec.csi;
    equal(volumeHandle, volumeId);
    await bed.publish(volumeHandle, N2);
    equal(await bed.create(NAME, { parameters }), volumeId, "it is the same volume still");
    await provisioner.unpublishVolume({ volumeId, nodeId: N2.name }, signal);
    await provisioner.deleteVolume(volumeId, signal);
    const again = await runAdmin(["undelete", "-f", "values.yaml", "-o", "json"], { files });
    equal(JSON.parse(again.said).destroyed.length, 1, "it was deleted once more");
  });
}

Deno.test("what the controller deleted is recovered with the names of its claim, and published by its handle again", () =>
  deletedAndBack());

Deno.test("what the controller deleted in a pod is recovered there", () =>
  deletedAndBack({ what: "pod", name: "p1" }));

Deno.test("15.11: what the controller deleted in a volume group is recovered there", () =>
  deletedAndBack({ what: "volume group", name: "g1" }));
