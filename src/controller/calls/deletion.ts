import type { DeleteScope, Volume } from "../../arrays/array.ts";
import { type FleetMember, isIdentityProblem, stretchOf } from "../../arrays/fleet.ts";
import { isNeverFinal, isPsoError, messageOf, PsoError } from "../../errors.ts";
import type { ControllerContext } from "../context.ts";
import { type Deletion, isAnother, wasSentTo } from "../delete_memory.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import { awaitNoUser } from "../attachments/users.ts";
import { hostsOfStretched } from "../stretched/both_arrays.ts";
import { placeToDestroy, refuseHosts } from "../stretched/destroying.ts";
import { allPlaces } from "../stretched/places.ts";
import { nodesBehindRule, usersOf } from "./attachments.ts";
import { isOwnVolumeName } from "../../names.ts";
import { isKeptId } from "../volume_id.ts";
import { type LocatedVolume, placeKey, type VolumePlace } from "../volume_locator.ts";

/**
 * DeleteVolume. The array that the handle names is asked without a look-up, and its answer is
 * final: a volume of the same name on another array is another volume and stays. Only a volume that
 * is proven to be the same one is destroyed elsewhere. A repetition is about the volume that this
 * process chose the first time.
 */
export async function deleteVolume(
  context: ControllerContext,
  volumeId: string,
  signal: AbortSignal,
): Promise<void> {
  if (isKeptId(volumeId)) return await keepVolume(context, volumeId, signal);
  const { locator, options, published } = context;
  const place = locator.placeByHandle(volumeId);
  // Nobody gives such a name again; any other may mean another volume by now. One of a stretched pod
  // is looked at on all of its arrays.
  const isKnown = place && (isOwnVolumeName(options().clusterId, place.name) ||
    stretchOf(context.fleet, place) !== undefined);
  if (isKnown && await destroyAt(context, { volumeId, place }, signal)) return;
  const before = await begunDelete(context, volumeId, {
    what: "volume",
    find: (member, name) => member.array.findVolume(name, { signal }),
  });
  if (before) return await goOn(context, { volumeId, before }, signal);
  const found = (place && !isKnown && await volumeAt(place, signal)) ||
    await locator.find(volumeId, signal, { complete: true });
  if (!found) {
    for (const gone of locator.placesByHandle(volumeId)) published.removeAll(placeKey(gone));
    return;
  }
  const { member, volume: { name, serial, createdMs }, isByMaker: onlyTagged } = found;
  const doomed = { volumeId, place: { member, name }, serial, createdMs, onlyTagged };
  await destroyAt(context, doomed, signal);
}

async function volumeAt(
  { member, name }: VolumePlace,
  signal: AbortSignal,
): Promise<LocatedVolume | undefined> {
  const volume = await member.array.findVolume(name, { signal });
  return volume && { member, volume };
}

/**
 * Leaves a volume that was imported to stay where it is, as nobody's: its handle says so. `in_use`
 * while it is connected: its PersistentVolume must not go before.
 */
async function keepVolume(
  context: ControllerContext,
  volumeId: string,
  signal: AbortSignal,
): Promise<void> {
  const { locator, log } = context;
  const found = await locator.find(volumeId, signal, { hosts: true });
  if (!found) return;
  const { member, volume: { name, hosts = [] } } = found;
  const { array } = member;
  const place = { member, name };
  await refuseUsers(context, { ...place, handle: volumeId }, signal);
  const users = array.kind === "block"
    ? hosts
    : hosts.flatMap((client) => nodesBehindRule(context, place, client));
  const all = new Set([...users, ...usersOf(context, place)]);
  if (all.size > 0) {
    throw new PsoError(
      "in_use",
      `volume ${name} on array ${array.label} is connected to ${[...all].join(", ")}, and its ` +
        "PersistentVolume is deleted: detach it first",
    );
  }
  log.info("imported volume is kept on its array", { volume: name, array: array.label, volumeId });
}

/** Ends a delete that was begun. Another volume that bears the name now stays. */
async function goOn(
  context: ControllerContext,
  { volumeId, before }: { volumeId: string; before: BegunDelete<Volume> },
  signal: AbortSignal,
): Promise<void> {
  const { deletion, place, live } = before;
  if (!place) return;
  if (!live) return forgetAll(context, place);
  if (isAnother(deletion, live)) return;
  const { serial, createdMs, onlyTagged } = deletion;
  await destroyAt(context, { volumeId, place, serial, createdMs, onlyTagged }, signal);
}

/** Whose objects this cluster may destroy, and whether they are eradicated too. */
export function deleteScopeOf(
  { log, options }: Pick<ControllerContext, "log" | "options">,
): Pick<DeleteScope, "cluster" | "eradication" | "rights"> {
  const { clusterId, deleteImported, deletePrefixes, eradicateOnDelete } = options();
  const ended = (what: string, error?: unknown) => {
    if (error === undefined) log.info("eradicated", { what });
    else log.warn("destroyed and not eradicated", { what, error: messageOf(error) });
  };
  return {
    cluster: clusterId,
    rights: { deleteImported, deletePrefixes },
    eradication: eradicateOnDelete ? { ended } : undefined,
  };
}

/** How an object is looked up again. */
interface SecondLook<T> {
  /** `volume` or `snapshot`, for messages. */
  what: string;
  find: (member: FleetMember, name: string) => Promise<T | undefined>;
}

