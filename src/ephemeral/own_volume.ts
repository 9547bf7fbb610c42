import { type Handle, isKeptId, parseVolumeId } from "../controller/volume_id.ts";
import { isPsoError, PsoError } from "../errors.ts";
import { baseNameOf, nameKey, volumeNameFor } from "../names.ts";
import type { EphemeralVolume } from "./object.ts";

/** As csi-provisioner names a volume: by the uid of the object that asks for it. */
export function csiNameOf({ uid }: Pick<EphemeralVolume, "uid">): string {
  return `pvc-${uid}`;
}

/**
 * Whether the status names the volume that was made for this very object: its name on the array is
 * made of the object's uid, which the API server alone gives. False without a handle.
 */
export function hasOwnHandle(volume: EphemeralVolume, clusterId: string): boolean {
  const { volumeHandle } = volume.status;
  // One with @keep would leave the volume on its array.
  if (volumeHandle === undefined || isKeptId(volumeHandle)) return false;
  const { arrayHint, names: [name = ""] } = parsed(volumeHandle);
  return arrayHint !== undefined &&
    nameKey(baseNameOf(name)) === nameKey(volumeNameFor(clusterId, csiNameOf(volume)));
}

/** Without names for text that is too long for any handle. */
function parsed(volumeHandle: string): Handle {
  try {
    return parseVolumeId(volumeHandle);
  } catch (error) {
    if (!isPsoError(error, "invalid")) throw error;
    return { names: [] };
  }
}

/**
 * The handle in the status; undefined before the volume was made. `conflict`, naming both volumes,
 * for a handle of any other volume: only the leader is to write a status, whoever else may do so
 * must not choose what is published or destroyed.
 */
export function ownHandleOf(
  volume: EphemeralVolume,
  { clusterId, namespace }: { clusterId: string; namespace: string },
): string | undefined {
  const { name, status: { volumeHandle } } = volume;
  if (volumeHandle === undefined || hasOwnHandle(volume, clusterId)) return volumeHandle;
  const own = volumeNameFor(clusterId, csiNameOf(volume));
  throw new PsoError(
    "conflict",
    `the status of EphemeralVolume ${name} names the volume ${volumeHandle}, and its own is ` +
      `called ${own}: nothing is published or destroyed; see who may write ` +
      "ephemeralvolumes/status, then take the handle out: " +
      `kubectl -n ${namespace} patch ephemeralvolume ${name} --subresource=status --type=merge ` +
      `-p '{"status":{"volumeHandle":null}}'`,
  );
}
