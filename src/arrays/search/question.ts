import type { FindOptions, Snapshot, StorageArray, Volume, VolumeTrace } from "../array.ts";
import { isIdentityProblem, type Member } from "../fleet_member.ts";

/**
 * A handle that this driver gave: the array that made the object, by the first 8 hex digits of its
 * id, and the object's full name there. The array is part of the identity: a namesake on another
 * array is another object.
 */
export interface HomeHandle {
  arrayHint: string;
  name: string;
}

/** What is asked of each array. */
export interface Question<T> {
  /** `volume` or `snapshot`, for messages. */
  what: string;
  /** The object of that name, if the array has it. */
  ask: (array: StorageArray, name: string) => Promise<T | undefined>;
  /**
   * Serial of the volume that the object is, or belongs to. It proves what a name cannot: that two
   * arrays show one volume. Absent for file systems, which have none.
   */
  serialOf: (array: StorageArray, item: T) => Promise<string | undefined>;
  /** What became of the volume that the object is, or belonged to. */
  traceOf: (array: StorageArray, name: string) => Promise<VolumeTrace | undefined>;
  /** The name by which the index of an array knows the volume. */
  volumeNameOf: (name: string) => string;
}

/** An object and the array that has it. */
export interface Hit<T> {
  member: Member;
  item: T;
  name: string;
  /**
   * It is on another array than the handle names, and no serial could be compared: only the first
   * digits of its own show that the named array made it. Enough to use it, and not to destroy it.
   */
  isByMaker?: boolean;
}

/** An array that may hold the object and did not say. */
export interface SilentArray {
  member: Member;
  error: unknown;
}

/** What a search over several arrays found. */
export interface Finding<T> {
  /** Objects that differ; several arrays that show one serial count once. */
  hits: Hit<T>[];
  silent: SilentArray[];
}

/** What one array said to one name; neither an object nor an error: it has none. */
export type Answer<T> = { member: Member; name: string; item?: T; error?: unknown };

/** A search for live volumes; with `hosts`, those found say who they are connected to. */
export function volumeQuestion(
  { hosts, signal }: FindOptions,
): Question<Volume> {
  return {
    what: "volume",
    ask: (array, name) => array.findVolume(name, { hosts, signal }),
    serialOf: (_, { serial }) => Promise.resolve(serial),
    traceOf: (array, name) => array.traceVolume(name, signal),
    volumeNameOf: (name) => name,
  };
}

/** A search for live snapshots; the volume's serial stands for theirs. */
export function snapshotQuestion(signal?: AbortSignal): Question<Snapshot> {
  return {
    what: "snapshot",
    ask: (array, name) => array.findSnapshot(name, signal),
    serialOf: async (array, { volume }) => (await array.findVolume(volume, { signal }))?.serial,
    traceOf: (array, name) => array.traceVolume(name, signal),
    volumeNameOf: (name) => volumeOf("snapshot", name),
  };
}

/** The name of the volume that the object is, or belongs to. */
export function volumeOf(what: string, name: string): string {
  return what === "snapshot" ? name.slice(0, name.lastIndexOf(".")) : name;
}

/** Asks each array for each name, all at the same time. A failure is an answer too. */
export async function askAll<T>(
  members: readonly Member[],
  names: readonly string[],
  { ask }: Pick<Question<T>, "ask">,
): Promise<Answer<T>[]> {
  const askOne = async (member: Member, name: string): Promise<Answer<T>> => {
    try {
      if (isIdentityProblem(member)) throw member.problem;
      return { member, name, item: await ask(member.array, name) };
    } catch (error) {
      return { member, name, error };
    }
  };
  return await Promise.all(members.flatMap((member) => names.map((name) => askOne(member, name))));
}

/** The objects among the answers. */
export function hitsOf<T>(answers: readonly Answer<T>[]): Hit<T>[] {
  return answers.flatMap(({ member, name, item }) =>
    item === undefined ? [] : [{ member, name, item }]
  );
}

/** One hit per serial: the arrays of a stretched pod show one volume. */
export async function distinct<T>(hits: Hit<T>[], { serialOf }: Question<T>): Promise<Hit<T>[]> {
  if (hits.length < 2) return hits;
  const bySerial = new Map<string, Hit<T>>();
  for (const [index, hit] of hits.entries()) {
    const serial = await serialOf(hit.member.array, hit.item);
    const key = serial?.toUpperCase() ?? `no serial ${index}`;
    if (!bySerial.has(key)) bySerial.set(key, hit);
  }
  return [...bySerial.values()];
}
