import type { Snapshot } from "../../arrays/array.ts";
import { type FleetMember, stretchOf } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { isOwnVolumeName, nameKey, snapshotSuffixFor } from "../../names.ts";
import type { ControllerContext } from "../context.ts";
import { refuseSnapshotParameters } from "../parameters.ts";
import type {
  CreateSnapshotRequest,
  ListSnapshotsRequest,
  SnapshotAnswer,
  SnapshotPage,
} from "../requests.ts";
import { groupSnapshotIdOf } from "../group_snapshots/group_id.ts";
import { parseSnapshotId, snapshotIdOf } from "../volume_id.ts";
import type { VolumeLocator, VolumePlace } from "../volume_locator.ts";
import { isAnother } from "../delete_memory.ts";
import { namesShownElsewhere } from "../stretched/listing.ts";
import { begunDelete, deleteScopeOf, noting } from "./deletion.ts";
import { listAcross, type ListedPage } from "./listing.ts";

/**
 * CreateSnapshot. A volume whose handle names its array is not looked up first: the array itself
 * says `not_found`.
 */
export async function createSnapshot(
  context: ControllerContext,
  { name, sourceVolumeId, parameters = {} }: CreateSnapshotRequest,
  signal: AbortSignal,
): Promise<SnapshotAnswer> {
  refuseSnapshotParameters(parameters);
  const suffix = snapshotSuffixFor(name);
  const take = (place: VolumePlace) =>
    snapshotAt(context, { ...place, snapshot: name, suffix }, signal);
  const answer = await context.locator.atPlace(sourceVolumeId, { signal, byPartner: true }, take);
  return { ...answer, sourceVolumeId };
}

async function snapshotAt(
  context: ControllerContext,
  wanted: WantedSnapshot,
  signal: AbortSignal,
): Promise<SnapshotAnswer> {
  const { deleted, fleet, locator } = context;
  const { member, name, suffix } = wanted;
  const { id } = await locator.statusOf(member, signal);
  // Before there is a snapshot: one without a handle could never be deleted.
  parseSnapshotId(snapshotIdOf(id, `${name}.${suffix}`));
  await refuseOtherSource(context, wanted, signal);
  // Noted before the call: should the reply be lost, the volume still counts as one that has
  // snapshots, and its deletion looks for them.
  fleet.snapshotCreated(member, `${name}.${suffix}`);
  const answer = answerFor(locator, id, await member.array.createSnapshot(name, suffix, signal));
  deleted.forget(answer.snapshotId);
  return answer;
}

/** Which snapshot is to be deleted. */
interface SnapshotDeletion {
  snapshotId: string;
  /** The name of the group snapshot that it is deleted with; absent: it is deleted alone. */
  group?: string;
}

/**
 * DeleteSnapshot, and what DeleteVolumeGroupSnapshot does for each of its snapshots. Unknown
 * snapshot: success. A snapshot of that name on another array than the handle names belongs to
 * another volume and stays. `invalid` for one of another group than it is deleted with.
 */
export async function deleteSnapshot(
  context: ControllerContext,
  { snapshotId, group }: SnapshotDeletion,
  signal: AbortSignal,
): Promise<void> {
  const before = await begunDelete(context, snapshotId, {
    what: "snapshot",
    find: (member, name) => member.array.findSnapshot(name, signal),
  });
  if (before) {
    const { deletion, place, live } = before;
    if (place && live) {
      if (isAnother(deletion, live)) return;
      refuseOtherGroup(live, group);
      const { createdMs, onlyTagged } = deletion;
      await destroySnapshot(context, { snapshotId, ...place, createdMs, onlyTagged }, signal);
    } else if (place) context.fleet.snapshotDeleted(place.member, place.name);
    return;
  }
  const found = await context.locator.findSnapshot(snapshotId, signal, { complete: true });
  if (!found) return;
  const { member, snapshot, isByMaker: onlyTagged } = found;
  refuseOtherGroup(snapshot, group);
  const { name, createdMs } = snapshot;
  await destroySnapshot(context, { snapshotId, member, name, createdMs, onlyTagged }, signal);
}

/** A snapshot of a group is deleted with it and never alone, as the specification wants it. */
function refuseOtherGroup({ name, group }: Snapshot, deletedWith: string | undefined): void {
  if (group === undefined || nameKey(group) === nameKey(deletedWith ?? "")) return;
  throw new PsoError(
    "invalid",
    `snapshot ${name} belongs to group snapshot ${group} and is not deleted alone: delete its ` +
      "VolumeGroupSnapshot",
  );
}

/** A snapshot that is to be destroyed, by its full name, and the handle that means it. */
interface DoomedSnapshot extends VolumePlace {
  snapshotId: string;
  /** As it was found. */
  createdMs?: number;
  /** As `DeleteScope.onlyTagged`. */
  onlyTagged?: boolean;
}

async function destroySnapshot(
  context: ControllerContext,
  { snapshotId, ...doomed }: DoomedSnapshot,
  signal: AbortSignal,
): Promise<void> {
  const { deleted, fleet } = context;
  const { member, name, onlyTagged } = doomed;
  await noting(deleted.begin(snapshotId, doomed), async () => {
    await member.array.deleteSnapshot(name, { ...deleteScopeOf(context), onlyTagged, signal });
    return true;
  });
  fleet.snapshotDeleted(member, name);
}

/** GetSnapshot: under the handle that the caller used. */
export async function getSnapshot(
  locator: VolumeLocator,
  snapshotId: string,
  signal: AbortSignal,
): Promise<SnapshotAnswer> {
  const found = await locator.needSnapshot(snapshotId, signal);
  return await answerAs(locator, { found, snapshotId }, signal);
}

