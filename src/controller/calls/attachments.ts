import { addressKey } from "../../net/address.ts";
import type { NodeKnowledge } from "../../arrays/array.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { nameKey } from "../../names.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import type { HostNodes } from "../attachments/host_nodes.ts";
import type { ControllerContext } from "../context.ts";
import { type LocatedVolume, placeKey, type VolumePlace } from "../volume_locator.ts";

/** What of the controller's memory tells who uses a volume. */
type AttachmentMemory = Pick<ControllerContext, "nodes" | "published" | "options" | "cluster">;

/** Names of the nodes that have the volume by our own publish, or need it by Kubernetes. */
export function usersOf(
  { published, cluster }: Pick<ControllerContext, "published" | "cluster">,
  place: MeantPlace,
): string[] {
  return [...new Set([...published.nodesOf(placeKey(place)), ...cluster.usersOf(place)])];
}

/**
 * Names of the nodes that surely have the volume, by our own publish or by Kubernetes: none while a
 * publish or an unpublish of it is under way.
 */
export function surelyOn(
  { published, cluster }: Pick<ControllerContext, "published" | "cluster">,
  place: VolumePlace,
): string[] {
  const volume = placeKey(place);
  if (published.isChanging(volume)) return [];
  return [...new Set([...published.surelyOn(volume), ...cluster.nodesOf(place)])];
}

/**
 * What is known of a node, or of all nodes, in front of a volume, for the array that connects the
 * two: by this process's own publishes, and by Kubernetes, which outlives it.
 */
export function knowledgeOf(
  memory: AttachmentMemory,
  place: MeantPlace,
  node?: NodeIdentity,
): NodeKnowledge {
  const { nodes, published, options, cluster } = memory;
  const volume = placeKey(place);
  const name = node?.name ?? "";
  const users = usersOf(memory, place);
  const others = users.filter((user) => user !== name);
  return {
    cluster: options().clusterId,
    earlier: [...nodes.identitiesOf(name), ...cluster.identitiesOn(place, name)],
    otherNodeWith: (initiator) => nodes.otherNodeWith(initiator, name),
    isNodeAddress: (client) => {
      const { ever, now } = nodes.nodesBehind(client);
      return now.length > 0 || ever.some((user) => users.includes(user));
    },
    otherUsers: others.flatMap((name) => [
      ...nodes.identitiesOf(name).slice(0, 1),
      ...cluster.identitiesOn(place, name),
    ]),
    isRepeat: published.isExclusive(volume, name),
  };
}

/**
 * Names of the nodes that a host object or an export rule of the volume stands for. An address
 * proves nothing by itself, because DHCP gives it to another machine later: where it has changed
 * hands, the rule may be one that the former node left, and only those nodes count that use the
 * volume.
 */
export function nodesBehindRule(
  memory: AttachmentMemory,
  place: VolumePlace,
  client: string,
): string[] {
  const { nodes } = memory;
  const byHost = place.member.array.nodeOf(client);
  if (byHost !== undefined) return [byHost.name];
  const { ever, now } = nodes.nodesBehind(client);
  const users = new Set(usersOf(memory, place));
  const using = ever.filter((name) => users.has(name));
  return using.length > 0 || ever.length > now.length ? using : now;
}

/** A volume as its array shows it, and the nodes that its host objects are. */
interface ShownVolume extends LocatedVolume {
  /** Absent: only those that this process connected are known. */
  hostNodes?: HostNodes;
}

/**
 * The node_ids that a volume is published to. What the array shows counts, in the names that this
 * process connected nodes by, or that their initiators tell; a client that stands for no node, or
 * for several of which none is known to have the volume, stands for itself. Nodes that an
 * administrator's rules let in are not to be seen there: those that have the volume published are
 * added.
 */
export function publishedNodeIds(
  memory: AttachmentMemory,
  { member, volume, hostNodes }: ShownVolume,
): string[] {
  const { nodes, published, cluster } = memory;
  const place = { member, name: volume.name };
  const users = new Set([...published.nodesOf(placeKey(place)), ...cluster.nodesOf(place)]);
  const idOf = (name: string) => nodes.nodeIdOf(name) ?? name;
  const shown = (volume.hosts ?? []).flatMap((client) => {
    const byHost = hostNodes?.get(nameKey(client));
    const known = nodesBehindRule(memory, place, client);
    const behind = known.length === 0 && byHost !== undefined ? [byHost] : known;
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
