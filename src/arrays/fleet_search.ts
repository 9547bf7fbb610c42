import { messageOf, PsoError } from "../errors.ts";
import type { StorageArray } from "./array.ts";
import { isIdentityProblem, type Member, memberByHint } from "./fleet_member.ts";

/** Something that may be on any array of the fleet. */
export interface Search<T> {
  /** What messages call it: `volume pvc-1`. */
  what: string;
  /** The volume that it is, or that it belongs to. */
  volumeName: string;
  /** First 8 hex digits of the id of the array where it was made. */
  arrayHint?: string;
  /** Looks for it on one array; undefined when it is not there. */
  ask: (array: StorageArray, signal: AbortSignal) => Promise<T | undefined>;
}

/** Where is searched. */
export interface SearchPlaces {
  /** Asked for at each step: the configuration may change while a search runs. */
  members: () => readonly Member[];
  /** As Fleet.mayHold. */
  mayHold: (member: Member, volumeName: string) => boolean;
}

/** What a search found, and where. */
export interface Found<T> {
  member: Member;
  item: T;
}

/** An array that gave no answer, and why. */
interface Silence {
  member: Member;
  error: unknown;
}

/**
 * Asks the likely array first: the one that the hint names, or whose list has the name. Then asks
 * all others at the same time, because the volume may have been moved. Undefined only when every
 * array that could hold it has answered, else `unavailable`. Calls that are not needed any more are
 * ended.
 */
export async function searchMembers<T>(
  places: SearchPlaces,
  search: Search<T>,
  signal?: AbortSignal,
): Promise<Found<T> | undefined> {
  const done = new AbortController();
  const onAbort = () => done.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await searchUntil(places, search, done.signal);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    done.abort(); // the slower arrays need not answer any more
  }
}

async function searchUntil<T>(
  places: SearchPlaces,
  search: Search<T>,
  signal: AbortSignal,
): Promise<Found<T> | undefined> {
  const { members } = places;
  const silences: Silence[] = [];
  const askOne = async (member: Member) => {
    try {
      if (isIdentityProblem(member)) throw member.problem;
      const item = await search.ask(member.array, signal);
      return item === undefined ? undefined : { member, item };
    } catch (error) {
      silences.push({ member, error });
      return undefined;
    }
  };
  const likely = search.arrayHint === undefined
    ? members().find((member) => member.index.has(search.volumeName))
    : memberByHint(members(), search.arrayHint);
  const here = likely && await askOne(likely);
  if (here) return here;
  const others = members().filter((member) => member !== likely && !member.twin);
  const there = await firstFound(others.map(askOne));
  if (there) return there;
  refuseIfUnsure(places, search, { likely, silences });
  return undefined;
}

/** `unavailable` unless every array that could hold it has said that it does not. */
function refuseIfUnsure<T>(
  { members, mayHold }: SearchPlaces,
  { what, volumeName, arrayHint }: Search<T>,
  { likely, silences }: { likely?: Member; silences: Silence[] },
): void {
  // An array that answered before and was listed completely without the name need not answer now:
  // it has nothing to do with the name.
  const unsure = silences.filter(({ member }) => member === likely || mayHold(member, volumeName));
  if (unsure.length > 0) {
    const reasons = unsure.map(({ member, error }) =>
      `${member.array.label} did not answer (${messageOf(error)})`
    ).join("; ");
    throw new PsoError("unavailable", `cannot tell whether ${what} exists: ${reasons}`, {
      cause: unsure[0]?.error,
    });
  }
  if (arrayHint !== undefined && likely === undefined) {
    const labels = members().map((member) => member.array.label).join(", ") || "none";
    throw new PsoError(
      "unavailable",
      `cannot tell whether ${what} exists: it was made on the array ${arrayHint}…, which is not ` +
        `among the configured arrays (${labels}); configure that array again`,
    );
  }
}

/**
 * The first result that is there, or undefined when all have ended without one. The attempts must
 * not reject.
 */
function firstFound<T>(attempts: Promise<T | undefined>[]): Promise<T | undefined> {
  return new Promise((resolve) => {
    let open = attempts.length;
    if (open === 0) resolve(undefined);
    for (const attempt of attempts) {
      attempt.then((found) => {
        open -= 1;
        if (found !== undefined) resolve(found);
        else if (open === 0) resolve(undefined);
      });
    }
  });
}
