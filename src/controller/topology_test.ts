import { deepEqual, equal } from "node:assert/strict";
import { accessibleTopologyOf, namesPlace, preferenceRank, topologyFault } from "./topology.ts";

const ZONE = "topology.purestorage.com/zone";

Deno.test("accessibleTopologyOf() is the array's topology labels, and empty without any", () => {
  deepEqual(accessibleTopologyOf({ [ZONE]: "a", tier: "gold" }, []), [{ [ZONE]: "a" }]);
  deepEqual(accessibleTopologyOf({ tier: "gold" }, []), []);
  deepEqual(accessibleTopologyOf({ tier: "gold", [ZONE]: "" }, ["tier"]), [{ tier: "gold" }]);
});

Deno.test("preferenceRank() is the place of the first preferred topology that is served, after all when none is", () => {
  const requirement = { requisite: [], preferred: [{ [ZONE]: "a" }, { [ZONE]: "b" }] };
  equal(preferenceRank({ [ZONE]: "b" }, requirement), 1);
  equal(preferenceRank({ [ZONE]: "c" }, requirement), 2);
  equal(preferenceRank({}, requirement), 0);
  equal(preferenceRank({}, undefined), 0);
});

Deno.test("a label of the key list binds only arrays that have it, one of PSO's prefix all that have any", () => {
  const cloud = "topology.kubernetes.io/zone";
  const asked = (term: Record<string, string>) => ({
    requisite: [term],
    preferred: [],
    labelKeys: [cloud],
  });
  const node = { [cloud]: "z1", [ZONE]: "a", "kubernetes.io/os": "linux" };
  const cases: [Record<string, string>, string | undefined][] = [
    [{}, undefined],
    [{ [cloud]: "z1" }, undefined],
    [{ [cloud]: "z2" }, `is not labelled ${cloud}=z1`],
    [{ [ZONE]: "a" }, undefined],
    [{ [ZONE]: "a", [cloud]: "z2" }, `is not labelled ${cloud}=z1`],
    [{ "topology.purestorage.com/rack": "1", [cloud]: "z1" }, `is not labelled ${ZONE}=a`],
    [{ "kubernetes.io/os": "other" }, undefined],
  ];
  for (const [labels, fault] of cases) equal(topologyFault(labels, asked(node)), fault);
  const withoutList = { ...asked(node), labelKeys: [] };
  equal(topologyFault({ [cloud]: "z2" }, withoutList), undefined);
  deepEqual([namesPlace(asked({ [cloud]: "z1" })), namesPlace(asked({ os: "x" }))], [true, false]);
  equal(namesPlace(undefined), false);
});
