/** Volumes on arrays that the pod's node reaches, by labels of nodes and arrays. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE } from "./chart_cluster.ts";
import { type KubeObject, WAIT_MS } from "./kubectl.ts";
import { claim, pod, storageClass } from "./objects.ts";
import { volumesOf } from "./steps.ts";

const RACK = "topology.purestorage.com/rack";

/** Registers it. The arrays keep their labels, the nodes too. */
export function topologyScenarios(bed: Bed): void {
  bed.scenario("a volume is made on the array of its pod's rack", async () => {
    const { cluster } = bed;
    for (const node of [1, 2]) {
      await cluster.kubectl("label", "node", `node-${node}`, `${RACK}=rack-${node}`);
    }
    // An array without such a label is reached from everywhere.
    for (const array of [1, 2, 3]) cluster.fleet.label(`fa-${array}`, { [RACK]: `rack-${array}` });
    cluster.values.storagetopology = { enable: true, strictTopology: true };
    cluster.values.csi = { storageCapacity: true };
    await bed.timed("helm upgrade to topology", async () => {
      await cluster.install();
      for (const one of ["deployment/pure-provisioner", "daemonset/pure-csi"]) {
        await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
      }
    });
    assert.equal((await cluster.pods(CONTROLLERS)).length, 2);
    const late = storageClass("by-rack", "block", "xfs");
    late.volumeBindingMode = "WaitForFirstConsumer";
    await cluster.apply(late);
    for (const node of [1, 2] as const) {
      const name = `rack-${node}`;
      const before = await volumesOf(cluster.fleet.array(`fa-${node}`));
      await bed.timed(`claim by topology runs on node-${node}`, async () => {
        await cluster.apply(
          claim(name, { storageClass: "by-rack" }),
          pod(name, node, { claim: name }),
        );
        await cluster.running(name);
      });
      const { spec } = await cluster.get("pvc", name);
      const after = await volumesOf(cluster.fleet.array(`fa-${node}`));
      assert.deepEqual(after.filter((one) => !before.includes(one)), [
        `charted-${spec.volumeName}`,
      ]);
    }
    await bed.timed(
      "the room of each rack is told",
      () =>
        until(
          "the room of both racks",
          async () => (await racksWithRoom(cluster)).join() === "rack-1,rack-2",
          { timeoutMs: WAIT_MS },
        ),
    );
    // More than any array has: the scheduler itself sees that, and asks for no volume.
    await cluster.apply(
      claim("too-large", { storageClass: "by-rack", size: "4Pi" }),
      pod("too-large", 1, { claim: "too-large" }),
    );
    await until(
      "the scheduler finds no room",
      async () => /did not have enough free storage/.test(await cluster.events()),
      { timeoutMs: WAIT_MS },
    );
    await cluster.delete("pod", "rack-1", "rack-2", "too-large");
    await cluster.delete("pvc", "rack-1", "rack-2", "too-large");
  });
}

/** The racks of which a CSIStorageCapacity of the class tells room. */
async function racksWithRoom(cluster: ChartCluster): Promise<string[]> {
  const { items } = JSON.parse(
    await cluster.kubectl("get", "csistoragecapacities", "-n", NAMESPACE, "-o", "json"),
  );
  return items.flatMap((
    { storageClassName, nodeTopology, capacity, maximumVolumeSize }: KubeObject,
  ) =>
    storageClassName === "by-rack" && capacity !== "0" && maximumVolumeSize !== undefined
      ? [String(nodeTopology?.matchLabels?.[RACK])]
      : []
  ).sort();
}
