/** Which controller leads, and what tests do to it. */
import { until } from "../../src/async/wait.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE } from "./chart_cluster.ts";
import { WAIT_MS } from "./kubectl.ts";
import { claim } from "./objects.ts";
import { volumesOf } from "./steps.ts";

export async function leaderOf(cluster: ChartCluster): Promise<string> {
  return await until("a leader", () => cluster.leader(), { timeoutMs: WAIT_MS });
}

/** The process of the driver in that pod. */
export async function driverOf(cluster: ChartCluster, pod: string): Promise<number> {
  const found = (await cluster.containers()).find((one) =>
    one.pod === pod && one.name === "driver"
  );
  const [pid] = found?.pids ?? [];
  if (pid === undefined) throw new Error(`no process of the driver in the pod ${pod}`);
  return pid;
}

/** Both controllers ready again, so that the next loss finds a standby. */
export async function bothReady(cluster: ChartCluster): Promise<void> {
  const which = ["--namespace", NAMESPACE, "deployment/pure-provisioner"];
  await cluster.kubectl("rollout", "status", ...which);
}

/** Lets the controller on that node lead; each node has one of them. */
export async function leadOn(cluster: ChartCluster, node: string): Promise<void> {
  await bothReady(cluster);
  const nodeOf = async (pod: string) =>
    (await cluster.pods(CONTROLLERS)).find(({ metadata }) => metadata.name === pod)?.spec.nodeName;
  const leader = await leaderOf(cluster);
  if (await nodeOf(leader) === node) return;
  await cluster.kubectl("delete", "pod", leader, "--namespace", NAMESPACE);
  await until(`a leader on ${node}`, async () => await nodeOf(await leaderOf(cluster)) === node, {
    timeoutMs: WAIT_MS,
  });
  await bothReady(cluster);
}

/** Waits until a claim that is made now is Bound. */
export async function served(cluster: ChartCluster, name: string): Promise<void> {
  await cluster.apply(claim(name));
  await cluster.bound(name);
}

/** The names of volumes on all FlashArrays that are not destroyed. */
export async function volumesOnArrays(cluster: ChartCluster): Promise<string[]> {
  const arrays = cluster.fleet.facts.arrays.filter(({ kind }) => kind === "flasharray");
  return (await Promise.all(arrays.map(volumesOf))).flat().sort();
}
