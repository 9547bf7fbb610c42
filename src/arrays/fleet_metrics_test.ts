import { deepEqual, match } from "node:assert/strict";
import { silentLogger } from "../log.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { StorageArray } from "./array.ts";
import { Fleet } from "./fleet.ts";
import { registerFleet } from "./fleet_metrics.ts";
import { arrayReadiness } from "./readiness.ts";

/** An entry of the configuration; `isWell` decides whether the array answers. */
function entryOf(address: string, configuredName: string, isWell: boolean) {
  const none = () => Promise.resolve({ items: [] });
  const array = {
    label: configuredName,
    configuredName,
    address,
    kind: "block",
    serverKey: () => Promise.resolve(undefined),
    status: () =>
      isWell
        ? Promise.resolve({ id: address.replaceAll(".", ""), capacityBytes: 1, usedBytes: 0 })
        : Promise.reject(new Error("down")),
    findVolume: () => Promise.resolve(undefined),
    listVolumes: none,
    listSnapshots: none,
    lookAtHosts: () => Promise.resolve(),
    groupsOf: () => Promise.resolve(new Map()),
    tagsOf: () => Promise.resolve(new Map()),
  };
  return { array: array as unknown as StorageArray };
}

Deno.test("15.12: how old the figures and the list of an array are is a metric each", async () => {
  let now = 1_000_000;
  const fleet = new Fleet([
    entryOf("192.0.2.1", "fa", true),
    entryOf("192.0.2.2", "fb", false),
  ], { log: silentLogger, now: () => now });
  const metrics = new Metrics();
  registerFleet(metrics, fleet, () => now);
  const ages = () =>
    [...metrics.text().matchAll(/^pso_array_(look|list)_age_seconds\{array="(.+)"\} (\d+)$/gm)]
      .map(([, what, array, value]) => `${what} ${array} ${value}`);
  await fleet.refresh();
  now += 40_000;
  deepEqual(ages(), ["look fa 40", "list fa 40"]);
  await fleet.refresh();
  deepEqual(ages(), ["look fa 0", "list fa 40"], "a list is not read again");
  fleet.coolDown();
  deepEqual(ages(), ["look fa 0"]);
  await fleet.refresh();
  deepEqual(ages(), ["look fa 0", "list fa 0"]);
});

Deno.test("two arrays of one name have series and checks of their own, told apart by address", async () => {
  const fleet = new Fleet([
    entryOf("192.0.2.1", "fa", true),
    entryOf("192.0.2.2", "fa", false),
    entryOf("192.0.2.3", "fb", true),
  ], { log: silentLogger });
  await fleet.refresh();
  const metrics = new Metrics();
  const note = registerFleet(metrics, fleet);
  for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.2"]) {
    note({ array: "fa", address, method: "GET", path: "volumes", status: 200, ms: 1 });
  }
  const seriesOf = (name: string) =>
    metrics.text().split("\n").flatMap((line) => {
      const [, array, value] = new RegExp(`^${name}\\{array="([^"]*)".*\\} (\\d+)$`).exec(line) ??
        [];
      return array === undefined ? [] : [`${array} = ${value}`];
    });
  const [one, two, three] = ["fa (192.0.2.1)", "fa (192.0.2.2)", "fb"];
  deepEqual(seriesOf("pso_array_up"), [`${one} = 1`, `${two} = 0`, `${three} = 1`]);
  deepEqual(seriesOf("pso_array_refuses"), [`${one} = 0`, `${two} = 0`, `${three} = 0`]);
  deepEqual(seriesOf("pso_array_volumes"), [`${one} = 0`, `${three} = 0`]);
  deepEqual(seriesOf("pso_rest_request_seconds_count"), [`${one} = 1`, `${two} = 2`]);
  match(metrics.text(), /^pso_arrays_configured 3$/m);
  deepEqual(arrayReadiness(fleet).map(({ name, ok }) => [name, ok]), [
    [one, true],
    [two, false],
    [three, true],
  ]);
});
