import { capabilitiesFault } from "../capability_check.ts";
import type { ControllerContext } from "../context.ts";
import { parseParameters } from "../parameters.ts";
import { place, roomOf } from "../placement/placement.ts";
import type { CapacityAnswer, CapacityRequest } from "../requests.ts";
import { minimumVolumeBytes } from "../volume_size.ts";
import { classDemands, memberArrays } from "./placing.ts";
import { kindFor } from "./wanted_volume.ts";

/**
 * GetCapacity: the room on the arrays that CreateVolume would take for this class, by placement's
 * own filters. No room for capabilities that no volume of the kind can have.
 */
export function getCapacity(
  context: ControllerContext,
  { parameters: raw, capabilities, topology }: CapacityRequest,
): CapacityAnswer {
  const parameters = parseParameters(raw);
  const kind = kindFor({ parameters, capabilities }, context.fleet);
  const options = context.options();
  const { flasharray: { defaultFsType }, topology: { nodeLabels } } = options;
  const minimum = minimumVolumeBytes({ kind, capabilities, defaultFsType });
  if (capabilitiesFault(capabilities, kind) !== undefined) {
    return { availableBytes: 0, maximumVolumeBytes: 0, minimumVolumeBytes: minimum };
  }
  const { candidates } = place({
    ...classDemands(kind, parameters, options),
    volumeName: "",
    requestName: "",
    sizeBytes: 0,
    topology: topology && { requisite: [topology], preferred: [], labelKeys: nodeLabels },
  }, memberArrays(context));
  const rooms = candidates.flatMap(({ array }) =>
    array.status ? [roomOf(array.status, options.placement)] : []
  );
  return {
    availableBytes: rooms.reduce((total, room) => total + room, 0),
    maximumVolumeBytes: Math.max(0, ...rooms),
    minimumVolumeBytes: minimum,
  };
}
