import { deepEqual, equal, throws } from "node:assert/strict";
import type { StorageArray } from "../arrays/array.ts";
import { Fleet } from "../arrays/fleet.ts";
import { isPsoError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { memberArrays } from "./calls/placing.ts";
import { RecentPlacements } from "./placement/recent_placements.ts";
import { VolumeLocator } from "./volume_locator.ts";

const ID = "2dcf29ad-6465-4b8c-9b6b-1f0b0d5c7a11";

function arrayAt(address: string, key: string): { array: StorageArray } {
  const none = () => Promise.resolve({ items: [] });
  const array = {
    label: address,
    configuredName: address,
    kind: "block",
    address,
    serverKey: () => Promise.resolve(key),
    status: () => Promise.resolve({ id: ID }),
    listVolumes: none,
    listSnapshots: none,
  };
  return { array: array as unknown as StorageArray };
}

Deno.test("lists and placement see an array once that has two entries", async () => {
  const fleet = new Fleet([arrayAt("fa-1", "k1"), arrayAt("10.0.0.1", "k1")], {
    log: silentLogger,
  });
  await fleet.refresh();
  const addresses = (members: { member: { array: StorageArray } }[]) =>
    members.map(({ member }) => member.array.address);
  deepEqual(addresses(new VolumeLocator(fleet).listOrder()), ["fa-1"]);
  deepEqual(addresses(memberArrays({ fleet, recent: new RecentPlacements() })), ["fa-1"]);
});

Deno.test("lists are refused, and placement passes by, while two arrays claim one id", async () => {
  const fleet = new Fleet([arrayAt("fa-1", "k1"), arrayAt("10.0.0.1", "k2")], {
    log: silentLogger,
  });
  for (let round = 0; round < 2; round++) {
    await fleet.refresh();
    throws(
      () => new VolumeLocator(fleet).listOrder(),
      (error) => isPsoError(error, "unavailable") && /their TLS keys differ/.test(error.message),
    );
    const arrays = memberArrays({ fleet, recent: new RecentPlacements() });
    equal(arrays.filter(({ problem }) => problem === undefined).length, 0);
  }
});
