import { deepEqual, throws } from "node:assert/strict";
import type { NodeIdentity } from "../handoff.ts";
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

Deno.test("NodeRegistry.nodeIdsOf() turns hosts and client addresses into node_ids, each once", () => {
  const registry = new NodeRegistry();
  registry.learn("id-a", node("A.example.org", { addresses: ["10.0.0.1", "fd00::1"] }));
  deepEqual(registry.nodeIdsOf(["a-example-org"]), ["id-a"]);
  deepEqual(registry.nodeIdsOf(["10.0.0.1", "fd00::1", "10.0.0.9"]), ["id-a", "10.0.0.9"]);
});

Deno.test("NodeRegistry.learn() takes a new node_id of a node that was set up anew", () => {
  const registry = new NodeRegistry();
  registry.learn("old", node("a"));
  registry.learn("new", node("a", { iqn: "iqn.2024-01.org.example:other" }));
  deepEqual(registry.nodeIdsOf(["a"]), ["new"]);
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
    deepEqual(registry.nodeIdsOf(["b"]), ["b"]);
  });
}

Deno.test("NodeRegistry.learn() gives the initiators of a node that is gone to another one after an hour", () => {
  let now = 0;
  const registry = new NodeRegistry(() => now);
  registry.learn("id-a", node("a", { iqn: "iqn.x:1" }));
  now = 61 * 60 * 1000;
  registry.learn("id-b", node("b", { iqn: "IQN.x:1" }));
  throws(() => registry.learn("id-a", node("a", { iqn: "iqn.x:1" })), { code: "in_use" });
});
