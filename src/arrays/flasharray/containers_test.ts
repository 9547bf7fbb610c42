import { deepEqual } from "node:assert/strict";
import { containersOf } from "./containers.ts";

const HERE = "5f8a2c1e-7b3d-4e6f-9a01-b2c3d4e5f607";

type ShownPod = NonNullable<Parameters<typeof containersOf>[0]["pods"]>[number];

function stateOf(item: Omit<ShownPod, "name">) {
  return containersOf({ pods: [{ name: "P1", ...item }] }, HERE)?.pod?.get("p1");
}

Deno.test("containersOf() takes a pod of which the array says little for one that is well", () => {
  deepEqual(stateOf({}), { name: "P1" });
  deepEqual(stateOf({ promotion_status: "promoted", quota_limit: null }), { name: "P1" });
});

Deno.test("containersOf() says which pod takes no writes on its array", () => {
  const fault = "is demoted, not promoted";
  deepEqual(stateOf({ promotion_status: "demoted" }), { name: "P1", fault });
  const online = { id: "another", status: "online" };
  const here = (status: string) => stateOf({ arrays: [online, { id: HERE, status }] });
  deepEqual(here("online")?.fault, undefined);
  deepEqual(here("offline")?.fault, "is offline there");
  deepEqual(stateOf({ arrays: [{ id: "another", status: "offline" }] }), { name: "P1" });
});

Deno.test("containersOf() counts what the quota leaves, by whole sizes", () => {
  const roomOf = (space?: Record<string, number>) =>
    stateOf({ quota_limit: 1000, space })?.roomBytes;
  deepEqual(
    [
      roomOf({ used_provisioned: 400, total_provisioned: 700 }),
      roomOf({ total_provisioned: 700 }),
      roomOf({ used_provisioned: 2000 }),
      roomOf(),
    ],
    [600, 300, 0, 1000],
  );
});

Deno.test("15.11: containersOf() names the arrays of a stretched pod and of its volume groups, and none of any other", () => {
  const own = { id: HERE, name: "fa-1", status: "online" };
  deepEqual(stateOf({ arrays: [own] }), { name: "P1" });
  const arrays = [own, { id: "another", name: "fa-2", status: "resyncing" }];
  deepEqual(stateOf({ arrays }), { name: "P1", arrays });
  deepEqual(stateOf({ arrays: [own, {}] })?.arrays?.[1], { id: "", name: "", status: "unknown" });
  const shown = { pods: [{ name: "P1", arrays }], groups: [{ name: "P1::G1" }, { name: "G1" }] };
  const groups = containersOf(shown, HERE)?.["volume group"];
  deepEqual(groups?.get("p1::g1"), { name: "P1::G1", arrays });
  deepEqual(groups?.get("g1"), { name: "G1" });
});

Deno.test("containersOf() judges a volume group by the pod that it lies in", () => {
  const pods = [{ name: "P1", promotion_status: "demoted", quota_limit: 1000 }, { name: "p2" }];
  const groups = [{ name: "G1" }, { name: "P1::G1" }, { name: "p2::g1" }, { name: "p3::g1" }];
  const found = containersOf({ pods, groups }, HERE);
  deepEqual([...found?.["volume group"] ?? []], [
    ["g1", { name: "G1" }],
    ["p1::g1", { name: "P1::G1", fault: "is demoted, not promoted", roomBytes: 1000 }],
    ["p2::g1", { name: "p2::g1" }],
    ["p3::g1", { name: "p3::g1" }],
  ]);
});

Deno.test("containersOf() says nothing of what the array does not show", () => {
  deepEqual(containersOf({}, HERE), {});
  deepEqual(containersOf({ groups: [] }, HERE), { "volume group": new Map() });
});
