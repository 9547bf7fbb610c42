import { PsoError } from "../../errors.ts";
import type { ClusterView } from "./cluster_view.ts";

/** A CSINode that was just written is told by the watch within this time. */
const LAG_MS = 3_000;

/** A node_id that a call gives, and the name of the node in it. */
interface GivenNode {
  /** Completes "Cannot …" together with the node: `publish to`. */
  what: "publish to" | "unpublish from";
  nodeId: string;
  name: string;
}

/**
 * Resolves when no CSINode contradicts the node_id: also for a node without a CSINode, as while its
 * node plugin restarts, and at once where there is no Kubernetes. `unavailable`, naming both ids,
 * when the CSINode of its name has another one, or when another node is registered with this one:
 * kubelet alone writes a CSINode, and who broke into one node could else have volumes published in
 * the name of another, or keep one while another is said to have lost it.
 */
export async function awaitRegisteredAs(
  cluster: ClusterView,
  { what, nodeId, name }: GivenNode,
  signal: AbortSignal,
): Promise<void> {
  if (cluster.registrationAgainst({ nodeId, name }) === undefined) return;
  const isSettled = () => cluster.registrationAgainst({ nodeId, name }) === undefined;
  if (await cluster.waitFor(isSettled, { ms: LAG_MS, signal })) return;
  const found = cluster.registrationAgainst({ nodeId, name });
  if (found === undefined) return;
  if (found.name === name) {
    throw new PsoError(
      "unavailable",
      `Cannot ${what} node ${name}: the call gives it the node_id ${shown(nodeId)}, and its ` +
        `CSINode has ${shown(found.nodeId)}; this is tried again by itself, because the CSINode ` +
        "may just be changing; if it stays so, find the CSINode that has the first one and " +
        "restart the node plugin of that node",
    );
  }
  throw new PsoError(
    "unavailable",
    `Cannot ${what} node ${name}: the node_id ${shown(nodeId)} of this name is that of CSINode ` +
      `${found.name}; restart the node plugin of ${found.name}; if it stays so, somebody there ` +
      `wants volumes in the name of ${name}`,
  );
}

function shown(nodeId: string): string {
  return JSON.stringify(nodeId.slice(0, 256));
}
