/** What is lost beside the controllers: a node's plugin, a kubelet, the room of all arrays. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, NAMESPACE, NODES } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { driverOf } from "./leaders.ts";
import { claim, pod } from "./objects.ts";

/** Ends the node plugin's process on that node, and waits until its container runs again. */
async function endPlugin(cluster: ChartCluster, node: 1 | 2, signal: Deno.Signal): Promise<void> {
  const found = (await cluster.pods(NODES)).find(({ spec }) => spec.nodeName === `node-${node}`);
  const name = found.metadata.name;
  Deno.kill(await driverOf(cluster, name), signal);
  await until(`the node plugin of node-${node} runs again`, async () => {
    const { status } = await cluster.get("pod", name, "--namespace", NAMESPACE);
    const driver = status.containerStatuses.find((one: { name: string }) => one.name === "driver");
    return driver.state.running !== undefined && driver.restartCount > 0;
  }, { timeoutMs: WAIT_MS, intervalMs: 500 });
}

/** Registers them; the pods `reader` and `shared-2` run on node-2 meanwhile. */
export function faultScenarios(bed: Bed): void {
  bed.scenario(
    "node plugins end, killed and told to, while pods run, and serve the next ones",
    async () => {
      const { cluster } = bed;
      await cluster.apply(claim("first"), claim("second"));
      // No volume is left on node-1: its plugin takes its folders away, and finds them again.
      await cluster.delete("pod", "shared-1");
      await bed.timed("the node plugins of both nodes start again", async () => {
        await endPlugin(cluster, 1, "SIGTERM");
        await endPlugin(cluster, 2, "SIGKILL");
      });
      assert.equal(await cluster.exec("reader", "echo still >/data/f && cat /data/f"), "still");
      await bed.timed("both serve pods", async () => {
        await cluster.apply(
          pod("first", 1, { claim: "first" }),
          pod("second", 2, { claim: "second" }),
        );
        await cluster.running("first", "second");
      });
    },
  );

  bed.scenario(
    "a kubelet starts again while pods run, and takes their volumes away afterwards",
    async () => {
      const { cluster } = bed;
      const idOf = async () =>
        (await cluster.get("pod", "reader")).status.containerStatuses[0].containerID;
      const before = await idOf();
      await cluster.kube("restart", "kubelet-2");
      await cluster.awaited("condition=Ready", "node/node-2");
      assert.equal(await idOf(), before);
      await bed.timed("pods end after their kubelet has started again", async () => {
        await cluster.delete("pod", "first", "second");
        await cluster.delete("pvc", "first", "second");
      });
    },
  );

  bed.scenario(
    "15.1: a claim that no array can hold says in two lines why, and what it waits for",
    async () => {
      const { cluster } = bed;
      await cluster.apply(claim("huge", { size: "900Ti" }));
      const which = "involvedObject.name=huge,reason=ProvisioningFailed";
      const message = await until("an event that says why", async () => {
        const { items } = await cluster.get("events", "--field-selector", which);
        return items[0]?.message as string | undefined;
      }, { timeoutMs: WAIT_MS, intervalMs: 500 });
      const [why = "", ...more] = message.split("\n");
      assert.match(why, /desc = Cannot place pvc-\S+ \(900 TiB\): /);
      for (const array of [1, 2, 3]) assert.match(why, new RegExp(`fa-${array}`));
      assert.deepEqual(more, ["It waits until an array takes it; add space or change the class"]);
      await cluster.delete("pvc", "huge");
    },
  );
}
