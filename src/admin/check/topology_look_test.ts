import { deepEqual } from "node:assert/strict";
import { FoundList } from "./found.ts";
import type { NodeFacts } from "./node_look.ts";
import { tellTopology } from "./topology_look.ts";

/** A node that is registered unless its name says else, with labels of these keys. */
function node(name: string, ...topologyKeys: string[]): NodeFacts {
  return {
    name,
    registered: !name.startsWith("control"),
    podReady: true,
    topologyKeys,
    newKeys: [],
  };
}

const RACK = "topology.purestorage.com/rack";
const ZONE = "topology.kubernetes.io/zone";

const CASES: [string, NodeFacts[], string[]][] = [
  ["no node at all", [], []],
  ["the labels of all nodes", [node("a", RACK), node("b", RACK)], [
    `ok labels of a, b: ${RACK}`,
  ]],
  ["that no node has one, and how to label one", [node("a"), node("b")], [
    "fail storagetopology.enable is on, and no node has a label that counts " +
    `(topology.purestorage.com/…, ${ZONE}): csi-provisioner makes no volume at all -> ` +
    `label every node, then restart its pods: kubectl label node a ${RACK}=22; ` +
    "kubectl -n pso rollout restart daemonset pure-csi",
  ]],
  ["that only nodes without the driver have one", [node("control-1", RACK), node("b")], [
    "fail storagetopology.enable is on, and no node has a label that counts " +
    `(topology.purestorage.com/…, ${ZONE}): csi-provisioner makes no volume at all -> ` +
    `label every node, then restart its pods: kubectl label node b ${RACK}=22; ` +
    "kubectl -n pso rollout restart daemonset pure-csi",
  ]],
  ["nodes without the labels that others have", [node("a", RACK), node("b"), node("c")], [
    "warn b, c of 3 nodes have no label that counts, and no new volume is reached from there -> " +
    `label them as the others, then restart the pods: kubectl label node b ${RACK}=22; ` +
    "kubectl -n pso rollout restart daemonset pure-csi",
    `ok labels of a: ${RACK}`,
  ]],
  ["nodes with different keys", [node("a", RACK), node("b", ZONE), node("c", RACK)], [
    `warn nodes have labels with different keys (a, c: ${RACK}; b: ${ZONE}): csi-provisioner takes ` +
    "those of one node and leaves out nodes that lack any of them -> give all nodes the same keys",
  ]],
];

for (const [what, nodes, wanted] of CASES) {
  Deno.test(`tellTopology() tells ${what}`, () => {
    const found = new FoundList("cluster c");
    tellTopology(nodes, { found, namespace: "pso", keys: [ZONE], example: `${RACK}=22` });
    deepEqual(
      found.all.map(({ level, what, fix }) => `${level} ${what}${fix ? ` -> ${fix}` : ""}`),
      wanted,
    );
  });
}
