import type { Page, Volume, VolumeKind } from "../../arrays/array.ts";
import { arrayHintOf, type FleetMember } from "../../arrays/fleet.ts";
import type { Capability } from "../../capability.ts";
import { isPsoError } from "../../errors.ts";
import { isOwnVolumeName } from "../../names.ts";
import { refusedMountOption } from "../../options/mount_options.ts";
import { type HostNodes, nodesOfHosts } from "../attachments/host_nodes.ts";
import { hintOf, isPublished } from "../attachments/cluster_view.ts";
import { publishedNodeIds } from "./attachments.ts";
import { capabilitiesFault } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { parseParameters } from "../parameters.ts";
import { parseMutable, refuseMutableOfOtherKind } from "../parameters/mutable_parameters.ts";
import {
  backendOf,
  type ListRequest,
  type PublishedVolume,
  type ValidateAnswer,
  type ValidateRequest,
  type VolumePage,
} from "../requests.ts";
import { accessibleTopologyOf } from "../topology.ts";
import { type LocatedVolume, nameIn, placeKey, type VolumeLocator } from "../volume_locator.ts";
import { hasStandIn } from "../stretched/listing.ts";
import { listAcross } from "./listing.ts";

/** ValidateVolumeCapabilities. What is wrong is an answer with a message, and no error. */
export async function validateCapabilities(
  locator: VolumeLocator,
  { volumeId, volumeContext, capabilities, parameters, mutableParameters = {} }: ValidateRequest,
  signal: AbortSignal,
): Promise<ValidateAnswer> {
  const { member } = await locator.need(volumeId, signal, { kind: backendOf(volumeContext) });
  const fault = capabilitiesFault(capabilities, member.array.kind) ??
    nodesRefusal(capabilities) ??
    classFault(() => backendFault(parameters, member.array.kind)) ??
    classFault(() => {
      parseMutable(mutableParameters);
      refuseMutableOfOtherKind(mutableParameters, { kind: member.array.kind, what: volumeId });
    });
  return fault === undefined ? { confirmed: true } : { confirmed: false, message: fault };
}

/**
 * The handles of every live volume of that name outside of pods and volume groups, on whatever array;
 * `unavailable` while an array that may have one does not answer.
 */
export async function volumeIdsNamed(
  locator: VolumeLocator,
  name: string,
  signal: AbortSignal,
): Promise<string[]> {
  const hits = await locator.findAll(name, signal, { complete: true });
  return await Promise.all(hits.map(async ({ member, name }) => {
    const { id } = await locator.statusOf(member, signal);
    return locator.idOf(id, name);
  }));
}

/** Why no node would mount so. */
function nodesRefusal(capabilities: readonly Capability[]): string | undefined {
  const flags = capabilities.flatMap(({ access }) =>
    access.type === "mount" ? access.mountFlags : []
  );
  const fault = refusedMountOption(flags);
  return fault && `mount option ${fault}`;
}

/** Why a class with these parameters would not have made a volume of that kind. */
function backendFault(
  parameters: Record<string, string>,
  actual: VolumeKind,
): string | undefined {
  const { kind } = parseParameters(parameters);
  if (kind === undefined || kind === actual) return undefined;
  return `backend ${kind} is asked for and the volume is a ${actual} volume`;
}

/** What `judge` finds, or why it refuses. */
function classFault(judge: () => string | undefined | void): string | undefined {
  try {
    return judge() ?? undefined;
  } catch (error) {
    if (isPsoError(error, "invalid")) return error.message;
    throw error;
  }
}

/**
 * ListVolumes: the volumes whose names are this cluster's, array by array. After those of an array
 * come its volumes of other names that this process has published, or that nodes have by
 * Kubernetes: csi-attacher takes a volume that is missing here for detached.
 */
export async function listVolumes(
  context: ControllerContext,
  request: ListRequest,
  signal: AbortSignal,
): Promise<VolumePage> {
  const { locator, tokens, ahead } = context;
  const { items, nextToken } = await listAcross(
    request,
    { arrays: locator.listOrder(), tokens, kept: ahead.volumes },
    async ({ member }, part) => {
      const page = await volumesOf(context, { member, ...part }, signal);
      const hostNodes = await nodesOfHosts(context, { member, volumes: page.items }, signal);
      return { ...page, items: page.items.map((volume) => ({ volume, hostNodes })) };
    },
  );
  return {
    entries: items.map(({ listed: { member, arrayId }, item }) =>
      withNodes(context, { member, ...item }, arrayId)
    ),
    nextToken,
  };
}