/** A delete that this process sent before, and what is live at that place now. */
interface BegunDelete<T> {
  deletion: Deletion;
  /** Absent when its array has left the configuration. */
  place?: VolumePlace;
  live?: T;
}

/**
 * What became of the delete that this process sent by that handle; `undefined` when it sent none.
 * `unavailable` when its outcome is not known and the array has left the configuration, or another
 * one answers in its place.
 */
export async function begunDelete<T>(
  { fleet, deleted }: ControllerContext,
  handle: string,
  { what, find }: SecondLook<T>,
): Promise<BegunDelete<T> | undefined> {
  const deletion = deleted.of(handle);
  if (!deletion) return undefined;
  const { name } = deletion;
  const member = fleet.members.find((one) => wasSentTo(deletion, one));
  if (!member && deletion.isDone) return { deletion };
  if (member && !isIdentityProblem(member)) {
    const place = { member, name };
    try {
      return { deletion, place, live: await find(member, name) };
    } catch (error) {
      // Another array of the pod knows what became of it.
      const [other] = stretchOf(fleet, place)?.members.filter((one) => one !== member) ?? [];
      if (!other || !isPsoError(error, "unavailable", "timeout")) throw error;
      return { deletion, place: { member: other, name }, live: await find(other, name) };
    }
  }
  throw member?.problem ?? new PsoError(
    "unavailable",
    `cannot tell whether ${what} ${handle} is destroyed: the array with the id ${deletion.array}, ` +
      "where that was begun, is not configured any more; configure it again",
  );
}

/** A volume that is to be destroyed, and the handle that means it. */
interface Doomed {
  volumeId: string;
  place: VolumePlace;
  /** As it was found; absent where nothing was looked up. */
  serial?: string;
  createdMs?: number;
  /** As `DeleteScope.onlyTagged`. */
  onlyTagged?: boolean;
}

/**
 * False when there was no live volume of that name on the array. While that one is silent, another
 * array of the volume's stretched pod may stand for it.
 */
async function destroyAt(
  context: ControllerContext,
  { volumeId, place: meant, ...doomed }: Doomed,
  signal: AbortSignal,
): Promise<boolean> {
  const { cluster, deleted, options, published } = context;
  // What bears our name is made again by us alone, perhaps by another process.
  const isOurs = isOwnVolumeName(options().clusterId, meant.name);
  const target = await placeToDestroy(context, {
    place: { ...meant, handle: volumeId },
    before: isOurs ? undefined : deleted.of(volumeId),
  }, signal);
  if (target === "another") return true;
  if (target === "destroyed") {
    forgetAll(context, meant);
    return true;
  }
  const seen = isOurs ? undefined : target.volume;
  const { serial = seen?.serial, createdMs = seen?.createdMs } = doomed;
  const { place } = target;
  const onlyTagged = doomed.onlyTagged || target.onlyTagged;
  const { member, name } = place;
  // A FlashArray itself destroys nothing that is connected.
  if (member.array.kind === "file") {
    await awaitNoUser(cluster, {
      place: { ...place, handle: volumeId },
      what: `destroy ${name} on ${member.array.label}`,
      needs: ({ isDeleting }) => !isDeleting,
    }, signal);
  }
  const destroyed = await noting(
    deleted.begin(volumeId, { member, name, serial, createdMs, onlyTagged }),
    () =>
      member.array.deleteVolume(name, {
        ...deleteScopeOf(context),
        onlyTagged,
        isNode: (client) => nodesBehindRule(context, place, client).length > 0,
        publishedTo: usersOf(context, place),
        // An array that does not heed names is looked at each time: see proveNames().
        isWatched: !member.problem && published.sawAllOf(placeKey(place)),
        signal,
      }),
  );
  if (destroyed) forgetAll(context, meant);
  else forget(context, place);
  return destroyed;
}

/**
 * `in_use` while an array of the volume's stretched pod has it connected: it is one volume, and no
 * array need know the other's hosts. No call for any other volume.
 */
async function refuseUsers(
  context: ControllerContext,
  place: MeantPlace,
  signal: AbortSignal,
): Promise<void> {
  const { name } = place;
  const hosts = await hostsOfStretched(context, { place, what: `leave ${name}` }, signal) ?? [];
  refuseHosts(name, hosts);
}

/** Notes that the array has no such volume any more. */
function forget({ fleet, published }: ControllerContext, place: VolumePlace): void {
  fleet.deleted(place.member, place.name);
  published.removeAll(placeKey(place));
}

/** Notes that the volume is destroyed, on each array of its pod. */
function forgetAll(context: ControllerContext, place: VolumePlace): void {
  for (const one of allPlaces(context, place)) forget(context, one);
}

/**
 * Sends a delete and notes how it ended. `send` answers false when there was nothing to destroy.
 */
export async function noting(
  note: { undo: () => void; done: () => void },
  send: () => Promise<boolean>,
): Promise<boolean> {
  try {
    const destroyed = await send();
    if (destroyed) note.done();
    else note.undo();
    return destroyed;
  } catch (error) {
    // An outcome that is not known is remembered: the repetition must find the same object.
    if (!isNeverFinal(error)) note.undo();
    throw error;
  }
}
