import type { Volume } from "../../arrays/array.ts";
import {
  arrayHintOf,
  type Fleet,
  type FleetMember,
  hasContainers,
  isIdentityProblem,
} from "../../arrays/fleet.ts";
import { withDeadline } from "../../async/wait.ts";
import { messageOf, PsoError } from "../../errors.ts";
import type { ClaimFacts } from "../placement/spread_group.ts";
import type { ContentSource } from "../requests.ts";
import { topologyFault } from "../topology.ts";
import { parseSnapshotId, parseVolumeId, volumeOfSnapshot } from "../volume_id.ts";
import type { LocatedVolume, VolumeLocator } from "../volume_locator.ts";
import { sizeMismatch } from "../volume_size.ts";
import { neverFinalWhenUnclear } from "./unclear_outcome.ts";
import type { WantedVolume } from "./wanted_volume.ts";
import { baseNameOf, nameKey, protectedSnapshot } from "../../names.ts";

/**
 * How long a create waits for an array that is known not to answer, or that never did. It may be
 * back since its last check, and the claim's events shall show the reason and no deadline.
 */
const UNWELL_WAIT_MS = 800;

/** What is looked for. */
export interface NameSearch {
  wanted: WantedVolume;
  /**
   * Whether no process before this one can have tried to make the volume. Absent: one may have. It
   * is asked at the moment at which the arrays' names are read.
   */
  isNew?: () => boolean;
}

/** How the name is looked for: of a claim that nobody can have tried before, without a wait. */
export function searchOf(wanted: WantedVolume, claim: ClaimFacts | undefined): NameSearch {
  const isNew = () =>
    claim?.uid !== undefined && wanted.request.name === `pvc-${claim.uid}` &&
    claim.isNew?.() === true;
  return { wanted, isNew };
}

/**
 * The volume that bears the wanted name already; `undefined` when there is none. An array is asked
 * only if it may hold the name, in whatever pod or volume group: one that was listed completely and
 * never showed the name needs no call. `unavailable` when an array that may hold the name does not answer, because two volumes of
 * one name are worse than a wait. Passed over without an answer are a suspended array, as the
 * administrator decided, and for a new claim each array on which this process did not try it.
 */
export async function findExistingVolume(
  fleet: Fleet,
  { wanted: { name, kind, request }, isNew = () => false }: NameSearch,
  signal: AbortSignal,
): Promise<LocatedVolume | undefined> {
  // A cold array of the other kind is not asked: the class of a claim never changes, and with it
  // the kind.
  const all = fleet.members.filter((member) =>
    fleet.mayHaveMade(member, name) && (member.array.kind === kind || member.warm)
  );
  const untried = new Set(isNew() ? all.filter((member) => !fleet.isIndexed(member, name)) : []);
  const suspects = all.filter((member) => !untried.has(member) || isWell(member));
  const answers = await Promise.allSettled(
    suspects.map((member) => lookUp({ member, fleet, name, isQuick: untried.has(member) }, signal)),
  );
  const silent: string[] = [];
  const found: LocatedVolume[] = [];
  for (const [index, answer] of answers.entries()) {
    const member = suspects[index];
    if (!member) continue;
    if (answer.status === "rejected") {
      if (member.suspended || untried.has(member)) continue;
      silent.push(silenceOf(member, answer.reason));
    } else found.push(...answer.value.map((volume) => ({ member, volume })));
  }
  // A name that was not found stays in the index: a create whose outcome was unclear may still be
  // on its way to the array.
  if (silent.length > 0) {
    throw new PsoError(
      "unavailable",
      `Cannot create ${request.name}: it may exist already on an array that is silent: ${
        silent.join("; ")
      }`,
    );
  }
  refuseOtherPlace({ name, requestName: request.name }, found);
  refuseNamesakes(name, found);
  return found.find(isAtHome) ?? found[0];
}

