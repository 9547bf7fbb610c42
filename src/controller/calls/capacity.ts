import { containerNamed } from "../../arrays/fleet.ts";
import type { ControllerContext } from "../context.ts";
import { parseParameters } from "../parameters.ts";
import { place, roomOf } from "../placement/placement.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
import type { CapacityAnswer, CapacityRequest, TopologyRequirement } from "../requests.ts";
import { namesPlace } from "../topology.ts";
import { maximumVolumeBytes, minimumVolumeBytes } from "../volume_size.ts";
import { classDemands, memberArrays } from "./placing.ts";
import { demandFault, kindFor } from "./wanted_volume.ts";

/**
 * GetCapacity: the room on the arrays that CreateVolume would take for this class, by placement's
 * own filters. No room for what no create would pass, and for a segment that names no place where
 * the topology is strict. An array without room for the smallest volume has none.
 */
export function getCapacity(context: ControllerContext, request: CapacityRequest): CapacityAnswer {
  const { parameters: raw, capabilities } = request;
  const parameters = parseParameters(raw);
  const kind = kindFor({ parameters, capabilities }, context.fleet);
  const options = context.options();
  const { flasharray, flasharray: { defaultFsType } } = options;
  const minimum = minimumVolumeBytes({ kind, capabilities, defaultFsType });
  const none = { availableBytes: 0, maximumVolumeBytes: 0, minimumVolumeBytes: minimum };
  if (demandFault(request, { kind, parameters, flasharray }) !== undefined) return none;
  const topology = requirementOf(request, options);
  if (topology && options.topology.strict && !namesPlace(topology)) return none;
  const { candidates } = place({
    ...classDemands(kind, parameters, options),
    volumeName: "",
    requestName: "",
    sizeBytes: minimum,
    topology,
  }, memberArrays(context));
  const { container } = parameters;
  const rooms = candidates.flatMap(({ array: { status } }) => {
    if (!status) return [];
    const quota = container && containerNamed(status.containers, container)?.roomBytes;
    return [Math.min(roomOf(status, options.placement), quota ?? Infinity)];
  });
  return {
    availableBytes: rooms.reduce((total, room) => total + room, 0),
    maximumVolumeBytes: maximumVolumeBytes(Math.max(0, ...rooms)),
    minimumVolumeBytes: minimum,
  };
}

/** The segment as a create has it that must be reached from there. */
function requirementOf(
  { topology }: CapacityRequest,
  { topology: { nodeLabels } }: ProvisionerOptions,
): TopologyRequirement | undefined {
  return topology && { requisite: [topology], preferred: [], labelKeys: nodeLabels };
}
