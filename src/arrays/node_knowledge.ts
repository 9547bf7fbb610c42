import type { NodeIdentity } from "../handoff.ts";
import type { NodeKnowledge } from "./array.ts";

/**
 * Whether the name of a volume says that this cluster made it: it begins with the cluster's prefix,
 * after the pod (`pod::name`) or volume group (`group/name`) that an administrator moved it into.
 */
export function isNamedBy(cluster: string | undefined, volume: string): boolean {
  if (cluster === undefined || cluster === "") return false;
  const name = volume.split(/::|\//).at(-1) ?? "";
  return name.toLowerCase().startsWith(`${cluster.toLowerCase()}-`);
}

/** The identity of a call, and all that the node had before. */
export function identitiesOf(
  node: NodeIdentity,
  known: NodeKnowledge | undefined,
): readonly NodeIdentity[] {
  return [node, ...known?.earlier ?? []];
}
