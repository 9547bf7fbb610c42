import { deepEqual, equal, throws } from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import { NodeRegistry } from "./node_registry.ts";

function node(name: string, change: Partial<NodeIdentity> = {}): NodeIdentity {
  return {
    name,
    protocols: ["iscsi"],
    iqn: `iqn.2024-01.org.example:${name}`,
    wwpns: [],
    addresses: [],
    ...change,
  };
}

Deno.test("NodeRegistry knows all nodes that share an address, in any spelling", () => {
  const registry = new NodeRegistry();
  registry.learn("id-a", node("a", { addresses: ["10.0.0.1", "fd00::1"] }));
  registry.learn("id-b", node("b", { addresses: ["10.0.0.1"] }));
  deepEqual(registry.nodesBehind("10.0.0.1").now, ["a", "b"]);
  deepEqual(registry.nodesBehind("FD00:0::1").now, ["a"]);
  deepEqual(registry.nodesBehind("10.0.0.9").ever, []);
});

Deno.test("NodeRegistry keeps what a node was before it was set up anew, each identity once", () => {
  const registry = new NodeRegistry();
  const old = node("a", { addresses: ["10.0.0.1"] });
  const now = node("a", { iqn: "iqn.2024-01.org.example:other", addresses: ["10.0.0.2"] });
  for (const [id, one] of [["old", old], ["new", now], ["new", now]] as const) {
    registry.learn(id, one);
  }
  equal(registry.nodeIdOf("a"), "new");
  deepEqual(registry.identitiesOf("a"), [now, old]);
  deepEqual(registry.nodesBehind("10.0.0.1"), { ever: ["a"], now: [] });
});

Deno.test("NodeRegistry.otherNodeWith() names the node that has an initiator, in the array's spelling", () => {
  const registry = new NodeRegistry();
  registry.learn("id-a", node("a", { wwpns: ["2100f4c7aa002706"] }));
  for (const wwn of ["2100F4C7AA002706", "21:00:F4:C7:AA:00:27:06"]) {
    equal(registry.otherNodeWith(wwn, "b"), "a");
  }
  equal(registry.otherNodeWith("2100F4C7AA002706", "a"), undefined);
  equal(registry.otherNodeWith("2100F4C7AA002707", "b"), undefined);
});

const SHARED: Partial<NodeIdentity>[] = [
  { iqn: "iqn.2024-01.org.example:clone" },
  { nqn: "nqn.2014-08.org.nvmexpress:uuid:1" },
  { wwpns: ["2100f4c7aa002706"] },
];
for (const shared of SHARED) {
  Deno.test(`NodeRegistry.learn() refuses two nodes with one ${Object.keys(shared)[0]}, naming both`, () => {
    const registry = new NodeRegistry();
    registry.learn("id-a", node("a", shared));
    registry.learn("id-a", node("a", shared));
    throws(() => registry.learn("id-b", node("b", shared)), {
      code: "in_use",
      message: /nodes a and b both have the initiator name/,
    });
    equal(registry.nodeIdOf("b"), undefined);
  });
}

Deno.test("NodeRegistry.learn() gives the initiators of a node that is gone to another one after an hour", () => {
  let now = 0;
  const registry = new NodeRegistry(() => now);
  registry.learn("id-a", node("a", { iqn: "iqn.x:1" }));
  now = 59 * 60 * 1000;
  throws(() => registry.learn("id-b", node("b", { iqn: "IQN.x:1" })), { code: "in_use" });
  now = 61 * 60 * 1000;
  registry.learn("id-b", node("b", { iqn: "IQN.x:1" }));
  throws(() => registry.learn("id-a", node("a", { iqn: "iqn.x:1" })), { code: "in_use" });
});

Deno.test("NodeRegistry refuses both of two nodes that are registered with one initiator", () => {
  const registry = new NodeRegistry();
  for (const name of ["a", "b"]) registry.register(`id-${name}`, node(name, { iqn: "iqn.x:1" }));
  for (const [name, other] of [["a", "b"], ["b", "a"]] as const) {
    throws(() => registry.learn(`id-${name}`, node(name, { iqn: "IQN.x:1" })), {
      code: "in_use",
      message: new RegExp(`nodes ${other} and ${name} both have the initiator name`),
    });
  }
  registry.register("id-b2", node("b", { iqn: "iqn.x:2" }));
  registry.learn("id-a", node("a", { iqn: "iqn.x:1" }));
});

Deno.test("NodeRegistry takes nothing from a node that is not registered for a while", () => {
  let now = 0;
  const registry = new NodeRegistry(() => now);
  const a = node("a", { iqn: "iqn.x:1", addresses: ["10.0.0.1"] });
  registry.register("id-a", a);
  registry.unregister("a");
  equal(registry.nodeIdOf("a"), "id-a");
  deepEqual(registry.identitiesOf("a"), [a]);
  deepEqual(registry.nodesBehind("10.0.0.1").now, ["a"]);
  equal(registry.otherNodeWith("iqn.x:1", "b"), "a");
  now = 59 * 60 * 1000;
  throws(() => registry.learn("id-b", node("b", { iqn: "iqn.x:1" })), { code: "in_use" });
  now = 61 * 60 * 1000;
  registry.learn("id-b", node("b", { iqn: "iqn.x:1" }));
  deepEqual(registry.nodesBehind("10.0.0.1").now, ["a"]);
});

Deno.test("NodeRegistry keeps what a node was registered with before", () => {
  const registry = new NodeRegistry();
  const before = node("a", { addresses: ["10.0.0.1"] });
  const after = node("a", { addresses: ["10.0.0.2"] });
  registry.register("before", before);
  registry.register("after", after);
  equal(registry.nodeIdOf("a"), "after");
  deepEqual(registry.identitiesOf("a"), [after, before]);
});
