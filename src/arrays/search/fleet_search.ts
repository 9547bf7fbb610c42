import { messageOf, PsoError } from "../../errors.ts";
import { isOwnVolumeName } from "../../names.ts";
import type { VolumeKind } from "../array.ts";
import { arrayHintOf, type Member } from "../fleet_member.ts";
import { askPartners, isGoneFromPod, provenCopies } from "./copies.ts";
import {
  type Answer,
  askAll,
  distinct,
  type Finding,
  type Hit,
  hitsOf,
  type HomeHandle,
  type Question,
  type SilentArray,
  volumeOf,
} from "./question.ts";
import { refuseEmptyFleet } from "../../config/arrays/no_arrays.ts";

/** A handle without an array, as PSO 5 and 6 gave them: any array may have made the object. */
export interface BareHandle {
  /** Names that the object may have. */
  names: readonly string[];
  /** Only arrays of this kind are asked; absent = both. */
  kind?: VolumeKind;
}

/** How a search by bare names is meant. */
export interface BareOptions {
  /** Volumes only: say who each is connected to. */
  hosts?: boolean;
  /**
   * What is found will be destroyed or taken away, or "none" means that there is nothing to do:
   * every array that may hold the name must have answered.
   */
  complete?: boolean;
}

/** What was searched for, to judge the answers. */
interface SearchedName {
  handle: BareHandle;
  /** `volume` or `snapshot`, for messages. */
  what: string;
  /**
   * The cluster whose names prove that it made the volume; absent: an array that is silent is never
   * passed over.
   */
  trusted?: string;
}

/** What a search needs to know of the fleet. */
export interface SearchedFleet {
  members: readonly Member[];
  /** False only when a complete listing of the array does not show the volume. */
  mayHold: (member: Member, volumeName: string) => boolean;
  /** What an array was called that was taken out and let go, by the first digits of its id. */
  leftLabel: (arrayHint: string) => string | undefined;
}

/**
 * The object behind a handle that names its array. That array's answer is final: live is the
 * object, everything else is gone. Another array's object counts only when its volume bears the
 * same name and the same serial, as in a pod that is stretched over both arrays. Where the named
 * array cannot say the serial, because the volume is eradicated or was moved away, or the array is
 * not configured, a serial counts that begins with the handle's digits (`Hit.isByMaker`).
 * `unavailable` when the named array does not answer and no array of the volume's stretched pod
 * shows the object, or is not configured and no such proof is found, or when it says "gone" and an
 * array that may have such a copy does not answer; `ambiguous` when two different volumes show it.
 */
export async function findAtHome<T>(
  fleet: SearchedFleet,
  handle: HomeHandle,
  question: Question<T>,
): Promise<Hit<T> | undefined> {
  const { arrayHint, name } = handle;
  const home = memberByHint(fleet.members, arrayHint);
  let answer: HomeAnswer<T> | undefined;
  try {
    answer = home && await askHome(home, name, question);
  } catch (error) {
    const atPartner = home && await askPartners(fleet, { home, name }, question);
    if (atPartner) return atPartner.hit;
    throw error;
  }
  if (home && answer?.item !== undefined) return { member: home, item: answer.item, name };
  if (answer?.isFinal) return undefined;
  const others = fleet.members.filter((member) => member !== home && !member.twin);
  const copy = { ...handle, serial: answer?.serial };
  const { hits, silent } = await provenCopies(others, copy, question);
  if (hits.length > 1) throw severalError(question.what, hits);
  if (hits[0]) return hits[0];
  if (home && silent.length > 0) throw silentError(question.what, [name], silent);
  if (home || await isGoneFromPod(others, handle, question)) return undefined;
  const left = fleet.leftLabel(arrayHint);
  throw new PsoError(
    "unavailable",
    `cannot tell whether ${question.what} ${name} exists: the array ${arrayHint}…` +
      (left === undefined ? "" : ` (${left}, which was taken out when it held nothing more)`) +
      `, which made it, is not among the configured arrays (${labelsOf(fleet.members)}); put the ` +
      `entry of the array whose id begins with ${arrayHint} into the configuration again ` +
      "(`purearray list` shows the id)",
  );
}

/** What the home array says of an object. */
interface HomeAnswer<T> {
  item?: T;
  /** No other array can have the same one. */
  isFinal: boolean;
  /** Serial of the volume, which is destroyed there. */
  serial?: string;
}

/**
 * Asks the home array. A live volume there ends the search: a snapshot that it does not have is
 * gone. `unavailable` when it does not answer.
 */
