/** What changes below running pods: everything restarts, the chart is upgraded, arrays come and go. */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import type { Bed } from "./bed.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE, NODES } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { claim, counter } from "./objects.ts";

const ALL = ["deployment/pure-provisioner", "daemonset/pure-csi"];

/** Ids and restarts of the driver's pods: the same before and after where nothing may restart. */
async function livesOf(cluster: ChartCluster): Promise<string[]> {
  const pods = [...await cluster.pods(CONTROLLERS), ...await cluster.pods(NODES)];
  return pods.flatMap(({ metadata, status }) =>
    status.containerStatuses.map((one: { name: string; restartCount: number }) =>
      `${metadata.name} ${metadata.uid} ${one.name} ${one.restartCount}`
    )
  ).sort();
}

function uidOf(life: string): string {
  return life.split(" ")[1] ?? "";
}

/** Waits until exactly these arrays are configured for both controllers. */
async function known(cluster: ChartCluster, ...arrays: string[]): Promise<void> {
  await until(`both controllers know ${arrays}`, async () => {
    const texts = await Promise.all((await cluster.pods(CONTROLLERS)).map(async ({ status }) => {
      const answer = await fetch(`http://${status.podIP}:9808/metrics`);
      return await answer.text();
    }));
    return texts.length === 2 && texts.every((text) => arraysIn(text).join() === arrays.join());
  }, { timeoutMs: WAIT_MS, intervalMs: 200 });
}

/** The configured arrays, by a controller's metrics: one that is out may be named there still. */
function arraysIn(metrics: string): string[] {
  const names = metrics.matchAll(/^pso_array_draining\{[^}]*array="([^"]+)"[^}]*\} 0$/gm);
  return [...names].map(([, name = ""]) => name).sort();
}

/** The numbers that a counter has written so far; they must be 1, 2, 3 … without a hole. */
export async function counted(cluster: ChartCluster, name: string): Promise<number> {
  const lines = (await cluster.exec(name, "cat /data/count")).split("\n");
  lines.forEach((line, index) => assert.equal(line, String(index + 1)));
  return lines.length;
}

/** Does `work` while a pod counts in its volume, and proves that the pod noticed nothing. */
async function undisturbed(
  cluster: ChartCluster,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const before = (await cluster.get("pod", name)).status.containerStatuses[0].containerID;
  const from = await counted(cluster, name);
  await work();
  const [status] = (await cluster.get("pod", name)).status.containerStatuses;
  assert.equal(status.containerID, before);
  await until("the pod counts on", async () => await counted(cluster, name) > from, {
    timeoutMs: WAIT_MS,
  });
}

/** Registers them. */
export function changeScenarios(bed: Bed): void {
  bed.scenario(
    "an upgrade restarts everything while a pod writes, and the new node plugin lets go of it after",
    async () => {
      const { cluster } = bed;
      await cluster.apply(claim("counted"), counter("counter", 1, "counted"));
      await cluster.running("counter");
      const before = (await livesOf(cluster)).map(uidOf);
      const upgraded = { podAnnotations: { upgraded: "yes" } };
      cluster.nodeServer = upgraded;
      cluster.values.controllerServer = upgraded;
      await undisturbed(
        cluster,
        "counter",
        () =>
          bed.timed("helm upgrade that rolls controllers and nodes", async () => {
            await cluster.install();
            for (const one of ALL) {
              await cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, one);
            }
          }),
      );
      const after = (await livesOf(cluster)).map(uidOf);
      assert.deepEqual(after.filter((uid) => before.includes(uid)), []);
      const hosts = (await cluster.pods(CONTROLLERS)).map(({ spec }) => spec.nodeName);
      assert.deepEqual(hosts.sort(), ["node-1", "node-2"]);
      await cluster.delete("pod", "counter");
      await cluster.apply(counter("counter", 2, "counted"));
      await cluster.running("counter");
      await cluster.delete("pod", "counter");
      await cluster.delete("pvc", "counted");
    },
  );

  bed.scenario("an array is taken out and added again, and nothing restarts", async () => {
    const { cluster } = bed;
    await known(cluster, "fa-1", "fa-2", "fa-3", "fb-1");
    const lives = await livesOf(cluster);
    await cluster.install("fa-3");
    await bed.timed(
      "both controllers let an array go",
      () => known(cluster, "fa-1", "fa-2", "fb-1"),
    );
    await cluster.install();
    await bed.figure(
      { what: "an array is taken up by both controllers, after the end of helm upgrade", barS: 10 },
      () => known(cluster, "fa-1", "fa-2", "fa-3", "fb-1"),
    );
    assert.deepEqual(await livesOf(cluster), lives);
  });
}
