import type { Volume } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { nameKey } from "../../names.ts";
import type { ControllerContext } from "../context.ts";

/** Host object, in lower case → the node that it is. */
export type HostNodes = ReadonlyMap<string, string>;

/** Volumes of one array as it shows them, with their hosts. */
interface ShownVolumes {
  member: FleetMember;
  volumes: readonly Volume[];
}

/**
 * Which nodes the host objects are by which another process connected volumes that nodes have by
 * Kubernetes: those whose every initiator is one node's. By a name alone a host proves nothing, and
 * one that holds more must be looked at by the node's next publish. One list call, or none when
 * this process connected all of them.
 */
export async function nodesOfHosts(
  { nodes, cluster }: Pick<ControllerContext, "nodes" | "cluster">,
  { member, volumes }: ShownVolumes,
  signal: AbortSignal,
): Promise<HostNodes> {
  const { array } = member;
  const isOpen = array.kind === "block" &&
    volumes.some(({ name, hosts = [] }) =>
      hosts.some((host) => array.nodeOf(host) === undefined) &&
      cluster.nodesOf({ member, name }).length > 0
    );
  if (!isOpen) return new Map();
  const found = new Map<string, string>();
  for (const { name, initiators } of await array.listHosts(signal)) {
    const behind = new Set(initiators.map((initiator) => nodes.otherNodeWith(initiator, "")));
    const [node] = behind;
    if (behind.size === 1 && node !== undefined) found.set(nameKey(name), node);
  }
  return found;
}