function silenceOf({ array, draining }: FleetMember, reason: unknown): string {
  const silence = `${array.label} did not answer (${messageOf(reason)})`;
  return draining
    ? `${silence} and was taken out of the configuration: put it in again, or, if it is gone for ` +
      "ever, restart the controller"
    : silence;
}

/** Whether the volume's serial shows that the array made it: its handle names that array. */
function isAtHome({ member: { id }, volume: { serial } }: LocatedVolume): boolean {
  return id !== undefined && serial?.toLowerCase().startsWith(arrayHintOf(id)) === true;
}

function isWell({ status, problem }: FleetMember): boolean {
  return status !== undefined && problem === undefined;
}

/** A name on an array. */
interface LookUp {
  fleet: Fleet;
  member: FleetMember;
  name: string;
  /** Its answer is not waited for long. */
  isQuick: boolean;
}

/**
 * The volumes of that name on the array, in whatever pod or volume group; with the reason of the
 * last check if it does not answer.
 */
async function lookUp(asked: LookUp, signal: AbortSignal): Promise<Volume[]> {
  const { member, name, isQuick } = asked;
  const { array, problem, suspended } = member;
  if (isIdentityProblem(member)) throw problem;
  if (isWell(member) && !suspended && !isQuick) return await volumesLike(asked, signal);
  try {
    const what = `the search for ${name} on ${array.label}, which never answered so far,`;
    const wait = { timeoutMs: UNWELL_WAIT_MS, signal };
    return await withDeadline(what, wait, (within) => volumesLike(asked, within));
  } catch (error) {
    throw problem ?? error;
  }
}

/** How many volumes of one name are looked at: two are too many. */
const ALIKE = 10;

/**
 * The live volumes of that name. An array that was not listed may have it in a pod or volume group
 * that nobody knows: it is asked for the name in all of them, if the volume is wanted in one or the
 * array has any.
 */
async function volumesLike(
  { fleet, member, name }: LookUp,
  signal: AbortSignal,
): Promise<Volume[]> {
  const { array, status } = member;
  const { names, isWhole } = fleet.namesLike(member, name);
  const base = baseNameOf(name);
  const mayBeElsewhere = base !== name || hasContainers(status?.containers);
  const [found, alike] = await Promise.all([
    Promise.all(names.map((one) => array.findVolume(one, { signal }))),
    isWhole || !mayBeElsewhere || array.kind === "file"
      ? []
      : array.listVolumes({ base, limit: ALIKE }, signal).then(({ items }) => items),
  ]);
  const byName = new Map<string, Volume>();
  for (const volume of [...alike, ...found]) if (volume) byName.set(nameKey(volume.name), volume);
  return [...byName.values()];
}

/**
 * `unavailable` when a volume of the wanted name is in another pod or volume group than the wanted
 * one, or only one of the two is in any: it may be what an earlier call made, and a second one would
 * be a duplicate.
 */
function refuseOtherPlace(
  { name, requestName }: { name: string; requestName: string },
  found: readonly LocatedVolume[],
): void {
  const other = found.find(({ volume }) => nameKey(volume.name) !== nameKey(name));
  if (other === undefined) return;
  throw new PsoError(
    "unavailable",
    `Cannot create ${requestName}: ${other.member.array.label} has ${other.volume.name}, and ` +
      `${name} is asked for: move it there on the array if it is this claim's, else rename or ` +
      "remove it",
  );
}

/**
 * `unavailable` when several arrays have different volumes of the name: only one of them can be the
 * volume that an earlier call made, and nothing shows which. Arrays that show one serial show one
 * volume.
 */
function refuseNamesakes(name: string, found: readonly LocatedVolume[]): void {
  const serials = new Set(found.map(({ volume }) => volume.serial ?? Symbol("no serial")));
  if (serials.size < 2) return;
  const places = found.map(({ member, volume }) =>
    `${member.array.label} (${
      volume.serial === undefined ? "file system" : `serial ${volume.serial}`
    })`
  );
  throw new PsoError(
    "unavailable",
    `Cannot create ${name}: ${
      places.join(" and ")
    } both have it, and they are different volumes; ` +
      "rename or remove the one that is not this claim's",
  );
}

