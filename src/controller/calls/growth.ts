import { PsoError } from "../../errors.ts";
import { capabilityFault } from "../capability_check.ts";
import type { ExpandAnswer, ExpandRequest } from "../requests.ts";
import type { VolumeLocator } from "../volume_locator.ts";
import { grownSize } from "../volume_size.ts";

/**
 * ControllerExpandVolume. A volume that is large enough is left alone. The node must follow for
 * every block volume, raw ones too: it has to read the size of its device again.
 */
export async function expandVolume(
  locator: VolumeLocator,
  { volumeId, capacityRange, capability }: ExpandRequest,
  signal: AbortSignal,
): Promise<ExpandAnswer> {
  const { member, volume } = await locator.need(volumeId, signal);
  const { kind } = member.array;
  const fault = capability && capabilityFault(capability, kind);
  if (fault !== undefined) throw new PsoError("invalid", `Cannot grow ${volume.name}: ${fault}`);
  const nodeExpansionRequired = kind === "block";
  const sizeBytes = grownSize(capacityRange, kind, volume.sizeBytes);
  if (sizeBytes <= volume.sizeBytes) {
    return { capacityBytes: volume.sizeBytes, nodeExpansionRequired };
  }
  const grown = await member.array.growVolume(volume.name, sizeBytes, signal);
  return { capacityBytes: grown.sizeBytes, nodeExpansionRequired };
}
