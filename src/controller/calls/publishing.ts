import { isMultiNode, isReadOnly } from "../../capability.ts";
import { PsoError } from "../../errors.ts";
import {
  type Attachment,
  canJoin,
  decodeNodeId,
  encodeAttachment,
  type NodeIdentity,
} from "../../handoff.ts";
import { stretchOf } from "../../arrays/fleet.ts";
import type { Protocol } from "../../protocols.ts";
import { allPlaces, knowledgeOfAll } from "../stretched/places.ts";
import { awaitNoUserAnywhere } from "../stretched/without.ts";
import { leaveOut, loneSide, publishSides } from "../stretched/both_arrays.ts";
import { capabilityFault } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { awaitRegisteredAs } from "../attachments/registered_node.ts";
import { chooseProtocol, wantedProtocol } from "../protocol_choice.ts";
import type { PublishMode } from "../attachments/publish_memory.ts";
import { backendOf, type PublishRequest } from "../requests.ts";
import { nameKey } from "../../names.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import { placeKey, type VolumePlace } from "../volume_locator.ts";

/** A request that is tried at a place where the volume may be. */
interface PublishAttempt {
  request: PublishRequest;
  node: NodeIdentity;
  place: VolumePlace;
}

/** A publish that passed every check. */
interface Publish extends PublishAttempt {
  readOnly: boolean;
  /** Another array of the pod is silent: no other node is cut off, because it may have it there. */
  isAlone?: boolean;
  /** The one protocol that all arrays of the pod must serve; absent: what class and node allow. */
  protocol?: Protocol;
}

/**
 * ControllerPublishVolume. A FlashArray knows no read-only connection, so that only memory and
 * Kubernetes tell of a publish that contradicts the one before. Where both know nothing, the second
 * one is taken as new; nothing is lost by that, because the node mounts as each of its own calls
 * says.
 */
export async function publishVolume(
  context: ControllerContext,
  request: PublishRequest,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const node = decodeNodeId(request.nodeId);
  // Before the volume: a `not_found` of the volume makes the whole fleet be searched.
  if (!node) {
    throw new PsoError(
      "not_found",
      `node ${JSON.stringify(request.nodeId)} is unknown: it was not registered by this driver's ` +
        "node plugin; check that the node plugin runs there",
    );
  }
  const given = { what: "publish to", nodeId: request.nodeId, name: node.name } as const;
  await awaitRegisteredAs(context.cluster, given, signal);
  const kind = backendOf(request.volumeContext);
  return await context.locator.atPlace(
    request.volumeId,
    { signal, kind },
    (place) => publishAt(context, { request, node, place }, signal),
  );
}

/** Publishes the volume at a place. `not_found` when it is not there. */
async function publishAt(
  context: ControllerContext,
  { request, node, place }: PublishAttempt,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const { deleted, fleet, nodes, locator, published } = context;
  const { member, name } = place;
  const meant = { ...place, handle: request.volumeId };
  const fault = capabilityFault(request.capability, member.array.kind);
  if (fault !== undefined) throw new PsoError("invalid", `Cannot publish ${name}: ${fault}`);
  const mode = modeOf(request);
  refuseOtherMode(context, { place: meant, node: node.name, mode });
  refuseFullNode(context, { place: meant, node: node.name });
  nodes.learn(request.nodeId, node);
  const { readOnly } = mode;
  const exclusive = !isMultiNode(request.capability.mode);
  const handle = request.volumeId;
  const [attachment, ...others] = await published.changing(placeKey(place), async () => {
    const made = await connectAll(context, { request, node, readOnly, place }, signal);
    published.add(placeKey(place), node.name, { ...mode, exclusive, handle });
    // It may be remembered by another array, which alone was heard when the volume was published.
    for (const one of allPlaces(context, place).slice(1)) {
      if (exclusive) published.removeAll(placeKey(one));
      else published.remove(placeKey(one), node.name);
    }
    return made;
  });
  fleet.seen(member, name);
  deleted.forget(handle);
  const { id } = await locator.statusOf(member, signal);
  locator.learn(request.volumeId, id, name);
  return encodeAttachment(attachment, others);
}

