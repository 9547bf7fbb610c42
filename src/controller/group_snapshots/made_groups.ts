import { allEnded } from "../../async/all_ended.ts";
import { PsoError } from "../../errors.ts";
import { answerFor, deleteSnapshot } from "../calls/snapshots.ts";
import type { ControllerContext } from "../context.ts";
import type { GroupSnapshotAnswer, GroupSnapshotRequest } from "../requests.ts";
import { type GroupHandle, memberNames, parseGroupId } from "./group_id.ts";

/**
 * GetVolumeGroupSnapshot, also of one that a protection group took. Each snapshot is looked up on
 * its own: what moved with its volume is found by the rules of a single one.
 */
export async function getGroupSnapshot(
  context: ControllerContext,
  { groupSnapshotId, snapshotIds }: GroupSnapshotRequest,
  signal: AbortSignal,
): Promise<GroupSnapshotAnswer> {
  const handle = parseGroupId(groupSnapshotId);
  if (!handle) throw gone(groupSnapshotId, "it is the handle of none");
  const ids = memberNames(handle, snapshotIds).map((name) => `${handle.arrayHint}/${name}`);
  const { locator } = context;
  const snapshots = await allEnded(ids.map(async (id) => {
    const found = await locator.findSnapshot(id, signal);
    if (!found) throw gone(groupSnapshotId, `its snapshot ${id} is gone`);
    const { id: arrayId } = await locator.statusOf(found.member, signal);
    // The caller's own handles, wherever the array shows the volumes now.
    return { ...answerFor(locator, arrayId, found.snapshot), snapshotId: id, groupSnapshotId };
  }));
  const createdMs = Math.max(...snapshots.map(({ createdMs }) => createdMs));
  return { groupSnapshotId, snapshots, createdMs, readyToUse: true };
}

function gone(groupSnapshotId: string, why: string): PsoError {
  return new PsoError("not_found", `group snapshot ${groupSnapshotId} does not exist: ${why}`);
}

/**
 * DeleteVolumeGroupSnapshot: exactly the snapshots that the group was made of, each by the rules of
 * DeleteSnapshot. What is gone already is success, and so is a handle that no group can have.
 */
export async function deleteGroupSnapshot(
  context: ControllerContext,
  { groupSnapshotId, snapshotIds }: GroupSnapshotRequest,
  signal: AbortSignal,
): Promise<void> {
  const handle = parseGroupId(groupSnapshotId);
  if (!handle) return;
  const { arrayHint, name: group, isProtected } = handle;
  const ids = memberNames(handle, snapshotIds).map((name) => `${arrayHint}/${name}`);
  if (isProtected) return await refuseProtected(context, { handle, ids }, signal);
  await allEnded(
    ids.map((snapshotId) => deleteSnapshot(context, { snapshotId, group }, signal)),
  );
}

/** `in_use` while there is any of its snapshots: they belong to the array's administrator. */
async function refuseProtected(
  { locator }: ControllerContext,
  { handle, ids }: { handle: GroupHandle; ids: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const found = await allEnded(
    ids.map((id) => locator.findSnapshot(id, signal, { complete: true })),
  );
  if (found.every((one) => one === undefined)) return;
  throw new PsoError(
    "in_use",
    `group snapshot ${handle.name} was taken by a protection group of the array, and this driver ` +
      "deletes none of those: set deletionPolicy Retain on its VolumeGroupSnapshotContent",
  );
}
