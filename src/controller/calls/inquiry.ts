import type { VolumeKind } from "../../arrays/array.ts";
import { isPsoError } from "../../errors.ts";
import { capabilitiesFault } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { parseParameters } from "../parameters.ts";
import {
  backendOf,
  type ListRequest,
  type PublishedVolume,
  type ValidateAnswer,
  type ValidateRequest,
  type VolumePage,
} from "../requests.ts";
import { accessibleTopologyOf } from "../topology.ts";
import type { LocatedVolume, VolumeLocator } from "../volume_locator.ts";
import { listAcross } from "./listing.ts";

/** ValidateVolumeCapabilities. What is wrong is an answer with a message, and no error. */
export async function validateCapabilities(
  locator: VolumeLocator,
  { volumeId, volumeContext, capabilities, parameters }: ValidateRequest,
  signal: AbortSignal,
): Promise<ValidateAnswer> {
  const { member } = await locator.need(volumeId, signal, { kind: backendOf(volumeContext) });
  const fault = capabilitiesFault(capabilities, member.array.kind) ??
    backendFault(parameters, member.array.kind);
  return fault === undefined ? { confirmed: true } : { confirmed: false, message: fault };
}

/** Why a class with these parameters would not have made a volume of that kind. */
function backendFault(
  parameters: Record<string, string>,
  actual: VolumeKind,
): string | undefined {
  try {
    const { kind } = parseParameters(parameters);
    if (kind === undefined || kind === actual) return undefined;
    return `backend ${kind} is asked for and the volume is a ${actual} volume`;
  } catch (error) {
    if (isPsoError(error, "invalid")) return error.message;
    throw error;
  }
}

/** ListVolumes: the volumes with this cluster's prefix, array by array. */
export async function listVolumes(
  context: ControllerContext,
  request: ListRequest,
  signal: AbortSignal,
): Promise<VolumePage> {
  const { locator, options, tokens } = context;
  const prefix = `${options().clusterId}-`;
  const { items, nextToken } = await listAcross(
    request,
    { arrays: locator.listOrder(), tokens },
    ({ member }, part) => member.array.listVolumes({ prefix, hosts: true, ...part }, signal),
  );
  return {
    entries: items.map(({ listed, item }) =>
      withNodes(context, { member: listed.member, volume: item }, listed.arrayId)
    ),
    nextToken,
  };
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
  const { volume, publishedNodeIds } = withNodes(context, located, id);
  return { volume: { ...volume, volumeId }, publishedNodeIds };
}

function withNodes(
  { locator, nodes }: Pick<ControllerContext, "locator" | "nodes">,
  { member, volume }: LocatedVolume,
  arrayId: string,
): PublishedVolume {
  return {
    volume: {
      volumeId: locator.idOf(arrayId, volume.name),
      capacityBytes: volume.sizeBytes,
      volumeContext: {},
      accessibleTopology: accessibleTopologyOf(member.labels),
    },
    publishedNodeIds: nodes.nodeIdsOf(volume.hosts ?? []),
  };
}
