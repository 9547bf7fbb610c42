/** Nodes that are emptied, and nodes that lose their power. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE } from "./chart_cluster.ts";
import { type KubeObject, WAIT_MS } from "./kubectl.ts";
import { bothReady, leadOn, served } from "./leaders.ts";
import { claim } from "./objects.ts";

/** One pod, made anew wherever it can be, with the claim at /data. */
function deployment(name: string, claimName: string): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas: 1,
      strategy: { type: "Recreate" },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{
            name: "main",
            image: "busybox:1",
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          }],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
        },
      },
    },
  };
}

/** The pod of a Deployment that is Ready, not on that node. */
async function podBeside(cluster: ChartCluster, app: string, node?: string): Promise<KubeObject> {
  return await until(`a ready pod of ${app}`, async () => {
    const { items } = await cluster.get("pods", "--selector", `app=${app}`);
    return items.find(({ metadata, spec, status }: KubeObject) =>
      metadata.deletionTimestamp === undefined && spec.nodeName !== node &&
      status.conditions?.some(({ type, status }: KubeObject) =>
        type === "Ready" && status === "True"
      )
    );
  }, { timeoutMs: WAIT_MS, intervalMs: 200 });
}

/** Registers them. */
export function lossScenarios(bed: Bed): void {
  bed.scenario("a node is drained, and its pod finds its data on the other one", async () => {
    const { cluster } = bed;
    await cluster.apply(claim("moving"), deployment("moving", "moving"));
    const first = await podBeside(cluster, "moving");
    await cluster.exec(first.metadata.name, "echo kept >/data/file && sync");
    const node = first.spec.nodeName;
    const second = await bed.timed("drain, to the pod's start on the other node", async () => {
      await cluster.kubectl(
        ...["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"],
      );
      return await podBeside(cluster, "moving", node);
    });
    assert.equal(await cluster.exec(second.metadata.name, "cat /data/file"), "kept");
    await cluster.kubectl("uncordon", node);
    // The drain has brought both controllers to one node; one that is made anew goes to the other.
    const [one] = await cluster.pods(CONTROLLERS);
    await cluster.kubectl("delete", "pod", one.metadata.name, "--namespace", NAMESPACE);
    await bothReady(cluster);
    const hosts = (await cluster.pods(CONTROLLERS)).map(({ spec }) => spec.nodeName);
    assert.deepEqual(hosts.sort(), ["node-1", "node-2"]);
  });

  bed.scenario(
    "the leader's node loses its power: the standby serves, and a pod goes on elsewhere after the taint",
    async () => {
      const { cluster } = bed;
      const first = await podBeside(cluster, "moving");
      const node = first.spec.nodeName;
      const number = node.replace("node-", "");
      const taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
      await leadOn(cluster, node);
      await cluster.kube("power-off", number);
      await bed.figure(
        {
          what: "fail-over after the loss of the leader's node, to the next claim Bound",
          // The first create comes 20 s after the last renewal that the standby saw, and it looks
          // twice a second; the rest is the claim's own way.
          barS: 21,
        },
        () => served(cluster, "after-loss"),
      );
      await cluster.awaited("condition=Ready=Unknown", `node/${node}`);
      const second = await bed.figure(
        { what: "re-attach after the taint out-of-service, to the new pod's start", barS: 20 },
        async () => {
          await cluster.kubectl("taint", "nodes", node, taint);
          return await podBeside(cluster, "moving", node);
        },
      );
      assert.equal(await cluster.exec(second.metadata.name, "cat /data/file"), "kept");
      await bed.timed("the node boots and serves again", async () => {
        await cluster.kube("power-on", number);
        await cluster.kubectl("taint", "nodes", node, `${taint}-`);
        for (const one of ["deployment/pure-provisioner", "daemonset/pure-csi"]) {
          await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
        }
      });
      await cluster.kubectl("cordon", second.spec.nodeName);
      await cluster.kubectl("delete", "pod", second.metadata.name);
      const third = await podBeside(cluster, "moving", second.spec.nodeName);
      assert.equal(await cluster.exec(third.metadata.name, "cat /data/file"), "kept");
      await cluster.kubectl("uncordon", second.spec.nodeName);
      await cluster.delete("deployment", "moving");
      await cluster.delete("pvc", "after-loss");
    },
  );
}