/** Which part of an array's volumes is asked for. */
export interface VolumesPart {
  member: FleetMember;
  limit: number;
  token?: string;
}

/**
 * Begins the token of a part that lists volumes of other names; the last name that was given
 * follows. An array's own tokens hold no space.
 */
const OTHER_NAMES = "other names ";
/** Names that an array is asked for at once. */
const NAMES_AT_ONCE = 50;

/** One part of the volumes that the cluster has on an array, with who they are connected to. */
export async function volumesOf(
  context: ControllerContext,
  { member, limit, token }: VolumesPart,
  signal: AbortSignal,
): Promise<Page<Volume>> {
  const { clusterId } = context.options();
  if (!token?.startsWith(OTHER_NAMES)) {
    const prefix = `${clusterId}-`;
    const page = await member.array.listVolumes({ prefix, hosts: true, limit, token }, signal);
    const items = page.items.filter((volume) =>
      isOwnVolumeName(clusterId, volume.name) && !isShownElsewhere(context, { member, volume })
    );
    const isLast = page.nextToken === undefined;
    const hasMore = isLast && otherNames(context, { member, after: "" }).length > 0;
    return { items, nextToken: hasMore ? OTHER_NAMES : page.nextToken };
  }
  const left = otherNames(context, { member, after: token.slice(OTHER_NAMES.length) });
  const names = left.slice(0, Math.min(limit, NAMES_AT_ONCE));
  if (names.length === 0) return { items: [] };
  const options = { names, hosts: true, limit: names.length };
  const { items } = await member.array.listVolumes(options, signal);
  return left.length > names.length
    ? { items, nextToken: `${OTHER_NAMES}${names.at(-1)}` }
    : { items };
}

/**
 * Whether another array of the volume's stretched pod shows it. Where nodes have it by this array's
 * handle it is shown here.
 */
function isShownElsewhere(
  { fleet, published, cluster }: ControllerContext,
  located: LocatedVolume,
): boolean {
  const { member, volume: { name } } = located;
  if (!hasStandIn(fleet, located)) return false;
  const place = { member, name };
  const namesThis = (handle: string) => hintOf(handle) === arrayHintOf(member.id ?? "");
  if (published.handlesOf(placeKey(place)).some(namesThis)) return false;
  const uses = cluster.usesOf(place).filter(({ attachment }) => isPublished(attachment));
  return !uses.some(({ volume: { handle } }) => namesThis(handle));
}

/** Which names are asked for. */
interface OtherNames {
  member: FleetMember;
  /** The last one that was given. */
  after: string;
}

/** Names that the list by prefix leaves out and that nodes have there, in order. */
function otherNames(
  { published, options, cluster }: ControllerContext,
  { member, after }: OtherNames,
): string[] {
  const { clusterId } = options();
  const used = published.volumes().flatMap((key) => nameIn(member, key) ?? []);
  return [...new Set([...used, ...cluster.namesOn(member)])].filter((name) =>
    !isOwnVolumeName(clusterId, name) && name > after
  ).sort();
}

/** ControllerGetVolume: under the handle that the caller used. */
export async function getVolume(
  context: ControllerContext,
  volumeId: string,
  signal: AbortSignal,
): Promise<PublishedVolume> {
  const { locator } = context;
  const located = await locator.need(volumeId, signal, { hosts: true });
  const { id } = await locator.statusOf(located.member, signal);
  const { member, volume: shown } = located;
  const hostNodes = await nodesOfHosts(context, { member, volumes: [shown] }, signal);
  const { volume, publishedNodeIds } = withNodes(context, { ...located, hostNodes }, id);
  return { volume: { ...volume, volumeId }, publishedNodeIds };
}

function withNodes(
  context: ControllerContext,
  located: LocatedVolume & { hostNodes: HostNodes },
  arrayId: string,
): PublishedVolume {
  const { member, volume } = located;
  const oldHandle = context.cluster.oldHandleOf({ member, name: volume.name });
  return {
    volume: {
      volumeId: oldHandle ?? context.locator.idOf(arrayId, volume.name),
      capacityBytes: volume.sizeBytes,
      volumeContext: {},
      accessibleTopology: accessibleTopologyOf(
        member.labels,
        context.options().topology.nodeLabels,
      ),
    },
    publishedNodeIds: publishedNodeIds(context, located),
  };
}
