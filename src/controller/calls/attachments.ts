import { addressKey } from "../../net/address.ts";
import type { NodeKnowledge } from "../../arrays/array.ts";
import type { NodeIdentity } from "../../handoff.ts";
import type { ControllerContext } from "../context.ts";
import { type LocatedVolume, placeKey, type VolumePlace } from "../volume_locator.ts";

/** What of the controller's memory tells who uses a volume. */
type AttachmentMemory = Pick<ControllerContext, "nodes" | "published" | "options">;

/**
 * What this process knows of a node, or of all nodes, in front of a volume, for the array that
 * connects the two.
 */
export function knowledgeOf(
  { nodes, published, options }: AttachmentMemory,
  place: VolumePlace,
  node?: NodeIdentity,
): NodeKnowledge {
  const volume = placeKey(place);
  const name = node?.name ?? "";
  const users = published.nodesOf(volume);
  const others = users.filter((user) => user !== name);
  return {
    cluster: options().clusterId,
    earlier: nodes.identitiesOf(name),
    otherNodeWith: (initiator) => nodes.otherNodeWith(initiator, name),
    isNodeAddress: (client) => {
      const { ever, now } = nodes.nodesBehind(client);
      return now.length > 0 || ever.some((user) => users.includes(user));
    },
    otherUsers: others.flatMap((name) => nodes.identitiesOf(name)[0] ?? []),
    isRepeat: published.isExclusive(volume, name),
  };
}

/**
 * Names of the nodes that a host object or an export rule of the volume stands for. An address
 * proves nothing by itself, because DHCP gives it to another machine later: where it has changed
 * hands, the rule may be one that the former node left, and only those nodes count that this process
 * published the volume to.
 */
export function nodesBehindRule(
  { nodes, published }: AttachmentMemory,
  place: VolumePlace,
  client: string,
): string[] {
  const byHost = place.member.array.nodeOf(client);
  if (byHost !== undefined) return [byHost.name];
  const { ever, now } = nodes.nodesBehind(client);
  const users = new Set(published.nodesOf(placeKey(place)));
  const using = ever.filter((name) => users.has(name));
  return using.length > 0 || ever.length > now.length ? using : now;
}

/**
 * The node_ids that a volume is published to. What the array shows counts, in the names that this
 * process connected nodes by; a client that stands for no node, or for several of which none is
 * known to have the volume, stands for itself. Nodes that an administrator's rules let in are not
 * to be seen there: those that this process published the volume to are added.
 */
export function publishedNodeIds(
  memory: AttachmentMemory,
  { member, volume }: LocatedVolume,
): string[] {
  const { nodes, published } = memory;
  const place = { member, name: volume.name };
  const users = new Set(published.nodesOf(placeKey(place)));
  const idOf = (name: string) => nodes.nodeIdOf(name) ?? name;
  const shown = (volume.hosts ?? []).flatMap((client) => {
    const behind = nodesBehindRule(memory, place, client);
    const isCertain = behind.length === 1 || behind.some((name) => users.has(name));
    return isCertain ? behind.map(idOf) : [client];
  });
  const { adminClients = [] } = volume;
  const isLetIn = (name: string) =>
    adminClients === "any" ||
    nodes.identitiesOf(name)[0]?.addresses.some((address) =>
      adminClients.some((client) => addressKey(client) === addressKey(address))
    );
  return [...new Set([...shown, ...[...users].filter(isLetIn).map(idOf)])];
}