/** Connects the volume on its array, or on each array of its stretched pod. */
async function connectAll(
  context: ControllerContext,
  publish: Publish,
  signal: AbortSignal,
): Promise<[Attachment, ...Attachment[]]> {
  const { request, node, place } = publish;
  const stretch = stretchOf(context.fleet, place);
  if (!stretch) return [await connect(context, publish, signal)];
  const asked = {
    ...{ stretch, node, place: { ...place, handle: request.volumeId } },
    exclusive: !isMultiNode(request.capability.mode),
  };
  const protocol = await protocolFor(context, publish, signal);
  const sidesOf = canJoin({ protocol }) ? publishSides : loneSide;
  const { members, isAlone } = await sidesOf(context, asked, signal);
  const made: Attachment[] = [];
  let refused: unknown;
  for (const member of members) {
    const side = { ...publish, place: { member, name: place.name }, isAlone, protocol };
    try {
      made.push(await connect(context, side, signal));
    } catch (error) {
      await leaveOut(context, asked, { member, error }, signal);
      refused ??= error;
    }
  }
  const [first, ...others] = made;
  if (first) return [first, ...others];
  throw refused ?? new PsoError("not_found", `volume ${place.name} is on no array of its pod`);
}

/** The protocol by which the node gets the volume from the array of the place. */
async function protocolFor(
  { locator, options }: ControllerContext,
  { request, node, place: { member, name }, protocol }: Publish,
  signal: AbortSignal,
): Promise<Protocol> {
  const wanted = protocol ?? wantedProtocol(name, request.volumeContext) ??
    options().flasharray.sanType;
  const { protocols: served } = await locator.statusOf(member, signal);
  const { label, kind } = member.array;
  return chooseProtocol({ array: label, kind, served, node, wanted });
}

async function connect(
  context: ControllerContext,
  publish: Publish,
  signal: AbortSignal,
): Promise<Attachment> {
  const { request, node, readOnly, place, isAlone } = publish;
  const { options, published } = context;
  const { member, name } = place;
  const { preemptAttachments, iscsiAllowedCidrs } = options().flasharray;
  const protocol = await protocolFor(context, publish, signal);
  const meant = { ...place, handle: request.volumeId };
  const known = {
    ...knowledgeOfAll(context, meant, node),
    othersMayLose: (within: AbortSignal = signal) =>
      awaitNoUserAnywhere(context, {
        place: meant,
        what: `take ${name} on ${member.array.label} away from all nodes but ${node.name}`,
        needs: (attachment) => attachment.node !== node.name,
      }, within),
  };
  for (const one of allPlaces(context, place)) published.trying(placeKey(one), node.name);
  return await member.array.connect(name, node, {
    protocol,
    exclusive: !isMultiNode(request.capability.mode),
    preempt: preemptAttachments && !isAlone,
    readOnly,
    iscsiAllowedCidrs,
    chap: request.chap,
    known,
    signal,
  });
}

/** A node, and a volume that is to be published to it. */
interface NodeAndPlace {
  place: MeantPlace & { handle: string };
  node: string;
}

/**
 * `exhausted` when the node holds all it may. Kubernetes counts too, and places no more pods on a
 * node that is full; this is for the race that Kubernetes loses.
 */
function refuseFullNode(
  context: ControllerContext,
  { place, node }: NodeAndPlace,
): void {
  const { published, cluster, options } = context;
  const { maxVolumesPerNode } = options();
  const isHeld = modeKnown(context, { place, node }) !== undefined;
  const held = new Set([...published.handlesOn(node), ...cluster.handlesOn(node)].map(nameKey));
  if (isHeld || held.has(nameKey(place.handle)) || held.size < maxVolumesPerNode) return;
  throw new PsoError(
    "exhausted",
    `Cannot publish ${place.name} to ${node}: it holds ${maxVolumesPerNode} volumes, ` +
      "and that is its limit; move pods away or raise maxVolumesPerNode",
  );
}

/** `conflict` when the volume is published to the node in another mode. */
function refuseOtherMode(
  context: ControllerContext,
  { place, node, mode }: NodeAndPlace & { mode: PublishMode },
): void {
  const known = modeKnown(context, { place, node });
  const places = allPlaces(context, place);
  const all = known ? [known] : places.flatMap((one) => context.cluster.modesOn(one, node));
  const before = all.find(({ readOnly, access }) =>
    readOnly !== mode.readOnly || access !== mode.access
  );
  if (!before) return;
  throw new PsoError(
    "conflict",
    `${place.name} is published to ${node} already, ${shown(before)}, and ${shown(mode)} ` +
      "is asked for: unpublish it first",
  );
}

/** How this process published the volume to the node, by whatever array of its pod. */
function modeKnown(
  context: ControllerContext,
  { place, node }: NodeAndPlace,
): PublishMode | undefined {
  const modes = allPlaces(context, place).map((one) =>
    context.published.modeOf(placeKey(one), node)
  );
  return modes.find((mode) => mode !== undefined);
}

function modeOf({ capability, readOnly }: PublishRequest): PublishMode {
  return { readOnly: readOnly || isReadOnly(capability.mode), access: capability.access.type };
}

function shown({ readOnly, access }: PublishMode): string {
  return `${readOnly ? "read-only" : "writable"} as ${
    access === "block" ? "raw block" : "file system"
  }`;
}
