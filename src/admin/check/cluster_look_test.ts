import { deepEqual, equal, match } from "node:assert/strict";
import type { KubeObject, KubeReader } from "../../kube/client.ts";
import { lookAtCluster } from "./cluster_look.ts";

/** A cluster with nothing in it, of which the lists that `isSilent` names are never answered. */
function cluster(isSilent: (path: string) => boolean) {
  const ended: string[] = [];
  const kube: KubeReader = {
    get: () => Promise.resolve({ gitVersion: "v1.36.3" }),
    text: () => Promise.resolve(""),
    list: ({ path }, signal) =>
      isSilent(path)
        ? new Promise<KubeObject[]>((_, reject) =>
          signal?.addEventListener("abort", () => {
            ended.push(path);
            reject(signal.reason);
          })
        )
        : Promise.resolve([]),
  };
  return { cluster: { kube, namespace: "pso", name: "prod" }, ended };
}

const scope = { now: () => 0, progress: () => {} };
const CLASSES = "/apis/storage.k8s.io/v1/storageclasses";

Deno.test("lookAtCluster() ends when its time is over, with what it found and what it did not ask", async () => {
  const { cluster: one, ended } = cluster((path) => path === CLASSES);
  const { all } = await lookAtCluster(one, { ...scope, timeoutMs: 50 });
  deepEqual(ended, [CLASSES]);
  const late = all.filter(({ what }) => what === "cluster prod took longer than 50 ms");
  deepEqual(
    late.map(({ level, check }) => `${level} ${check}`),
    ["classes", "snapshots", "controller", "leader", "node plugin", "nodes", "volumes"].map(
      (check) => `fail ${check}`,
    ),
  );
  match(all.find(({ check }) => check === "driver")?.what ?? "", /attachRequired false/);
});

Deno.test("lookAtCluster() leaves no deadline behind", async () => {
  const { cluster: one, ended } = cluster(() => false);
  const { all } = await lookAtCluster(one, scope);
  deepEqual(ended, []);
  equal(all.some(({ what }) => what.includes("took longer")), false);
});
