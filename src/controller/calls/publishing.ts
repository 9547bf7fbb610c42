import { isMultiNode, isReadOnly } from "../../capability.ts";
import { PsoError } from "../../errors.ts";
import {
  type Attachment,
  decodeNodeId,
  encodeAttachment,
  type NodeIdentity,
} from "../../handoff.ts";
import { knowledgeOf } from "./attachments.ts";
import { capabilityFault } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { chooseProtocol, wantedProtocol } from "../protocol_choice.ts";
import type { PublishMemory, PublishMode } from "../publish_memory.ts";
import { backendOf, type PublishRequest } from "../requests.ts";
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
}

/**
 * ControllerPublishVolume. A FlashArray knows no read-only connection, so that only this process's
 * memory notices a publish that contradicts the one before; after a restart the second one is taken
 * as new. Nothing is lost by that: the node mounts as each of its own calls says.
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
  const fault = capabilityFault(request.capability, member.array.kind);
  if (fault !== undefined) throw new PsoError("invalid", `Cannot publish ${name}: ${fault}`);
  const mode = modeOf(request);
  refuseOtherMode(published, { place, node: node.name, mode });
  refuseFullNode(published, {
    place,
    node: node.name,
    maxVolumesPerNode: context.options().maxVolumesPerNode,
  });
  nodes.learn(request.nodeId, node);
  const { readOnly } = mode;
  const exclusive = !isMultiNode(request.capability.mode);
  const handle = request.volumeId;
  const attachment = await published.changing(placeKey(place), async () => {
    const made = await connect(context, { request, node, readOnly, place }, signal);
    published.add(placeKey(place), node.name, { ...mode, exclusive, handle });
    return made;
  });
  fleet.seen(member, name);
  deleted.forget(handle);
  const { id } = await locator.statusOf(member, signal);
  locator.learn(request.volumeId, id, name);
  return encodeAttachment(attachment);
}

async function connect(
  context: ControllerContext,
  { request, node, readOnly, place }: Publish,
  signal: AbortSignal,
): Promise<Attachment> {
  const { locator, options, published } = context;
  const { member, name } = place;
  const { sanType, preemptAttachments, iscsiAllowedCidrs } = options().flasharray;
  const wanted = wantedProtocol(name, request.volumeContext) ?? sanType;
  const { protocols: served } = await locator.statusOf(member, signal);
  const protocol = chooseProtocol({
    array: member.array.label,
    kind: member.array.kind,
    served,
    node,
    wanted,
  });
  const known = knowledgeOf(context, place, node);
  published.trying(placeKey(place), node.name);
  return await member.array.connect(name, node, {
    protocol,
    exclusive: !isMultiNode(request.capability.mode),
    preempt: preemptAttachments,
    readOnly,
    iscsiAllowedCidrs,
    chap: request.chap,
    known,
    signal,
  });
}

/** A node, and a volume that is to be published to it. */
interface NodeAndPlace {
  place: VolumePlace;
  node: string;
}

/**
 * `exhausted` when the node holds all it may. Kubernetes counts too, and places no more pods on a
 * node that is full; this is for the race that Kubernetes loses.
 */
function refuseFullNode(
  published: PublishMemory,
  { place, node, maxVolumesPerNode }: NodeAndPlace & { maxVolumesPerNode: number },
): void {
  const isHeld = published.modeOf(placeKey(place), node) !== undefined;
  if (isHeld || published.countOf(node) < maxVolumesPerNode) return;
  throw new PsoError(
    "exhausted",
    `Cannot publish ${place.name} to ${node}: it holds ${maxVolumesPerNode} volumes, ` +
      "and that is its limit; move pods away or raise maxVolumesPerNode",
  );
}

/** `conflict` when the volume is published to the node in another mode. */
function refuseOtherMode(
  published: PublishMemory,
  { place, node, mode }: NodeAndPlace & { mode: PublishMode },
): void {
  const before = published.modeOf(placeKey(place), node);
  if (!before || (before.readOnly === mode.readOnly && before.access === mode.access)) return;
  throw new PsoError(
    "conflict",
    `${place.name} is published to ${node} already, ${shown(before)}, and ${shown(mode)} ` +
      "is asked for: unpublish it first",
  );
}

function modeOf({ capability, readOnly }: PublishRequest): PublishMode {
  return { readOnly: readOnly || isReadOnly(capability.mode), access: capability.access.type };
}

function shown({ readOnly, access }: PublishMode): string {
  return `${readOnly ? "read-only" : "writable"} as ${
    access === "block" ? "raw block" : "file system"
  }`;
}
