import { arrayHintOf } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { groupBaseOf, isGroupOf, nameKey, protectedSnapshot } from "../../names.ts";
import { parseSnapshotId, volumeOfSnapshot } from "../volume_id.ts";

// Handles of group snapshots. One that this driver took is `<first 8 hex of the array
// id>/<suffix>`, where the suffix, which all of its snapshots share, has a hash of the volumes'
// names: a list of names would not fit in the 128 bytes of an id. One that a protection group of
// the array took is `<8 hex>/<group>.<suffix>`, and its snapshots are `<group>.<suffix>.<volume>`.

const GROUP_ID = /^([0-9a-f]{8})\/([a-z0-9][a-z0-9_.:-]*)$/i;

/** A group snapshot by its handle. */
export interface GroupHandle {
  /** First 8 hex digits of the array's id, in lower case. */
  arrayHint: string;
  /** The suffix of its snapshots, or `group.suffix` of a protection group. */
  name: string;
  /** A protection group took it: it is read, and never deleted. */
  isProtected: boolean;
}

/** The handle of the group snapshot of that name on the array with that id. */
export function groupSnapshotIdOf(arrayId: string, name: string): string {
  return `${arrayHintOf(arrayId)}/${name}`;
}

/** Takes a group snapshot's handle apart; `undefined` for what can be the handle of none. */
export function parseGroupId(groupSnapshotId: string): GroupHandle | undefined {
  const [, digits, name] = GROUP_ID.exec(groupSnapshotId) ?? [];
  if (digits === undefined || name === undefined) return undefined;
  const isOwn = groupBaseOf(name) !== undefined;
  if (!isOwn && protectedSnapshot(`${name}.v`)?.group !== name) return undefined;
  return { arrayHint: digits.toLowerCase(), name, isProtected: !isOwn };
}

/** One text for every handle of the same group, for locks: groups of one CSI name have the same. */
export function groupKeyOf(groupSnapshotId: string): string {
  const name = parseGroupId(groupSnapshotId)?.name;
  return (name && groupBaseOf(name)) ?? nameKey(name ?? groupSnapshotId);
}

/**
 * The names of the group's snapshots on its array, as the caller lists them. `invalid` unless the
 * list is that of the group: no other array's or group's snapshot, each once, and for a group of
 * this driver exactly those of the volumes that it was made of.
 */
export function memberNames(
  { arrayHint, name, isProtected }: GroupHandle,
  snapshotIds: readonly string[],
): string[] {
  const mismatch = (fault: string) =>
    new PsoError("invalid", `snapshot_ids are not those of group snapshot ${name}: ${fault}`);
  if (snapshotIds.length === 0) throw mismatch("there are none, and each of the group is wanted");
  const names = snapshotIds.map((id) => {
    const { arrayHint: hint = arrayHint, names: [member = ""] } = parseSnapshotId(id);
    const group = isProtected
      ? protectedSnapshot(member)?.group
      : member.slice(member.lastIndexOf(".") + 1);
    if (hint === arrayHint && nameKey(group ?? "") === nameKey(name)) return member;
    throw mismatch(`${id} is none of its snapshots`);
  });
  const isWhole = new Set(names.map(nameKey)).size === names.length &&
    (isProtected || isGroupOf(name, names.map(volumeOfSnapshot)));
  if (!isWhole) throw mismatch("one is missing, one too many or one twice");
  return names;
}
