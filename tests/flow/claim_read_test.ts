// A controller of the cluster reads the claim that it makes a volume for, by its service account.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { until } from "../../src/async/wait.ts";
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

Deno.test("15.2: a claim that is made after the take-over waits for no silent array, and one under deletion counts as old", async () => {
  await LeaderBed.run(async (bed) => {
    await bed.silence("fa-2");
    const controller = bed.start("pso-a");
    await bed.leader(START_MS);
    /** A claim that is made now, and its CreateVolume. */
    const made = async (claim: string, metadata: Record<string, unknown>): Promise<void> => {
      const csiName = claimNameOf(claim);
      const key = { collection: "persistentvolumeclaims", namespace: "shop", name: claim };
      bed.api.store.put(key, { metadata }, csiName.slice("pvc-".length));
      await controller.create(csiName, { ...parameters, "csi.storage.k8s.io/pvc/name": claim });
    };
    // One that is there before the leader lists them is old for ever: each try is another claim.
    let tries = 0;
    const isNew = () => made(`alive-${++tries}`, {}).then(() => true, () => false);
    await until("the leader's list of claims", isNew, { timeoutMs: START_MS });
    const ending = { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["shop/held"] };
    await rejects(made("ending", ending), {
      message: /UNAVAILABLE: .*may exist already on an array that is silent: \S+ did not answer/,
    });
    await made("alive", {});
    await bed.clearFaults();
    const isMade = () => made("ending", ending).then(() => true, () => false);
    await until("the array answers again", isMade, { timeoutMs: START_MS });
    equal((await bed.volumes()).length, 3);
  });
});

Deno.test("15.5: the controller imports for a claim in Kubernetes, and refuses what a PersistentVolume there has", async () => {
  await LeaderBed.run(async (bed) => {
    const controller = bed.start("pso-a");
    await bed.leader(START_MS);
    await controller.create(claimNameOf("old"));
    const [name = ""] = await bed.volumes();
    /** A claim that imports from the array, and its CreateVolume. */
    const imported = async (claim: string, array: string): Promise<void> => {
      const key = { collection: "persistentvolumeclaims", namespace: "shop", name: claim };
      const annotations = { "pso.purestorage.com/import": `${array}/${name}` };
      const created = { creationTimestamp: "2026-01-01T00:00:00Z" };
      const csiName = claimNameOf(claim);
      bed.api.store.put(key, { metadata: { ...created, annotations } }, csiName.slice(4));
      await controller.create(csiName, {
        ...parameters,
        "csi.storage.k8s.io/pvc/name": claim,
        allowImport: "true",
      });
    };
    const outcomes = await Promise.all(
      ["fa-1", "fa-2"].map((array) =>
        imported(`of-${array}`, array).then(() => "imported", (error: Error) => error.message)
      ),
    );
    const [, refused = ""] = outcomes.sort((a) => a === "imported" ? -1 : 1);
    equal(outcomes[0], "imported");
    match(refused, /NOT_FOUND: .*has no live volume of that name/);
    deepEqual(await bed.volumes(), [name], "none was made");
    for (const collection of ["persistentvolumes", "persistentvolumeclaims"]) {
      ok(bed.api.calls.some((call) => call.startsWith(`GET /api/v1/${collection}?`)), collection);
    }
    const spec = { csi: { driver: "pure-csi", volumeHandle: name } };
    bed.api.put({ collection: "persistentvolumes", name: "pv-by-hand" }, { spec });
    for (const array of ["fa-1", "fa-2"]) {
      await rejects(imported("late", array), {
        message: /FAILED_PRECONDITION: .*has the PersistentVolume pv-by-hand|NOT_FOUND/,
      });
    }
  });
});
