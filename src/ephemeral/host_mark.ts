import { createHash } from "node:crypto";
import { decodeNodeId } from "../handoff.ts";

/** Hex digits of a mark: one change of a node in 16 million has the mark of before. */
const MARK_DIGITS = 6;

/**
 * What a status keeps of a node_id: enough to see that the node has other initiators or addresses
 * now, and too little to find out which. Each node may read what is published to the others.
 */
export function hostMarkOf(nodeId: string): string {
  const { name, iqn = "", nqn = "", wwpns = [], addresses = [] } = decodeNodeId(nodeId) ?? {};
  const hash = createHash("sha256").update(JSON.stringify([name, iqn, nqn, wwpns, addresses]));
  return hash.digest("hex").slice(0, MARK_DIGITS);
}
