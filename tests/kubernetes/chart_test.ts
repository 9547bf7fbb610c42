/**
 * The chart, installed by Helm into a real cluster, from the first claim to the uninstall: two
 * controllers of which one leads, a DaemonSet on two nodes, and no rights but their service
 * accounts.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { Bed } from "./bed.ts";
import { adminScenarios } from "./chart_admin.ts";
import { changeScenarios } from "./chart_changes.ts";
import { CONTROLLERS, NODES } from "./chart_cluster.ts";
import { exampleScenarios } from "./chart_examples.ts";
import { leaderScenarios } from "./chart_leader.ts";
import { lossScenarios } from "./chart_losses.ts";
import { topologyScenarios } from "./chart_topology.ts";
import { volumeScenarios } from "./chart_volumes.ts";
import { WAIT_MS } from "./kubectl.ts";
import { leftOn } from "./steps.ts";

const bed = await Bed.make("the chart in Kubernetes");

bed.scenario("helm installs the chart, all of it becomes ready, one controller leads", async () => {
  const { cluster } = bed;
  const notes = await bed.timed("helm install --wait", () => cluster.install());
  assert.match(notes, /STATUS: deployed/);
  assert.equal((await cluster.pods(CONTROLLERS)).length, 2);
  assert.equal((await cluster.pods(NODES)).length, 2);
  await bed.timed("one controller leads", async () => {
    await until("a leader", () => cluster.leader(), { timeoutMs: WAIT_MS });
  });
});

adminScenarios(bed);
volumeScenarios(bed);
exampleScenarios(bed);
changeScenarios(bed);
leaderScenarios(bed);
lossScenarios(bed);
topologyScenarios(bed);

bed.scenario("after the uninstall nothing of the chart and of the volumes is left", async () => {
  const { cluster } = bed;
  await bed.timed("all pods, claims and snapshots are deleted", async () => {
    await cluster.delete("pod", "--all");
    await cluster.delete("volumesnapshot", "--all");
    await cluster.delete("pvc", "--all");
    await until("the last volume is gone", async () => {
      return (await cluster.get("pv")).items.length === 0;
    }, { timeoutMs: WAIT_MS, intervalMs: 500 });
  });
  for (const { pod, name, rssMiB } of await cluster.containers()) {
    bed.steps.line(`${rssMiB.toFixed(0).padStart(4)} MiB  ${pod} ${name}`);
  }
  assert.deepEqual(await cluster.forbidden(), []);
  for (const array of cluster.fleet.facts.arrays) assert.deepEqual(await leftOn(array), []);
  assert.deepEqual((await cluster.get("volumeattachments")).items, []);
  await bed.timed("helm uninstall --wait", () => cluster.uninstall());
  // Helm does not wait for the pods of what it deletes.
  await until("the last pod is gone", async () => (await cluster.pods("")).length === 0, {
    timeoutMs: WAIT_MS,
  });
  assert.deepEqual(await cluster.leftObjects(), []);
  assert.deepEqual(await cluster.leftFiles(), []);
});