/** A volume that bears the wanted name, and what is asked for. */
export interface Adoption {
  existing: LocatedVolume;
  wanted: WantedVolume;
}

/**
 * `conflict` when the volume was made from a namesake of the wanted source: an array tells only the
 * name of a source, and that means one volume only together with the array. `unavailable` while it
 * cannot be told which array has the wanted source. No call when the source's handle names the
 * array that the volume is on.
 */
export async function refuseNamesakesCopy(
  { fleet, locator }: { fleet: Fleet; locator: VolumeLocator },
  { existing: { member, volume }, wanted: { request } }: Adoption,
  signal: AbortSignal,
): Promise<void> {
  const { contentSource } = request;
  if (!contentSource) return;
  const isSnapshot = "snapshotId" in contentSource;
  const id = isSnapshot ? contentSource.snapshotId : contentSource.volumeId;
  const { arrayHint } = isSnapshot ? parseSnapshotId(id) : parseVolumeId(id);
  if (arrayHint !== undefined && await fleet.identify(arrayHint) === member) return;
  const source = await neverFinalWhenUnclear({
    what: `tell whether ${volume.name} on ${member.array.label} was made from ${id}`,
    final: [],
    work: async (): Promise<{ member: FleetMember } | undefined> =>
      isSnapshot ? await locator.findSnapshot(id, signal) : await locator.find(id, signal),
  });
  if (source?.member === member) return;
  const place = source ? `is on ${source.member.array.label}` : "does not exist any more";
  throw new PsoError(
    "conflict",
    `${request.name} exists already on ${member.array.label} as ${volume.name}, and differs: ` +
      `it was made from ${volume.source} of that array, and the source ${id} that is asked for ` +
      `${place}; rename or remove the one that is not this claim's`,
  );
}

/**
 * `conflict` when the volume that bears the wanted name is not what the request describes: another
 * kind, source, place or size. A clone that is still smaller than asked for passes, because it is
 * grown after it was made.
 */
export function refuseDifferentVolume(
  { member, volume }: LocatedVolume,
  { request, kind, range }: WantedVolume,
): void {
  const refuse = (difference: string) =>
    new PsoError(
      "conflict",
      `${request.name} exists already on ${member.array.label} as ${volume.name}, and differs: ` +
        difference,
    );
  if (member.array.kind !== kind) {
    throw refuse(`it is a ${member.array.kind} volume and ${kind} is asked for`);
  }
  const { contentSource } = request;
  if (!isMadeFrom(volume.source, contentSource)) {
    const asked = contentSource &&
      ("snapshotId" in contentSource ? contentSource.snapshotId : contentSource.volumeId);
    throw refuse(`it has ${sourceText(volume.source)} and ${sourceText(asked)} is asked for`);
  }
  const fault = topologyFault(member.labels, request.topology);
  if (fault !== undefined) throw refuse(`the array ${fault}`);
  const mismatch = sizeMismatch(
    volume.sizeBytes,
    contentSource ? { ...range, requiredBytes: 0 } : range,
  );
  if (mismatch !== undefined) throw refuse(mismatch);
}

function sourceText(source: string | undefined): string {
  return source === undefined ? "no source" : `the source ${source}`;
}

/** Whether a volume whose source the array names so was made from `contentSource`. */
function isMadeFrom(source: string | undefined, contentSource: ContentSource | undefined): boolean {
  if (contentSource === undefined || source === undefined) {
    return contentSource === undefined && source === undefined;
  }
  const isSource = (name: string) => nameKey(name) === nameKey(source);
  if ("volumeId" in contentSource) {
    return parseVolumeId(contentSource.volumeId).names.some(isSource);
  }
  // Some versions of Purity name the volume of the snapshot instead of the snapshot.
  return parseSnapshotId(contentSource.snapshotId).names.some((name) =>
    isSource(name) || isSource(protectedSnapshot(name)?.volume ?? volumeOfSnapshot(name))
  );
}
