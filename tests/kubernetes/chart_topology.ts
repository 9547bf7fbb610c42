/** Volumes on arrays that the pod's node reaches, by labels of nodes and arrays. */
import assert from "node:assert/strict";
import type { Bed } from "./bed.ts";
import { CONTROLLERS, NAMESPACE } from "./chart_cluster.ts";
import { claim, pod, storageClass } from "./objects.ts";
import { volumesOf } from "./steps.ts";

const RACK = "topology.purestorage.com/rack";

/** Registers it. The arrays keep their labels, the nodes too. */
export function topologyScenarios(bed: Bed): void {
  bed.scenario("15.1: a volume is made on the array of its pod's rack", async () => {
    const { cluster } = bed;
    for (const node of [1, 2]) {
      await cluster.kubectl("label", "node", `node-${node}`, `${RACK}=rack-${node}`);
    }
    // An array without such a label is reached from everywhere.
    for (const array of [1, 2, 3]) cluster.fleet.label(`fa-${array}`, { [RACK]: `rack-${array}` });
    cluster.values.storagetopology = { enable: true, strictTopology: true };
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
    await cluster.delete("pod", "rack-1", "rack-2");
    await cluster.delete("pvc", "rack-1", "rack-2");
  });
}
