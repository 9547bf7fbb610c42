// A controller that begins to lead reads claims, nodes, volumes and attachments from Kubernetes.
import { deepEqual, ok, rejects } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { until } from "../../src/async/wait.ts";
import { LeaderBed } from "./leader_bed.ts";

const START_MS = 30_000;
const LISTED = [
  "/apis/storage.k8s.io/v1/csinodes?limit=500",
  "/api/v1/persistentvolumes?limit=500",
  "/apis/storage.k8s.io/v1/volumeattachments?limit=500",
  "/api/v1/persistentvolumeclaims?limit=500",
];
const parameters = {
  "csi.storage.k8s.io/pvc/name": "orders",
  "csi.storage.k8s.io/pvc/namespace": "shop",
};
const key = (name: string) => ({ collection: "persistentvolumeclaims", namespace: "shop", name });

Deno.test("the leader alone reads the cluster, and a new claim waits for no dead array", async () => {
  await LeaderBed.run(async (bed) => {
    const listed = () => LISTED.map((path) => bed.api.calls.includes(`GET ${path}`));
    const old = bed.api.store.put(key("old"), {}).metadata.uid;
    await bed.silence("fa-2");
    const leader = bed.start("pso-a");
    await bed.leader(START_MS);
    await until("the lists", () => listed().every(Boolean), { timeoutMs: START_MS });
    await until("watches", () => bed.api.store.watches === 3, { timeoutMs: START_MS });
    bed.api.calls.length = 0;
    const standby = bed.start("pso-b");
    await until(
      "a standby",
      async () => (await standby.admin("/readyz").catch(() => "")).includes("standby"),
      {
        timeoutMs: START_MS,
      },
    );
    const made = bed.api.store.put(key("orders"), {}).metadata.uid;
    await leader.create(`pvc-${made}`, parameters);
    await rejects(
      leader.create(`pvc-${old}`, { ...parameters, "csi.storage.k8s.io/pvc/name": "old" }),
      /UNAVAILABLE: .*may exist already on an array that is silent/,
    );
    await rejects(leader.create(claimNameOf("other"), parameters), /UNAVAILABLE/);
    deepEqual(listed(), [false, false, false, false]);
    ok(bed.api.calls.some((call) => call.includes("/persistentvolumeclaims/orders")));
  });
});

Deno.test("a leader that may not list attachments says so, and takes nothing away until it may", async () => {
  await LeaderBed.run(async (bed) => {
    bed.api.forbidden.add("volumeattachments");
    const leader = bed.start("pso-a");
    await bed.leader(START_MS);
    await leader.create(claimNameOf("one"));
    await until("the reason", async () => {
      const page = await leader.admin("/readyz");
      return page.includes('"cluster"') && page.includes("volumeattachments is forbidden");
    }, { timeoutMs: START_MS });
    const csi = leader.connect();
    const request = { volumeId: `${(await bed.volumes())[0]}`, nodeId: "" };
    await rejects(csi.controller.controllerUnpublishVolume(request), {
      message: /UNAVAILABLE: .*VolumeAttachments were listed \(.*403.*give the account this right/,
    });
    bed.api.forbidden.clear();
    await until("all is well", async () => !(await leader.admin("/readyz")).includes('"cluster"'), {
      timeoutMs: START_MS,
    });
    await csi.controller.controllerUnpublishVolume(request);
    csi.close();
  });
});
