/** What the leader knows of nodes and attachments while the programs that tell it restart. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, NAMESPACE } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { bothReady } from "./leaders.ts";

/** Writes a line ten times a second into the volume that both pods have. */
const WRITER = "while sleep 0.1; do date +%s.%N >>/data/rolled; done >/dev/null 2>&1 &";

/** The calls that change an export rule, or take anything away. */
async function takings(cluster: ChartCluster): Promise<string[]> {
  return (await cluster.fleet.counts()).filter(({ method, path }) =>
    method === "DELETE" || (method === "PATCH" && path.endsWith("/file-systems"))
  ).map(({ array, method, path }) => `${array} ${method} ${path}`);
}

/** Registers them; the pods `shared-1` and `shared-2` use one file system on two nodes. */
export function rollScenarios(bed: Bed): void {
  bed.scenario(
    "15.3: node pods and controllers are rolled under an RWX writer, and no rule changes",
    async () => {
      const { cluster } = bed;
      await cluster.exec("shared-1", WRITER);
      // What the scenarios before have ended is let go of first; each pod has one volume.
      await until("no volume without a pod is attached", async () => {
        const [pods, attachments] = await Promise.all(
          ["pods", "volumeattachments"].map((kind) => cluster.get(kind)),
        );
        return attachments.items.length === pods.items.length;
      }, { timeoutMs: WAIT_MS, intervalMs: 200 });
      await cluster.fleet.control("DELETE", "/requests");
      await bed.timed("both are rolled, one after the other", async () => {
        for (const one of ["daemonset/pure-csi", "deployment/pure-provisioner"]) {
          await cluster.kubectl("rollout", "restart", "--namespace", NAMESPACE, one);
          await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
        }
        await bothReady(cluster);
      });
      assert.deepEqual(await takings(cluster), []);
      const written = "wc -l </data/rolled";
      const before = Number(await cluster.exec("shared-2", written));
      await cluster.exec("shared-1", "sleep 1");
      assert.ok(Number(await cluster.exec("shared-2", written)) > before, "it writes on");
      await cluster.exec("shared-1", "pkill -f 'sleep 0.1' ; rm -f /data/rolled");
    },
  );
}
