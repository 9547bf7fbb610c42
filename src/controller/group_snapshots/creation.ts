import type { Snapshot } from "../../arrays/array.ts";
import { stretchOf } from "../../arrays/fleet.ts";
import { allEnded } from "../../async/all_ended.ts";
import { isPsoError, PsoError } from "../../errors.ts";
import { groupBaseFor, groupBaseOf, groupSuffixFor, nameKey } from "../../names.ts";
import { answerFor } from "../calls/snapshots.ts";
import type { ControllerContext } from "../context.ts";
import { refuseSnapshotParameters } from "../parameters.ts";
import type { CreateGroupSnapshotRequest, GroupSnapshotAnswer } from "../requests.ts";
import type { VolumePlace } from "../volume_locator.ts";
import { groupSnapshotIdOf } from "./group_id.ts";

/** Volumes of one group: their names stand in one URL, and web servers take 8 KiB of those. */
const VOLUMES_MAX = 50;
/** CSI limit of an id. */
const ID_BYTES_MAX = 128;

/** A volume of the group, and the handle that means it. */
interface Source extends VolumePlace {
  volumeId: string;
}

/**
 * CreateVolumeGroupSnapshot. Volumes whose handles name their array are not looked up first: the
 * array itself says `not_found`, and a search then tells which, or where they are now.
 */
export async function createGroupSnapshot(
  context: ControllerContext,
  request: CreateGroupSnapshotRequest,
  signal: AbortSignal,
): Promise<GroupSnapshotAnswer> {
  const { name, sourceVolumeIds, parameters = {} } = request;
  refuseSnapshotParameters(parameters);
  if (sourceVolumeIds.length > VOLUMES_MAX) {
    throw new PsoError(
      "unsupported",
      `group snapshot ${name} has ${sourceVolumeIds.length} volumes and ${VOLUMES_MAX} are ` +
        "snapshotted at one moment at most: select fewer claims",
    );
  }
  const { locator } = context;
  const find = async (volumeId: string): Promise<Source> => {
    const { member, volume } = await locator.need(volumeId, signal);
    return { volumeId, member, name: volume.name };
  };
  const places = await allEnded(sourceVolumeIds.map((volumeId) => {
    const place = locator.placeByHandle(volumeId);
    return place ? { ...place, volumeId } : find(volumeId);
  }));
  try {
    return await takeOf(context, { group: name, sources: places }, signal);
  } catch (error) {
    // The other array of a stretched pod has the volumes of one that is silent.
    const isShared = places.some((place) => stretchOf(context.fleet, place) !== undefined);
    const isSilent = isPsoError(error, "unavailable", "timeout") && isShared && !signal.aborted;
    if (!isSilent && !isPsoError(error, "not_found")) throw error;
    const found = await allEnded(sourceVolumeIds.map(find));
    const isElsewhere = found.some(({ member }, at) => member !== places[at]?.member);
    if (!isElsewhere) throw error;
    return await takeOf(context, { group: name, sources: found }, signal);
  }
}

/** A group snapshot that is wanted, with the place of each volume. */
interface WantedGroup {
  /** CSI name. */
  group: string;
  sources: readonly Source[];
}

async function takeOf(
  context: ControllerContext,
  wanted: WantedGroup,
  signal: AbortSignal,
): Promise<GroupSnapshotAnswer> {
  const { deleted, fleet, locator } = context;
  const { group, sources } = wanted;
  const first = firstOnOneArray(wanted);
  const { member } = first;
  refuseTwice(wanted);
  const names = sources.map(({ name }) => name);
  const suffix = groupSuffixFor(group, names);
  const { id } = await locator.statusOf(member, signal);
  refuseLongIds(names.map((name) => groupSnapshotIdOf(id, `${name}.${suffix}`)));
  await refuseOtherVolumes(context, { group, first, suffix }, signal);
  // Noted before the call: should the reply be lost, each volume still counts as one that has
  // snapshots, and its deletion looks for them.
  for (const name of names) fleet.snapshotCreated(member, `${name}.${suffix}`);
  const made = await member.array.createGroupSnapshot(names, suffix, signal);
  const snapshots = made.map((snapshot, at) => ({
    ...answerFor(locator, id, snapshot),
    sourceVolumeId: sources[at]?.volumeId ?? "",
  }));
  for (const { snapshotId } of snapshots) deleted.forget(snapshotId);
  return {
    groupSnapshotId: groupSnapshotIdOf(id, suffix),
    snapshots,
    createdMs: latestOf(made),
    readyToUse: true,
  };
}

function latestOf(snapshots: readonly Snapshot[]): number {
  return Math.max(...snapshots.map(({ createdMs }) => createdMs));
}

/** The first volume, on whose array all are; `unsupported` when they are on several. */
function firstOnOneArray({ group, sources }: WantedGroup): Source {
  const [first] = sources;
  if (!first) throw new PsoError("invalid", `group snapshot ${group} has no volume`);
  const other = sources.find(({ member }) => member !== first.member);
  if (!other) return first;
  throw new PsoError(
    "unsupported",
    `group snapshot ${group} has volumes of several arrays: ${first.name} is on ` +
      `${first.member.array.label} and ${other.name} on ${other.member.array.label}, and only ` +
      "one array can snapshot all at one moment; select claims whose volumes are on one array",
  );
}

/** `invalid` when two handles mean one volume. */
function refuseTwice({ group, sources }: WantedGroup): void {
  const seen = new Set<string>();
  for (const { name } of sources) {
    if (seen.has(nameKey(name))) {
      throw new PsoError("invalid", `group snapshot ${group} names volume ${name} twice`);
    }
    seen.add(nameKey(name));
  }
}

/** `unsupported` when Kubernetes could not keep the handle of one of the snapshots. */
function refuseLongIds(ids: readonly string[]): void {
  const long = ids.find((id) => id.length > ID_BYTES_MAX);
  if (long === undefined) return;
  throw new PsoError(
    "unsupported",
    `the handle of snapshot ${long} would take more than the ${ID_BYTES_MAX} bytes that CSI ` +
      "allows: the name of its volume is too long for a group snapshot; snapshot it alone",
  );
}

/** A group's CSI name, what it becomes, and a volume of the group. */
interface WantedName {
  group: string;
  suffix: string;
  first: Source;
}

/**
 * `conflict` when another group of that name is there, unless the wanted one is there already: then
 * this is a repeat. A CSI name belongs to one list of volumes in the whole fleet. What listings and
 * our own creations showed costs no call; only a hit is looked up, because it may be old.
 */
async function refuseOtherVolumes(
  { fleet }: ControllerContext,
  { group, first, suffix }: WantedName,
  signal: AbortSignal,
): Promise<void> {
  const base = groupBaseFor(group);
  // The arrays of a stretched pod have the same snapshots of its volumes.
  const ids = stretchOf(fleet, first)?.ids;
  const others = fleet.snapshotsWith((other) => groupBaseOf(other) === base).filter((hit) =>
    (hit.member !== first.member && !ids?.has(hit.member.id ?? "")) ||
    !hit.name.endsWith(`.${nameKey(suffix)}`)
  );
  if (others.length === 0) return;
  if (await first.member.array.findSnapshot(`${first.name}.${suffix}`, signal)) return;
  for (const { member, name } of others) {
    if (await member.array.findSnapshot(name, signal)) {
      throw new PsoError(
        "conflict",
        `group snapshot ${group} exists already of other volumes: ${member.array.label} has ` +
          `${name}; give the new one another name`,
      );
    }
    fleet.snapshotDeleted(member, name);
  }
}
