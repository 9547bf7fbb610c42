import { severalError } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { decodeNodeId, type NodeIdentity } from "../../handoff.ts";
import { knowledgeOf } from "./attachments.ts";
import type { ControllerContext } from "../context.ts";
import type { UnpublishRequest } from "../requests.ts";
import { placeKey, type VolumePlace } from "../volume_locator.ts";

/**
 * ControllerUnpublishVolume. Success for a volume that no array holds, because then no node holds
 * it either. The array is asked to disconnect even when this process remembers no publish, because
 * another process may have made it.
 */
export async function unpublishVolume(
  context: ControllerContext,
  { volumeId, nodeId }: UnpublishRequest,
  signal: AbortSignal,
): Promise<void> {
  const { locator, nodes } = context;
  // A node_id of another driver may be the name of a node that this process knows.
  const node = nodeId === "" ? "all" : decodeNodeId(nodeId) ?? nodes.identitiesOf(nodeId)[0];
  if (node === undefined) return await unpublishUnknown(context, { volumeId, nodeId }, signal);
  const place = locator.placeByHandle(volumeId);
  if (place && await disconnectAt(context, { place, node }, signal)) return;
  const found = await placeHolding(context, { volumeId, node }, signal);
  if (found) await disconnectAt(context, { place: found, node }, signal);
  else forget(context, volumeId, node);
}

/** Notes that the node holds nothing that the handle may mean. */
function forget(
  { locator, published }: ControllerContext,
  volumeId: string,
  node: { name: string } | "all",
): void {
  for (const place of locator.placesByHandle(volumeId)) {
    if (node === "all") published.removeAll(placeKey(place));
    else published.remove(placeKey(place), node.name);
  }
}

/** A volume and who is to lose it. */
interface Disconnection {
  place: VolumePlace;
  node: NodeIdentity | "all";
}

/** False when the array has no live volume of that name. */
async function disconnectAt(
  context: ControllerContext,
  { place, node }: Disconnection,
  signal: AbortSignal,
): Promise<boolean> {
  const { published } = context;
  const known = knowledgeOf(context, place, node === "all" ? undefined : node);
  const isThere = await place.member.array.disconnect(place.name, node, { known, signal });
  if (node === "all") published.removeAll(placeKey(place));
  else published.remove(placeKey(place), node.name);
  return isThere;
}

/**
 * Which of the volumes that the handle may mean the node holds: the one that this process published
 * to the node, else the one whose connections show the node. `undefined` when none does;
 * `ambiguous` when several do, or when several exist and the caller names no node.
 */
async function placeHolding(
  context: ControllerContext,
  { volumeId, node }: { volumeId: string; node: NodeIdentity | "all" },
  signal: AbortSignal,
): Promise<VolumePlace | undefined> {
  const { locator, published } = context;
  const hits = await locator.findAll(volumeId, signal);
  const places = hits.map(({ member, item }) => ({ member, name: item.name }));
  if (places.length < 2) return places[0];
  if (node === "all") throw severalError("volume", hits);
  const known = places.filter((place) => published.modeOf(placeKey(place), node.name));
  if (known.length === 1) return known[0];
  const holds = await Promise.all(
    places.map((place) => {
      const known = knowledgeOf(context, place, node);
      return place.member.array.holds(place.name, node, { known, signal });
    }),
  );
  const held = hits.filter((_, index) => holds[index]);
  if (held.length > 1) throw severalError("volume", held);
  return places.find((_, index) => holds[index]);
}

/**
 * For a node_id that this driver never gave out, as after a change from another driver: it is taken
 * as a node name, as PSO 5 and 6 did. A name alone is enough only for volumes of this cluster. Where
 * no host of that name holds the volume, success is certain only if no host does; else `not_found`.
 */
async function unpublishUnknown(
  context: ControllerContext,
  { volumeId, nodeId }: UnpublishRequest,
  signal: AbortSignal,
): Promise<void> {
  const found = await context.locator.find(volumeId, signal, { hosts: true });
  if (!found) return forget(context, volumeId, { name: nodeId });
  const { member, volume } = found;
  const hosts = volume.hosts ?? [];
  if (hosts.length === 0) return;
  const place = { member, name: volume.name };
  const node: NodeIdentity = { name: nodeId, protocols: [], wwpns: [], addresses: [] };
  const known = knowledgeOf(context, place, node);
  if (await member.array.holds(volume.name, node, { known, signal })) {
    await disconnectAt(context, { place, node }, signal);
    return;
  }
  throw new PsoError(
    "not_found",
    `Cannot unpublish ${volume.name} from the unknown node ${JSON.stringify(nodeId)}: ` +
      `${hosts.join(", ")} on ${member.array.label} still holds it and may be that node; ` +
      "disconnect it on the array if it is",
  );
}
