import { arrayHintOf } from "../arrays/fleet.ts";
import { PsoError } from "../errors.ts";

// Handles. A volume's is `<first 8 hex of the array id>/<volume name>`, a snapshot's `<8
// hex>/<volume>.<suffix>`. The array part is identity: it says which array made the volume, and a
// volume of the same name on another array is another volume. PSO 5 and 6 gave bare names and
// `<prefix>/<pv name>`, with `.<suffix>` behind for a snapshot. They are accepted for ever, as long
// as one array alone has such a volume. `@keep` at the end of a volume's handle is no part of its
// name: the volume was imported, and stays on its array when its PersistentVolume is deleted.

/** CSI limit of a string field without a limit of its own (spec, "Size Limits"). */
const ID_MAX_BYTES = 128;
/** Of `.` and the longest suffix that this driver gives, that of a group's snapshots. */
const SNAPSHOT_END = 52;
/** The longest name of a volume whose snapshots have handles, with its pod or volume group. */
export const VOLUME_NAME_MAX = ID_MAX_BYTES - SNAPSHOT_END;
const HINTED = /^([0-9a-f]{8})\/(.+)$/i;
const OLD_FORM = /^([^/]+)\/([^/]+)$/;
/** No array takes an `@` in a name. */
const KEPT = /@keep$/i;
/**
 * Everything that a name on an array may hold: `pod::volume`, `group/volume`, `volume.suffix`.
 * Above all no `,` and no `*`: a REST call with `names=a,b` means two volumes.
 */
const ARRAY_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.:/-]*$/;

/**
 * Where a volume or snapshot may be: the array that the handle names, and the full names it may have
 * there, likeliest first.
 */
export interface Handle {
  /** First 8 hex digits of an array id, in lower case however the handle has them. */
  arrayHint?: string;
  /** Empty when no array could hold what the handle says. */
  names: string[];
}

/** Whether `text` may be the name of a volume on an array. */
export function isArrayName(text: string): boolean {
  return ARRAY_NAME.test(text);
}

function checkLength(what: string, id: string): void {
  const bytes = new TextEncoder().encode(id).length;
  if (bytes > ID_MAX_BYTES) {
    throw new PsoError("invalid", `${what} takes ${bytes} bytes and CSI allows ${ID_MAX_BYTES}`);
  }
}

function handleOf(arrayId: string, name: string): string {
  const hinted = `${arrayHintOf(arrayId)}/${name}`;
  // A bare name is a handle as well: volume and suffix of 63 characters each fit in 128 bytes only
  // without the hint.
  return hinted.length <= ID_MAX_BYTES ? hinted : name;
}

/** The handle of volume `name` on the array with that id. */
export function volumeIdOf(arrayId: string, name: string): string {
  return handleOf(arrayId, name);
}

/**
 * The handle of a volume that was imported from the array with that id. It names the array whatever
 * its length: `invalid` above 128 bytes. With `isKept`, DeleteVolume leaves the volume where it is.
 */
export function importedIdOf(
  arrayId: string,
  { name, isKept }: { name: string; isKept: boolean },
): string {
  const handle = `${arrayHintOf(arrayId)}/${name}${isKept ? "@keep" : ""}`;
  checkLength(`the handle ${handle}`, handle);
  return handle;
}

/** Whether DeleteVolume by this handle leaves the volume where it is. */
export function isKeptId(volumeId: string): boolean {
  return KEPT.test(volumeId);
}

/** The handle of snapshot `volume.suffix` on the array with that id. */
export function snapshotIdOf(arrayId: string, name: string): string {
  return handleOf(arrayId, name);
}

/** Takes a volume's handle apart, in any form that was ever given. `invalid` above 128 bytes. */
export function parseVolumeId(volumeId: string): Handle {
  checkLength("volume_id", volumeId);
  return parseHandle(volumeId.replace(KEPT, ""));
}

/**
 * Takes a snapshot's handle apart, by the rules of a volume's; no names for text that names no
 * snapshot. `invalid` above 128 bytes.
 */
export function parseSnapshotId(snapshotId: string): Handle {
  checkLength("snapshot_id", snapshotId);
  const handle = parseHandle(snapshotId);
  return { ...handle, names: handle.names.filter((name) => /.\.[^.]+$/.test(name)) };
}

/** The volume of a snapshot `volume.suffix`. */
export function volumeOfSnapshot(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

function parseHandle(id: string): Handle {
  if (!ARRAY_NAME.test(id)) return { names: [] };
  const oldForm = id.replace(OLD_FORM, "$1-$2");
  const [, digits, name] = HINTED.exec(id) ?? [];
  const arrayHint = digits?.toLowerCase();
  // The prefix of an old cluster may look like 8 hex digits too.
  if (arrayHint !== undefined && name !== undefined) {
    return { arrayHint, names: [name, ...(oldForm === id ? [] : [oldForm])] };
  }
  // `group/volume`, a volume in a FlashArray volume group, looks like `prefix/pv`.
  return { names: oldForm === id ? [id] : [oldForm, id] };
}
