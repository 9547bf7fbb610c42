import { rejects } from "node:assert/strict";
import { encodeNodeId, type NodeIdentity } from "../../handoff.ts";
import { ClusterView } from "./cluster_view.ts";
import { NodeRegistry } from "./node_registry.ts";
import { awaitRegisteredAs } from "./registered_node.ts";

function nodeId(name: string, iqn = `iqn.2024-01.org.example:${name}`): string {
  const node: NodeIdentity = { name, protocols: ["iscsi"], iqn, wwpns: [], addresses: [] };
  return encodeNodeId(node);
}

const N1 = { what: "publish to", nodeId: nodeId("n1"), name: "n1" } as const;
/** What a broken-into node n2 writes to be taken for n1. */
const STOLEN = { ...N1, nodeId: nodeId("n1", "iqn.2024-01.org.example:n2") };

function viewOf() {
  const fleet = {
    memberByHint: () => undefined,
    isPrefix: () => false,
    namesakesOf: () => [],
  };
  const view = new ClusterView({ fleet, nodes: new NodeRegistry() });
  return { view, nodes: view.follow().nodes };
}

function soon(): AbortSignal {
  return AbortSignal.timeout(10_000);
}

Deno.test("a node_id is believed where nobody tells of CSINodes", async () => {
  await awaitRegisteredAs(viewOf().view, STOLEN, soon());
});

Deno.test("a node_id is believed that its CSINode has", async () => {
  const { view, nodes } = viewOf();
  nodes.put({ name: "n1", nodeId: N1.nodeId });
  await awaitRegisteredAs(view, N1, soon());
});

Deno.test("a node_id other than that of its CSINode is refused, and the message has both", async () => {
  const { view, nodes } = viewOf();
  nodes.put({ name: "n1", nodeId: N1.nodeId });
  await rejects(awaitRegisteredAs(view, STOLEN, soon()), (error: Error & { code?: string }) => {
    const both = [N1.nodeId, STOLEN.nodeId].map((id) => JSON.stringify(id));
    return error.code === "unavailable" && both.every((id) => error.message.includes(id));
  });
});

Deno.test("a node_id that another CSINode has is refused while its own is missing", async () => {
  const { view, nodes } = viewOf();
  nodes.put({ name: "n2", nodeId: STOLEN.nodeId });
  await rejects(awaitRegisteredAs(view, STOLEN, soon()), {
    code: "unavailable",
    message: /of this name is that of CSINode n2/,
  });
});

Deno.test("a CSINode that a roll of the node plugin took away refuses nothing", async () => {
  const { view, nodes } = viewOf();
  nodes.put({ name: "n1", nodeId: N1.nodeId });
  nodes.put({ name: "n2", nodeId: nodeId("n2") });
  nodes.remove("n1");
  await awaitRegisteredAs(view, N1, soon());
  await awaitRegisteredAs(
    view,
    { ...N1, nodeId: nodeId("n1", "iqn.2024-01.org.example:new") },
    soon(),
  );
});

Deno.test("CSINodes that cannot be read any more refuse nothing: what was read may be old", async () => {
  const { view, nodes } = viewOf();
  nodes.put({ name: "n1", nodeId: N1.nodeId });
  nodes.trouble("no answer");
  await awaitRegisteredAs(view, STOLEN, soon());
});

Deno.test("a CSINode that the watch tells a moment later is waited for", async () => {
  const { view, nodes } = viewOf();
  nodes.put({ name: "n1", nodeId: nodeId("n1", "iqn.2024-01.org.example:old") });
  const waiting = awaitRegisteredAs(view, N1, soon());
  nodes.put({ name: "n1", nodeId: N1.nodeId });
  await waiting;
});
