import assert from "node:assert/strict";
import { createLogger } from "../log.ts";
import { GiB } from "../size.ts";
import { adoptConfig } from "./adopt.ts";
import { loadConfig } from "./load.ts";

function load(values: string) {
  return loadConfig({
    valuesFile: "values.yaml",
    mode: "node",
    readTextFile: () => Promise.resolve(values),
  });
}

async function adopt(before: string, after: string) {
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  const { config } = await load(before);
  return {
    ...adoptConfig({ current: config, changed: await load(after) }, log),
    log: lines.join(""),
  };
}

Deno.test("adoptConfig() takes everything up but clusterID, and says how to set it right", async () => {
  const { config, kept, log } = await adopt(
    "{clusterID: prod_1, maxVolumesPerNode: 9}",
    "{clusterID: prod_2, maxVolumesPerNode: 8}",
  );
  assert.deepEqual([config.clusterId, config.maxVolumesPerNode], ["prod_1", 8]);
  assert.deepEqual(kept, ["clusterID: set it to prod_1 again"]);
  assert.match(log, /"level":"error".*"fix":"set clusterID to prod_1 again"/);
});

Deno.test("adoptConfig() logs the warnings of the changed files, and nothing when all is well", async () => {
  const { log } = await adopt("{clusterID: a}", "{clusterID: a, colour: red}");
  assert.match(log, /"level":"warn".*colour is not a known key/);
  assert.equal((await adopt("{clusterID: a}", "{clusterID: a}")).log, "");
});

Deno.test("adoptConfig() keeps the topology keys of the start, and says that a restart is needed", async () => {
  const { config, kept, log } = await adopt(
    "{clusterID: a}",
    "{clusterID: a, storagetopology: {enable: true}}",
  );
  assert.deepEqual(kept, ["storagetopology: restart the controller and the nodes"]);
  assert.deepEqual(config.topology, { enable: false, strict: false, nodeLabels: [] });
  assert.match(log, /"level":"warn".*storagetopology changed and is not taken up.*restart/);
});

Deno.test("adoptConfig() keeps whether pods may describe volumes, and takes their limits up", async () => {
  const { config, kept } = await adopt(
    "{clusterID: a}",
    "{clusterID: a, ephemeral: {enabled: true, maxSizeGiB: 7}}",
  );
  assert.deepEqual([config.ephemeral.enable, config.ephemeral.maxBytes], [false, 7 * GiB]);
  assert.deepEqual(kept, ["ephemeral.enabled: restart the controller and the nodes"]);
});
