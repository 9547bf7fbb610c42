import { deepEqual, equal } from "node:assert/strict";
import { accessibleTopologyOf, preferenceRank } from "./topology.ts";

const ZONE = "topology.purestorage.com/zone";

Deno.test("accessibleTopologyOf() is the array's topology labels, and empty without any", () => {
  deepEqual(accessibleTopologyOf({ [ZONE]: "a", tier: "gold" }), [{ [ZONE]: "a" }]);
  deepEqual(accessibleTopologyOf({ tier: "gold" }), []);
});

Deno.test("preferenceRank() is the place of the first preferred topology that is served, after all when none is", () => {
  const requirement = { requisite: [], preferred: [{ [ZONE]: "a" }, { [ZONE]: "b" }] };
  equal(preferenceRank({ [ZONE]: "b" }, requirement), 1);
  equal(preferenceRank({ [ZONE]: "c" }, requirement), 2);
  equal(preferenceRank({}, requirement), 0);
  equal(preferenceRank({}, undefined), 0);
});
