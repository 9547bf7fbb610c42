import { deepEqual, equal } from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import { HostMemory } from "./host_memory.ts";
import { HostOwner } from "./host_rules.ts";

const PORT = "2100001B32AABBA0";
const W1: NodeIdentity = {
  name: "w1",
  protocols: ["fc"],
  wwpns: [PORT.toLowerCase()],
  addresses: [],
};
const HOST = { name: "w1", wwns: [PORT] };
const OWNER = new HostOwner(W1, undefined);

Deno.test("HostMemory takes no host for changed that is listed in another spelling, or that was remembered while the list was read", () => {
  const memory = new HostMemory();
  memory.remember("w1 by fc", { node: W1, host: HOST });
  const before = memory.remembered();
  const listed = { name: "W1", wwns: ["21:00:00:1b:32:aa:bb:a0"], iqns: [] };
  deepEqual(memory.outdated(before, [listed]), []);
  deepEqual(memory.outdated(before, [{ ...listed, iqns: ["iqn.2024-01.org.example:w1"] }]), before);
  deepEqual(memory.outdated(before, []), before);
  memory.remember("w1 by fc", { node: W1, host: { ...HOST } });
  deepEqual(memory.outdated(before, []), []);
});

Deno.test("HostMemory forgets a host for every need that it served, in any spelling", () => {
  const memory = new HostMemory();
  for (const need of ["w1 by fc", "w1 by iqn"]) memory.remember(need, { node: W1, host: HOST });
  equal(memory.nameFor("w1 by iqn", OWNER), "w1");
  memory.forget("W1");
  deepEqual(["w1 by fc", "w1 by iqn"].map((need) => memory.nameFor(need, OWNER)), [
    undefined,
    undefined,
  ]);
  deepEqual([memory.nodeOf("w1"), memory.namesFor("w1")], [undefined, []]);
});

Deno.test("HostMemory gives a host to the node that it served last, and to no other", () => {
  const memory = new HostMemory();
  const w2 = { ...W1, name: "w2" };
  memory.remember("w1 by fc", { node: W1, host: HOST });
  memory.remember("w2 by fc", { node: w2, host: HOST });
  equal(memory.nameFor("w1 by fc", OWNER), undefined);
  deepEqual([memory.nodeOf("w1")?.name, memory.namesFor("w1"), memory.namesFor("w2")], [
    "w2",
    [],
    ["w1"],
  ]);
});