async function askHome<T>(
  home: Member,
  name: string,
  question: Question<T>,
): Promise<HomeAnswer<T>> {
  const need = <A>(answer: Answer<A> | undefined) => {
    if (answer?.error === undefined) return answer?.item;
    throw silentError(question.what, [name], [{ member: home, error: answer.error }]);
  };
  const [found] = await askAll([home], [name], question);
  const item = need(found);
  if (item !== undefined) return { item, isFinal: true };
  if (home.array.kind === "file") return { isFinal: true };
  const volume = question.volumeNameOf(name);
  const trace = need((await askAll([home], [volume], { ask: question.traceOf }))[0]);
  if (!trace) return { isFinal: false };
  return { isFinal: trace.isLive || trace.serial === undefined, serial: trace.serial };
}

/**
 * Every object that bears one of the names, on any array of the kind, and the arrays that may hold
 * another and did not answer. An array that was listed completely without the name need not answer.
 * `unavailable` when there is no array at all.
 */
export async function findBare<T>(
  fleet: SearchedFleet,
  { names, kind }: BareHandle,
  question: Question<T>,
): Promise<Finding<T>> {
  refuseEmptyFleet(fleet);
  const asked = fleet.members.filter((member) =>
    !member.twin && (kind === undefined || member.array.kind === kind)
  );
  const answers = await askAll(asked, names, question);
  const silent = new Map<Member, SilentArray>();
  for (const { member, name, error } of answers) {
    if (error === undefined || !fleet.mayHold(member, question.volumeNameOf(name))) continue;
    silent.set(member, { member, error });
  }
  return { hits: await distinct(hitsOf(answers), question), silent: [...silent.values()] };
}

/**
 * The hits, once no silent array can change what they mean. `unavailable` while one can. An array
 * that was never listed may be passed over when it is silent, but only if exactly one array has the
 * name and the name proves that `trusted`, this cluster, made the volume. One that showed the name,
 * in its list or to a call of this process, never is.
 */
export function certainHits<T>(
  { hits, silent }: Finding<T>,
  { handle, what, trusted }: SearchedName,
): Hit<T>[] {
  const [only, second] = hits;
  const isTrusted = only !== undefined && second === undefined &&
    isOwnVolumeName(trusted, volumeOf(what, only.name));
  const isUnknownThere = ({ member: { warm, index } }: SilentArray) =>
    !warm && only !== undefined && !index.has(volumeOf(what, only.name));
  if (silent.length === 0 || (isTrusted && silent.every(isUnknownThere))) return hits;
  throw silentError(what, handle.names, silent);
}

/** The hit, if there is one; `ambiguous` when there are several. */
export function onlyHit<T>(what: string, hits: readonly Hit<T>[]): Hit<T> | undefined {
  if (hits.length > 1) throw severalError(what, hits);
  return hits[0];
}

/** The member whose id begins so; `undefined` for an id that no configured array has. */
export function memberByHint(members: readonly Member[], arrayHint: string): Member | undefined {
  return members.find(({ id, twin }) => !twin && id !== undefined && arrayHintOf(id) === arrayHint);
}

/** `unavailable`: these arrays may hold the object and did not answer. */
function silentError(
  what: string,
  names: readonly string[],
  silent: readonly SilentArray[],
): PsoError {
  const reasons = silent.map(({ member, error }) =>
    `${member.array.label} did not answer (${messageOf(error)})`
  );
  return new PsoError(
    "unavailable",
    `cannot tell whether ${what} ${names.join(" or ")} exists: ${reasons.join("; ")}`,
    { cause: silent[0]?.error },
  );
}

/** `ambiguous`: several objects bear the name, and the message lists the handle of each. */
export function severalError<T>(what: string, hits: readonly Hit<T>[]): PsoError {
  return new PsoError(
    "ambiguous",
    `${hits.length} arrays have a ${what} ${hits[0]?.name}, and the handle does not say which is ` +
      `meant: write one of ${handlesText(hits)} into the ` +
      (what === "snapshot" ? "VolumeSnapshotContent" : "PersistentVolume"),
  );
}

/** The handle of each hit with the label of its array, for messages. */
export function handlesText<T>(hits: readonly Hit<T>[]): string {
  return hits.map(({ member, name }) =>
    `${arrayHintOf(member.id ?? "")}/${name} (${member.array.label})`
  ).join(", ");
}

function labelsOf(members: readonly Member[]): string {
  return members.map(({ array }) => array.label).join(", ") || "none";
}
