/**
 * What goes beyond claims, in one cluster of two nodes with the driver in pods of the chart: the
 * examples of it as they stand, the optional classes of the chart, and verbs of `pso-bin admin`.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { Bed } from "../kubernetes/bed.ts";
import { WAIT_MS } from "../kubernetes/kubectl.ts";
import { adminScenarios } from "./admin.ts";
import { attributeScenarios, CLASS_VALUES } from "./attributes.ts";
import { groupSnapshotScenarios } from "./group_snapshots.ts";
import { importScenarios } from "./imports.ts";
import { inlineScenarios } from "./inline.ts";
import { install } from "./steps.ts";

const bed = await Bed.make("services beyond claims");

bed.scenario("helm installs the chart with optional classes, one controller leads", async () => {
  const { cluster } = bed;
  Object.assign(cluster.values, CLASS_VALUES);
  await bed.timed("helm install --wait", () => install(cluster));
  await until("a leader", () => cluster.leader(), { timeoutMs: WAIT_MS });
});

attributeScenarios(bed);
adminScenarios(bed);
groupSnapshotScenarios(bed);
importScenarios(bed);
inlineScenarios(bed);

bed.scenario("after the uninstall nothing of the chart and of the volumes is left", async () => {
  const { cluster } = bed;
  assert.deepEqual(await cluster.forbidden(), []);
  await bed.timed("helm uninstall --wait", () => cluster.uninstall());
  await until("the last pod is gone", async () => (await cluster.pods("")).length === 0, {
    timeoutMs: WAIT_MS,
  });
  // Helm leaves the definition of what pods describe themselves: with it all of these would go.
  await cluster.kubectl("delete", "crd", "ephemeralvolumes.pso.purestorage.com");
  assert.deepEqual(await cluster.leftObjects(), []);
  assert.deepEqual(await cluster.leftFiles(), []);
});
