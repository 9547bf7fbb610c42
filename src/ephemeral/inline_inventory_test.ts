import { deepEqual, equal, rejects } from "node:assert/strict";
import { EphemeralBed, ID, POD } from "../../tests/support/ephemeral_bed.ts";
import { KubeError } from "../kube/client.ts";
import { inlineInventory } from "./inline_inventory.ts";

Deno.test("inlineInventory() tells the pod and the handle of each volume that a pod describes itself", async () => {
  const bed = new EphemeralBed();
  await bed.ask();
  const uid = (await bed.objects.get(ID))?.uid ?? "";
  const known = { namespace: POD.namespace, pod: POD.name, uid };
  deepEqual(await inlineInventory(bed.objects), [known]);
  await bed.step();
  deepEqual(await inlineInventory(bed.objects), [{ ...known, handle: `0badcafe/k8s-pvc-${uid}` }]);
});

Deno.test("inlineInventory() is empty in a cluster that does not know such objects, and fails where it cannot tell", async () => {
  const failing = (status: number) => ({
    list: () => Promise.reject(new KubeError("unavailable", "refused", { status })),
  });
  equal((await inlineInventory(failing(404))).length, 0);
  await rejects(inlineInventory(failing(403)), { code: "unavailable" });
});
