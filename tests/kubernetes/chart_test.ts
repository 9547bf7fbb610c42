/**
 * The chart, installed by Helm into a real cluster, from the first claim to the uninstall: two
 * controllers of which one leads, a DaemonSet on two nodes, and no rights but their service
 * accounts. With PSO_REPEAT=N, which `./scripts/test kubernetes --repeat N` sets, only the storm of
 * claims runs, N times.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { Bed } from "./bed.ts";
import { adminScenarios } from "./chart_admin.ts";
import { changeScenarios } from "./chart_changes.ts";
import { CONTROLLERS, NODES } from "./chart_cluster.ts";
import { exampleScenarios } from "./chart_examples.ts";
import { faultScenarios } from "./chart_faults.ts";
import { leaderScenarios } from "./chart_leader.ts";
import { lossScenarios } from "./chart_losses.ts";
import { rollScenarios } from "./chart_roll.ts";
import { stormScenarios } from "./chart_storm.ts";
import { takeoverScenarios } from "./chart_takeover.ts";
import { topologyScenarios } from "./chart_topology.ts";
import { volumeScenarios } from "./chart_volumes.ts";
import { WAIT_MS } from "./kubectl.ts";
import { leftOn } from "./steps.ts";

const times = Number(Deno.env.get("PSO_REPEAT") ?? 1);
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

if (times > 1) stormScenarios(bed, { times });
else {
  adminScenarios(bed);
  volumeScenarios(bed);
  rollScenarios(bed);
  exampleScenarios(bed);
  faultScenarios(bed);
  changeScenarios(bed);
  stormScenarios(bed, { times });
  leaderScenarios(bed);
  lossScenarios(bed);
  takeoverScenarios(bed);
  topologyScenarios(bed);
}

bed.scenario("after the uninstall nothing of the chart and of the volumes is left", async () => {
  const { cluster } = bed;
  await bed.timed("all pods, claims and snapshots are deleted", () => cluster.empty());
  const leader = await cluster.leader();
  for (const { pod, name, rssMiB } of await cluster.containers()) {
    const standby = pod.startsWith("pure-provisioner") ? "standby" : "node";
    const where = pod === leader ? "leader" : standby;
    bed.figures.line(`${rssMiB.toFixed(0).padStart(8)} MiB  ${where} ${name}`);
  }
  assert.deepEqual(await cluster.forbidden(), []);
  for (const array of cluster.fleet.facts.arrays) assert.deepEqual(await leftOn(array), []);
  await bed.timed("helm uninstall --wait", () => cluster.uninstall());
  // Helm does not wait for the pods of what it deletes.
  await until("the last pod is gone", async () => (await cluster.pods("")).length === 0, {
    timeoutMs: WAIT_MS,
  });
  assert.deepEqual(await cluster.leftObjects(), []);
  assert.deepEqual(await cluster.leftFiles(), []);
});
