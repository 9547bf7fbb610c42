import type { Volume } from "../../arrays/array.ts";
import { handlesText, type Hit, isIdentityProblem, severalError } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { decodeNodeId, type NodeIdentity } from "../../handoff.ts";
import { onAllSides } from "../stretched/both_arrays.ts";
import { allPlaces, knowledgeOfAll } from "../stretched/places.ts";
import { awaitNoUserAnywhere } from "../stretched/without.ts";
import { knowledgeOf } from "./attachments.ts";
import { awaitRegisteredAs } from "../attachments/registered_node.ts";
import type { ControllerContext } from "../context.ts";
import { nameKey } from "../../names.ts";
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
  const given = nodeId === "" ? undefined : decodeNodeId(nodeId);
  if (given) {
    const registered = { what: "unpublish from", nodeId, name: given.name } as const;
    await awaitRegisteredAs(context.cluster, registered, signal);
  }
  const node = nodeId === "" ? "all" : given ?? nodes.identitiesOf(nodeId)[0];
  if (node === undefined) return await unpublishUnknown(context, { volumeId, nodeId }, signal);
  const place = locator.placeByHandle(volumeId);
  if (place && await disconnectAt(context, { place, node, volumeId }, signal)) return;
  const published = publishedPlaces(context, volumeId, node);
  for (const one of published) await disconnectAt(context, { place: one, node, volumeId }, signal);
  if (published.length > 0) return;
  const found = await placeHolding(context, { volumeId, node }, signal);
  if (found) await disconnectAt(context, { place: found, node, volumeId }, signal);
}

/**
 * Where this process published a volume to the node by this very handle. `unavailable` when another
 * array answers there now.
 */
function publishedPlaces(
  { locator, published }: ControllerContext,
  volumeId: string,
  node: NodeIdentity | "all",
): VolumePlace[] {
  const name = node === "all" ? undefined : node.name;
  const places = locator.placesByHandle(volumeId).filter((place) =>
    !place.member.twin && isAmong(published.handlesOf(placeKey(place), name), volumeId)
  );
  const wrong = places.find(({ member }) => isIdentityProblem(member));
  if (wrong) throw wrong.member.problem;
  return places;
}

function isAmong(handles: readonly string[], handle: string): boolean {
  return handles.some((one) => nameKey(one) === nameKey(handle));
}

/** A volume and who is to lose it. */
interface Disconnection {
  place: VolumePlace;
  node: NodeIdentity | "all";
  /** The handle by which the call means the volume. */
  volumeId: string;
}

/**
 * False when the array has no live volume of that name. Waits until no VolumeAttachment of the
 * volume and the node is left that nobody ended: the cluster may have the volume by two handles.
 */
async function disconnectAt(
  context: ControllerContext,
  { place, node, volumeId }: Disconnection,
  signal: AbortSignal,
): Promise<boolean> {
  const { published } = context;
  const meant = { member: place.member, name: place.name, handle: volumeId };
  const who = node === "all" ? "all nodes" : `node ${node.name}`;
  await awaitNoUserAnywhere(context, {
    place: meant,
    what: `take ${place.name} on ${place.member.array.label} away from ${who}`,
    needs: (attachment) =>
      !attachment.isDeleting && (node === "all" || attachment.node === node.name),
  }, signal);
  const known = knowledgeOfAll(context, meant, node === "all" ? undefined : node);
  return await published.changing(placeKey(place), async () => {
    const ended = await onAllSides(context, {
      place: meant,
      what: `take ${place.name} away from ${who}`,
      work: (member, within) =>
        member.array.disconnect(place.name, node, { known, signal: within }),
    }, signal);
    // Also of an array that was left out, because it is out of the pod: nobody has it there.
    for (const one of allPlaces(context, meant)) {
      if (node === "all") published.removeAll(placeKey(one));
      else published.remove(placeKey(one), node.name);
    }
    return ended.includes(true);
  });
}

/**
 * Which of the volumes that the handle may mean the node holds, if this process published none by
 * that handle. What it published to the node by another handle is not meant. `undefined` when none
 * is left; `ambiguous` when several hold the node, or when several exist and the caller names no
 * node.
 */
async function placeHolding(
  context: ControllerContext,
  { volumeId, node }: { volumeId: string; node: NodeIdentity | "all" },
  signal: AbortSignal,
): Promise<VolumePlace | undefined> {
  const { locator, published } = context;
  const name = node === "all" ? undefined : node.name;
  // Success would say that nothing reaches the volume: no silent array is passed over.
  const hits = (await locator.findAll(volumeId, signal, { complete: true })).filter((hit) => {
    const handles = published.handlesOf(placeKey(hit), name);
    // Its own handle: a copy on another array than the handle names.
    return handles.length === 0 || isAmong(handles, volumeId);
  });
  if (hits.length < 2) return hits[0];
  if (node === "all") throw severalError("volume", hits);
  return await onlyHolding(context, { hits, node }, signal);
}

/** The one volume that shows the node; `undefined` for none, `ambiguous` for several. */
async function onlyHolding(
  context: ControllerContext,
  { hits, node }: { hits: Hit<Volume>[]; node: NodeIdentity },
  signal: AbortSignal,
): Promise<VolumePlace | undefined> {
  const holds = await Promise.all(
    hits.map((place) => {
      const known = knowledgeOf(context, place, node);
      return place.member.array.holds(place.name, node, { known, signal });
    }),
  );
  const held = hits.filter((_, index) => holds[index]);
  if (held.length > 1) {
    throw new PsoError(
      "ambiguous",
      `Cannot unpublish ${held[0]?.name} from node ${node.name}: it is connected to ` +
        `${handlesText(held)}, and nothing tells which of them is meant; stop the pods that use ` +
        "the others on that node (docs/handles.md)",
    );
  }
  return held[0];
}

/**
 * For a node_id that this driver never gave out, as after a change from another driver: it is taken
 * as a node name, as PSO 5 and 6 did. A name alone is enough only for volumes of this cluster.
 * Where no host of that name holds the volume, success is certain only if no host does; else
 * `not_found`.
 */
async function unpublishUnknown(
  context: ControllerContext,
  { volumeId, nodeId }: UnpublishRequest,
  signal: AbortSignal,
): Promise<void> {
  const found = await context.locator.findAll(volumeId, signal, { hosts: true, complete: true });
  const hits = found.filter(({ item }) => item.hosts && item.hosts.length > 0);
  const [first] = hits;
  if (!first) return;
  const node: NodeIdentity = { name: nodeId, protocols: [], wwpns: [], addresses: [] };
  const place = await onlyHolding(context, { hits, node }, signal);
  if (place) {
    await disconnectAt(context, { place, node, volumeId }, signal);
    return;
  }
  const holders = hits.map(({ member, item }) =>
    `${item.hosts?.join(", ")} on ${member.array.label}`
  );
  throw new PsoError(
    "not_found",
    `Cannot unpublish ${first.name} from the unknown node ${JSON.stringify(nodeId)}: ` +
      `${holders.join(" and ")} still holds it and may be that node; ` +
      "disconnect it on the array if it is",
  );
}
