import { deepEqual, equal } from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import type { FleetMember } from "../fleet_member.ts";
import type { PodArray } from "./container_state.ts";
import { partnersOf, stretchOf } from "./stretch.ts";

const ONE: PodArray = { id: "a", name: "fa-1", status: "online" };
const OTHER: PodArray = { id: "b", name: "fa-2", status: "online" };

/** An array as the fleet sees it, which says that `p1` is stretched over these arrays. */
function member(id: string | undefined, arrays?: PodArray[], change: Partial<FleetMember> = {}) {
  const containers = { pod: new Map([["p1", { name: "p1", ...(arrays ? { arrays } : {}) }]]) };
  const array = { kind: "block", label: `array ${id}` };
  return { id, array, status: id && { id, containers }, twin: false, ...change } as FleetMember;
}

function idsOf(members: readonly FleetMember[], name = "p1::v") {
  const [place] = members;
  const stretch = place && stretchOf({ members }, { member: place, name });
  return stretch && {
    members: stretch.members.map(({ id }) => id),
    strangers: stretch.strangers,
    unidentified: stretch.unidentified.length,
  };
}

Deno.test("15.11: stretchOf() finds every array that has the volume", () => {
  const both = [member("b", [ONE, OTHER]), member("a", [ONE, OTHER]), member("c")];
  deepEqual(idsOf(both), { members: ["a", "b"], strangers: [], unidentified: 0 });
  equal(idsOf(both, "v"), undefined);
  equal(idsOf(both, "p2::v"), undefined);
  deepEqual(idsOf(both, "P1::g/v")?.members, ["a", "b"]);
  equal(idsOf([member("c"), ...both]), undefined);
});

Deno.test("15.11: stretchOf() takes the word of either array, also of one that says it no more", () => {
  deepEqual(idsOf([member("a"), member("b", [ONE, OTHER])])?.members, ["a", "b"]);
  deepEqual(idsOf([member("a", [ONE, OTHER]), member("b")])?.members, ["a", "b"]);
});

Deno.test("15.11: stretchOf() says which arrays of the pod cannot be asked", () => {
  const home = member("a", [ONE, OTHER]);
  deepEqual(idsOf([home]), { members: ["a"], strangers: ["fa-2"], unidentified: 0 });
  deepEqual(idsOf([home, member(undefined)]), {
    members: ["a"],
    strangers: ["fa-2"],
    unidentified: 1,
  });
  deepEqual(idsOf([home, member("b", [ONE, OTHER], { twin: true })])?.members, ["a"]);
  deepEqual(idsOf([home, member(undefined, undefined, { joining: true })])?.unidentified, 0);
  const problem = new PsoError("unavailable", "it does not answer");
  const left = (change: Partial<FleetMember>) =>
    idsOf([home, member("b", [ONE, OTHER], { draining: true, ...change })])?.members;
  deepEqual([left({}), left({ problem })], [["a", "b"], ["a"]]);
});

Deno.test("15.11: stretchOf() waits for no array whose entry was taken out", () => {
  const problem = new PsoError("unavailable", "it does not answer");
  const gone = member("a", [ONE, OTHER], { draining: true, problem });
  const expected = { members: ["b"], strangers: ["fa-1"], unidentified: 0 };
  deepEqual(idsOf([gone, member("b")]), expected);
  equal(idsOf([gone, member("b", [ONE, OTHER], { draining: true, problem })]), undefined);
});

Deno.test("15.11: partnersOf() gives the arrays that share the pod or did", () => {
  const [home, other, alone] = [member("a"), member("b", [ONE, OTHER]), member("c")];
  const members = [home, other, alone];
  const none = { now: [], before: [] };
  deepEqual(partnersOf({ members }, { member: home, name: "p1::v" }), { now: [other], before: [] });
  deepEqual(partnersOf({ members }, { member: alone, name: "p1::v" }), none);
  deepEqual(partnersOf({ members }, { member: home, name: "v" }), none);
  const silent = member("a", [ONE, OTHER]);
  const left = member("b");
  const both = { members: [silent, left, alone] };
  const before = { now: [], before: [left] };
  deepEqual(partnersOf(both, { member: silent, name: "p1::v" }), before);
  // An array that has lost the pod itself tells nothing of it.
  const empty = { ...left, status: { ...left.status, containers: {} } } as FleetMember;
  deepEqual(
    partnersOf({ members: [silent, empty] }, { member: silent, name: "p1::v" }),
    none,
  );
});
