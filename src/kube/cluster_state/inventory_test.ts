import { deepEqual, rejects } from "node:assert/strict";
import { KubeClient } from "../client.ts";
import { FakeKubeApi } from "../../../tests/support/fake_kube_api.ts";
import { readInventory } from "./inventory.ts";

const OPTIONS = { driver: "pure-csi", annotations: "pso.example/import" };
const never = new AbortController().signal;

Deno.test("readInventory() reads every PersistentVolume and claim of all namespaces, and only what counts of them", async () => {
  const api = new FakeKubeApi();
  const volume = (name: string, spec: Record<string, unknown>) =>
    api.put({ collection: "persistentvolumes", name }, { spec });
  volume("pv-1", {
    csi: { driver: "pure-csi", volumeHandle: "4f5b3a1c/data" },
    claimRef: { namespace: "shop", name: "orders", uid: "uid-1" },
  });
  volume("pv-2", { csi: { driver: "other", volumeHandle: "data" } });
  volume("pv-3", { flexVolume: { driver: "pure/flex" } });
  for (const namespace of ["shop", "archive"]) {
    const key = { collection: "persistentvolumeclaims", namespace, name: "orders" };
    api.put(key, {
      metadata: {
        creationTimestamp: "2026-01-01T00:00:00Z",
        annotations: { "pso.example/import": "fa-1/data", other: "1" },
      },
    });
  }
  const { volumes, claims } = await readInventory(new KubeClient(api.server()), OPTIONS, never);
  deepEqual(volumes, [
    { name: "pv-1", handle: "4f5b3a1c/data", claim: "shop/orders", claimUid: "uid-1" },
    { name: "pv-2" },
    { name: "pv-3" },
  ]);
  deepEqual(
    claims.map(({ uid: _any, ...rest }) => rest).sort((a, b) => a.namespace < b.namespace ? -1 : 1),
    ["archive", "shop"].map((namespace) => ({
      namespace,
      name: "orders",
      created: "2026-01-01T00:00:00Z",
      annotations: { "pso.example/import": "fa-1/data" },
    })),
  );
});

Deno.test("readInventory() leaves nothing out when the API server refuses", async () => {
  const api = new FakeKubeApi();
  api.fault = "forbidden";
  await rejects(readInventory(new KubeClient(api.server()), OPTIONS, never), { code: "denied" });
});
