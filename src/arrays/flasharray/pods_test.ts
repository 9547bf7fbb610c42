import { deepEqual } from "node:assert/strict";
import { podStatesOf } from "./pods.ts";

const HERE = "5f8a2c1e-7b3d-4e6f-9a01-b2c3d4e5f607";

function stateOf(item: Omit<Parameters<typeof podStatesOf>[0][number], "name">) {
  return podStatesOf([{ name: "P1", ...item }], HERE).get("p1");
}

Deno.test("podStatesOf() takes a pod of which the array says little for one that is well", () => {
  deepEqual(stateOf({}), { name: "P1" });
  deepEqual(stateOf({ promotion_status: "promoted", quota_limit: null }), { name: "P1" });
});

Deno.test("podStatesOf() says which pod takes no writes on its array", () => {
  const fault = "is demoted, not promoted";
  deepEqual(stateOf({ promotion_status: "demoted" }), { name: "P1", fault });
  const online = { id: "another", status: "online" };
  const here = (status: string) => stateOf({ arrays: [online, { id: HERE, status }] });
  deepEqual(here("online")?.fault, undefined);
  deepEqual(here("offline")?.fault, "is offline there");
  deepEqual(stateOf({ arrays: [{ id: "another", status: "offline" }] }), { name: "P1" });
});

Deno.test("podStatesOf() counts what the quota leaves, by whole sizes", () => {
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

Deno.test("15.11: podStatesOf() names the arrays of a stretched pod, and none of any other", () => {
  const own = { id: HERE, name: "fa-1", status: "online" };
  deepEqual(stateOf({ arrays: [own] }), { name: "P1" });
  const arrays = [own, { id: "another", name: "fa-2", status: "resyncing" }];
  deepEqual(stateOf({ arrays }), { name: "P1", arrays });
  deepEqual(stateOf({ arrays: [own, {}] })?.arrays?.[1], { id: "", name: "", status: "unknown" });
});