/** ListSnapshots. Of a snapshot's handle the other filter only decides whether it is shown. */
export async function listSnapshots(
  context: ControllerContext,
  request: ListSnapshotsRequest,
  signal: AbortSignal,
): Promise<SnapshotPage> {
  const { locator, options, tokens, ahead } = context;
  if (request.snapshotId !== "") return await listOne(locator, request, signal);
  if (request.sourceVolumeId !== "") return await listOfVolume(context, request, signal);
  const { clusterId } = options();
  const prefix = `${clusterId}-`;
  const page = await listAcross(
    request,
    { arrays: locator.listOrder(), tokens, kept: ahead.snapshots },
    async ({ member }, part) => {
      const { items, nextToken } = await member.array.listSnapshots({ prefix, ...part }, signal);
      const own = items.filter(({ volume }) => isOwnVolumeName(clusterId, volume));
      const names = own.map(({ volume }) => volume);
      const elsewhere = await namesShownElsewhere(context, { member, names }, signal);
      return { items: own.filter(({ volume }) => !elsewhere.has(nameKey(volume))), nextToken };
    },
  );
  return pageOf(locator, page);
}

async function listOne(
  locator: VolumeLocator,
  { snapshotId, sourceVolumeId }: ListSnapshotsRequest,
  signal: AbortSignal,
): Promise<SnapshotPage> {
  const found = await locator.findSnapshot(snapshotId, signal);
  if (!found) return { entries: [], nextToken: "" };
  const answer = await answerAs(locator, { found, snapshotId }, signal);
  if (sourceVolumeId === "" || nameKey(answer.sourceVolumeId) === nameKey(sourceVolumeId)) {
    return { entries: [answer], nextToken: "" };
  }
  // A volume has other handles, too: what this one means is looked up as for a list of its own.
  const source = await locator.find(sourceVolumeId, signal);
  const matches = source?.member === found.member &&
    nameKey(source.volume.name) === nameKey(found.snapshot.volume);
  return { entries: matches ? [{ ...answer, sourceVolumeId }] : [], nextToken: "" };
}

async function listOfVolume(
  { locator, tokens }: ControllerContext,
  request: ListSnapshotsRequest,
  signal: AbortSignal,
): Promise<SnapshotPage> {
  const { sourceVolumeId } = request;
  const source = await locator.find(sourceVolumeId, signal);
  if (!source) return { entries: [], nextToken: "" };
  const { member, volume } = source;
  const page = await listAcross(
    request,
    { arrays: locator.listOrder().filter((listed) => listed.member === member), tokens },
    (_, part) => member.array.listSnapshots({ volume: volume.name, ...part }, signal),
  );
  const { entries, nextToken } = pageOf(locator, page);
  return { entries: entries.map((entry) => ({ ...entry, sourceVolumeId })), nextToken };
}

function pageOf(
  locator: VolumeLocator,
  { items, nextToken }: ListedPage<Snapshot>,
): SnapshotPage {
  const entries = items.map(({ listed, item }) => answerFor(locator, listed.arrayId, item));
  return { entries, nextToken };
}

/** A snapshot where it is, and the handle that a call has for it. */
interface NamedSnapshot {
  found: { member: FleetMember; snapshot: Snapshot };
  snapshotId: string;
}

/** Under the caller's own handle: a bare one stays bare. */
async function answerAs(
  locator: VolumeLocator,
  { found: { member, snapshot }, snapshotId }: NamedSnapshot,
  signal: AbortSignal,
): Promise<SnapshotAnswer> {
  const { id } = await locator.statusOf(member, signal);
  return { ...answerFor(locator, id, snapshot), snapshotId };
}

/** A snapshot that is to be taken of the volume at a place. */
interface WantedSnapshot extends VolumePlace {
  /** CSI name. */
  snapshot: string;
  suffix: string;
}

/**
 * `conflict` when the name is that of another volume's snapshot, unless the wanted one is there
 * already: then this is a repeat. A CSI name belongs to one volume in the whole fleet. On arrays it
 * is a suffix behind the volume's name, so that no array would refuse the second one. What listings
 * and our own creations showed costs no call; only a hit is looked up, because it may be old.
 */
async function refuseOtherSource(
  { fleet }: ControllerContext,
  wanted: WantedSnapshot,
  signal: AbortSignal,
): Promise<void> {
  const stretch = stretchOf(fleet, wanted);
  const isSame = (member: FleetMember) =>
    member === wanted.member || stretch?.ids.has(member.id ?? "") === true;
  const others = fleet.volumesWithSnapshot(wanted.suffix).filter(({ member, volume }) =>
    !isSame(member) || volume !== nameKey(wanted.name)
  );
  if (others.length === 0) return;
  if (await wanted.member.array.findSnapshot(`${wanted.name}.${wanted.suffix}`, signal)) return;
  for (const { member, volume } of others) {
    const name = `${volume}.${wanted.suffix}`;
    if (await member.array.findSnapshot(name, signal)) {
      throw new PsoError(
        "conflict",
        `snapshot ${wanted.snapshot} exists already of volume ${volume} on ` +
          `${member.array.label}, and ${wanted.name} is asked for`,
      );
    }
    fleet.snapshotDeleted(member, name);
  }
}

/** A snapshot of the array with that id, as every call answers it. */
export function answerFor(
  locator: VolumeLocator,
  arrayId: string,
  snapshot: Snapshot,
): SnapshotAnswer {
  return {
    snapshotId: snapshotIdOf(arrayId, snapshot.name),
    sourceVolumeId: locator.idOf(arrayId, snapshot.volume),
    sizeBytes: snapshot.sizeBytes,
    createdMs: snapshot.createdMs,
    readyToUse: true,
    ...(snapshot.group === undefined
      ? {}
      : { groupSnapshotId: groupSnapshotIdOf(arrayId, snapshot.group) }),
  };
}
