// A controller of the cluster reads the claim that it makes a volume for, by its service account.
import { rejects } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { LeaderBed } from "./leader_bed.ts";

const START_MS = 30_000;
const parameters = {
  "csi.storage.k8s.io/pvc/name": "orders",
  "csi.storage.k8s.io/pvc/namespace": "shop",
};

Deno.test("the controller judges the annotation of the claim in Kubernetes, and makes the volume once it is right", async () => {
  await LeaderBed.run(async (bed) => {
    const key = { collection: "persistentvolumeclaims", namespace: "shop", name: "orders" };
    const annotate = (group: string) =>
      bed.api.put(key, { metadata: { annotations: { "pso.purestorage.com/spread": group } } });
    annotate("not a group");
    const controller = bed.start("pso-a");
    await bed.leader(START_MS);
    await rejects(controller.create(claimNameOf("orders"), parameters), {
      message: /INVALID_ARGUMENT: .*annotation pso\.purestorage\.com\/spread .*"not a group"/,
    });
    annotate("orders");
    await controller.create(claimNameOf("orders"), parameters);
    bed.api.remove(key);
    await controller.create(claimNameOf("deleted"), parameters);
  });
});
