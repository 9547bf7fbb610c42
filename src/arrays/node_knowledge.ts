import type { NodeIdentity } from "../handoff.ts";
import type { NodeKnowledge } from "./array.ts";

/** The identity of a call, and all that the node had before. */
export function identitiesOf(
  node: NodeIdentity,
  known: NodeKnowledge | undefined,
): readonly NodeIdentity[] {
  return [node, ...known?.earlier ?? []];
}
