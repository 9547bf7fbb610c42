import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { SingleFlight } from "../async/single_flight.ts";
import { pause, withDeadline } from "../async/wait.ts";
import type { ArrayStatus, Snapshot, StorageArray, Volume } from "./array.ts";
import {
  type FleetMember,
  IdentityError,
  isIdentityProblem,
  Member,
  setTwin,
} from "./fleet_member.ts";

export type { FleetMember } from "./fleet_member.ts";

export interface FleetOptions {
  log: Logger;
  now?: () => number;
  /** Names that this cluster creates begin so (`k8s-`); only those are indexed. Absent: all. */
  prefix?: string;
  /** Longest wait for one array's facts (default 30 s); a listing has it per page. */
  timeoutMs?: number;
}

const PAGE_LIMIT = 1000;
/**
 * Until every array has been listed once, its next try comes this soon: a cold array costs look-ups
 * and blocks unclear creates.
 */
const COLD_INTERVAL_MS = 5_000;

/** The eight hex digits that begin a volume handle. */
export function arrayHintOf(arrayId: string): string {
  return arrayId.replaceAll("-", "").slice(0, 8).toLowerCase();
}

/** Where to look for a volume or snapshot. */
export interface FleetHandle {
  /** First 8 hex digits of the array's id: where it was made. */
  arrayHint?: string;
  name: string;
}

/** What the fleet is made of. */
export interface FleetEntry {
  array: StorageArray;
  labels?: Readonly<Record<string, string>>;
}

/** All configured arrays: their health, where a name may be, and where it is. */
export class Fleet {
  #members: Member[];
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #checks = new SingleFlight<Member, void>();
  /** Begins to watch a member that came later; nothing while run() does not run. */
  #watch: (member: Member) => void = () => {};

  constructor(members: FleetEntry[], options: FleetOptions) {
    this.#members = members.map(({ array, labels }) => new Member(array, labels ?? {}));
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#prefix = options.prefix ?? "";
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  get members(): readonly FleetMember[] {
    return this.#members;
  }

  /**
   * Asks every array once, all at the same time, for its facts, and lists those that are not warm.
   * A bad array only gets a `problem`.
   */
  async refresh(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#refreshMember(member, signal)));
  }

  /** Keeps asking until the signal; a slow array delays only itself. Never throws. */
  async run(signal: AbortSignal, options: { intervalMs: number }): Promise<void> {
    const watches: Promise<void>[] = [];
    this.#watch = (member) =>
      watches.push(this.#keepAsking(member, { signal, intervalMs: options.intervalMs }));
    this.#members.forEach(this.#watch);
    await new Promise<void>((resolve) =>
      signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })
    );
    await Promise.all(watches);
  }

  /**
   * Takes up a changed configuration. An array whose client is the same object keeps all that is
   * known of it; a new one begins cold, so that names are looked up on it until it was listed; one
   * that is gone is asked nothing more.
   */
  replace(entries: FleetEntry[]): void {
    const before = new Map(this.#members.map((member) => [member.array, member]));
    this.#members = entries.map(({ array, labels = {} }) => {
      const member = before.get(array) ?? new Member(array, labels);
      member.labels = labels;
      return member;
    });
    for (const member of this.#members) if (!before.has(member.array)) this.#watch(member);
  }

  async #keepAsking(
    member: Member,
    { signal, intervalMs }: { signal: AbortSignal; intervalMs: number },
  ): Promise<void> {
    while (!signal.aborted && this.#members.includes(member)) {
      await this.#refreshMember(member, signal);
      const nextMs = member.warm ? intervalMs : Math.min(COLD_INTERVAL_MS, intervalMs);
      // A fifth of spread, so that many arrays are not all asked in the same moment.
      await pause(nextMs * (0.9 + Math.random() * 0.2), signal).catch(() => {});
    }
  }

  /**
   * Whether a volume of that name may be on the array. `false` only if the array was listed
   * completely, the name was not in that list, and no call of this process created it or tried to
   * with an unclear outcome.
   */
  mayHold(member: FleetMember, volumeName: string): boolean {
    const { index, warm } = this.#own(member);
    return !warm || !volumeName.startsWith(this.#prefix) || index.has(volumeName);
  }

  /** Whether the volume may have snapshots there; `false` only by the rule of `mayHold`. */
  mayHaveSnapshots(member: FleetMember, volumeName: string): boolean {
    const { index, warm } = this.#own(member);
    return !warm || !volumeName.startsWith(this.#prefix) || index.hasSnapshotsOf(volumeName);
  }

  /**
   * Where a snapshot of that suffix may be, by listings and our own creations; names in lower case.
   * Nothing is known of arrays that are not warm.
   */
  volumesWithSnapshot(suffix: string): { member: FleetMember; volume: string }[] {
    return this.#members.flatMap((member) =>
      member.index.volumesWithSnapshot(suffix).map((volume) => ({ member, volume }))
    );
  }

  /** How many volume names are indexed for the array. */
  indexedVolumes(member: FleetMember): number {
    return this.#own(member).index.size;
  }

  /**
   * To be noted before or right after a volume came to be. Repeating it changes nothing, as with
   * all notes below.
   */
  created(member: FleetMember, volumeName: string): void {
    this.#own(member).index.add(volumeName);
  }

  /**
   * To be noted when a create was sent and its outcome is not known: the name is looked up from now
   * on.
   */
  unclear(member: FleetMember, volumeName: string): void {
    this.#own(member).index.add(volumeName);
  }

  /** To be noted after the array confirmed that the volume is destroyed or gone. */
  deleted(member: FleetMember, volumeName: string): void {
    this.#own(member).index.remove(volumeName);
  }

  /** To be noted before a snapshot `volume.suffix` is asked for (its outcome may stay unclear). */
  snapshotCreated(member: FleetMember, snapshotName: string): void {
    this.#own(member).index.addSnapshot(snapshotName);
  }

  /** To be noted after the array confirmed that the snapshot is destroyed or gone. */
  snapshotDeleted(member: FleetMember, snapshotName: string): void {
    this.#own(member).index.removeSnapshot(snapshotName);
  }

  /**
   * Nothing is known about names any more: another process may have made some (it was the leader
   * meanwhile).
   */
  coolDown(): void {
    for (const member of this.#members) member.index.reset();
  }

  /**
   * The array whose id begins so; `undefined` for a strange id, while the array has not answered
   * yet, or when another answers in its place.
   */
  memberByHint(hint: string): FleetMember | undefined {
    const member = this.#byHint(hint);
    return member && !isIdentityProblem(member) ? member : undefined;
  }

  /**
   * Where the volume is: the hinted array is asked first, then all others at the same time (it may
   * have been moved). `undefined` only when every array that could hold it has answered; otherwise
   * `unavailable`, naming those that did not answer and why.
   */
  async find(
    handle: FleetHandle,
    signal?: AbortSignal,
    options: { hosts?: boolean } = {},
  ): Promise<{ member: FleetMember; volume: Volume } | undefined> {
    const found = await this.#search(
      { ...handle, what: `volume ${handle.name}`, volumeName: handle.name },
      (array, signal) => array.findVolume(handle.name, { ...options, signal }),
      signal,
    );
    return found && { member: found.member, volume: found.item };
  }

  /** Where the snapshot `volume.suffix` is, by the rules of `find`. */
  async findSnapshot(
    handle: FleetHandle,
    signal?: AbortSignal,
  ): Promise<{ member: FleetMember; snapshot: Snapshot } | undefined> {
    const found = await this.#search(
      {
        ...handle,
        what: `snapshot ${handle.name}`,
        volumeName: handle.name.split(".")[0] ?? handle.name,
      },
      (array, signal) => array.findSnapshot(handle.name, signal),
      signal,
    );
    return found && { member: found.member, snapshot: found.item };
  }

  async #search<T>(
    handle: FleetHandle & { what: string; volumeName: string },
    ask: (array: StorageArray, signal: AbortSignal) => Promise<T | undefined>,
    signal?: AbortSignal,
  ): Promise<{ member: Member; item: T } | undefined> {
    const done = new AbortController();
    const onAbort = () => done.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#searchWithin(handle, (array) => ask(array, done.signal));
    } finally {
      signal?.removeEventListener("abort", onAbort);
      done.abort(); // the slower arrays need not answer any more
    }
  }

  async #searchWithin<T>(
    handle: FleetHandle & { what: string; volumeName: string },
    ask: (array: StorageArray) => Promise<T | undefined>,
  ): Promise<{ member: Member; item: T } | undefined> {
    const failures: { member: Member; error: unknown }[] = [];
    const askOne = async (member: Member) => {
      try {
        if (isIdentityProblem(member)) throw member.problem;
        const item = await ask(member.array);
        return item === undefined ? undefined : { member, item };
      } catch (error) {
        failures.push({ member, error });
        return undefined;
      }
    };
    await this.#identifyAll(handle.arrayHint);
    const likely = handle.arrayHint === undefined
      ? this.#members.find((member) => member.index.has(handle.volumeName))
      : this.#byHint(handle.arrayHint);
    const here = likely && await askOne(likely);
    if (here) return here;
    const others = this.#members.filter((member) => member !== likely && !member.twin);
    const there = await firstFound(others.map(askOne));
    if (there) return there;
    this.#refuseIfUnsure(handle, { likely, failures });
    return undefined;
  }

  /** A hint says nothing while an array was never asked who it is (right after the start). */
  async #identifyAll(hint: string | undefined): Promise<void> {
    if (hint === undefined || this.#byHint(hint)) return;
    await Promise.all(
      this.#members.filter((member) => member.checkedMs === undefined).map((member) =>
        this.#refreshMember(member)
      ),
    );
  }

  /** Throws unless every array that could hold it has said that it does not. */
  #refuseIfUnsure(
    handle: FleetHandle & { what: string; volumeName: string },
    search: { likely?: Member; failures: { member: Member; error: unknown }[] },
  ): void {
    // An array that answered before and was listed completely without the name need not answer now:
    // it is an unrelated one.
    const silent = search.failures.filter(({ member }) =>
      member === search.likely || this.mayHold(member, handle.volumeName)
    );
    if (silent.length > 0) {
      const reasons = silent.map(({ member, error }) =>
        `${member.array.label} did not answer (${messageOf(error)})`
      ).join("; ");
      throw new PsoError("unavailable", `cannot tell whether ${handle.what} exists: ${reasons}`, {
        cause: silent[0]?.error,
      });
    }
    if (handle.arrayHint !== undefined && search.likely === undefined) {
      throw new PsoError(
        "unavailable",
        `cannot tell whether ${handle.what} exists: it was made on the array ${handle.arrayHint}…, which is not among the configured ` +
          `arrays (${
            this.#members.map((member) => member.array.label).join(", ") || "none"
          }); configure that array again`,
      );
    }
  }

  #byHint(hint: string): Member | undefined {
    const wanted = hint.toLowerCase();
    return this.#members.find((member) =>
      !member.twin && member.id !== undefined && arrayHintOf(member.id) === wanted
    );
  }

  #own(member: FleetMember): Member {
    if (member instanceof Member) return member;
    throw new PsoError("invalid", `array ${member.array.label} is no member of this fleet`);
  }

  /** One check at a time per array; who comes while one runs waits for it. */
  #refreshMember(member: Member, signal?: AbortSignal): Promise<void> {
    return this.#checks.run(member, () => this.#check(member, signal));
  }

  async #check(member: Member, signal?: AbortSignal): Promise<void> {
    const before = member.problem;
    try {
      const status = await this.#timed(member, signal, (within) => member.array.status(within));
      this.#identify(member, status);
      member.status = status;
      if (!member.warm) await this.#warm(member, signal);
      member.problem = undefined;
      if (before) this.#log.info("array is well again", { array: member.array.label });
    } catch (error) {
      if (signal?.aborted) return; // we are leaving: that says nothing about the array
      member.problem = isPsoError(error) ? error : new PsoError(
        "unavailable",
        `array ${member.array.label} cannot be checked: ${messageOf(error)}`,
        { cause: error },
      );
      if (before?.message !== member.problem.message) {
        this.#log.warn("array has a problem", {
          array: member.array.label,
          code: member.problem.code,
          problem: member.problem.message,
        });
      }
    }
    member.checkedMs = this.#now();
  }

  /**
   * Refuses a second entry for an array that is there already, and another array at an address that
   * was one before.
   */
  #identify(member: Member, status: ArrayStatus): void {
    if (member.id !== undefined && member.id !== status.id) {
      throw new IdentityError(
        `the array at ${member.array.address} is another one than before: id ${status.id}, and it was ${member.id}; ` +
          `if it was replaced on purpose, restart the controller`,
      );
    }
    const twin = this.#members.find((other) =>
      other !== member && !other.twin && other.id === status.id
    );
    // The entry that comes first in the configuration counts, whichever answered first.
    if (twin && this.#members.indexOf(twin) > this.#members.indexOf(member)) {
      setTwin(twin, member);
    } else if (twin) {
      setTwin(member, twin);
      throw member.problem;
    } else {
      member.twin = false;
    }
    member.id = status.id;
  }

  async #warm(member: Member, signal?: AbortSignal): Promise<void> {
    const { array, index } = member;
    const prefix = this.#prefix === "" ? undefined : this.#prefix;
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const page = await this.#timed(
        member,
        signal,
        (within) => array.listVolumes({ prefix, limit: PAGE_LIMIT, token }, within),
      );
      for (const volume of page.items) index.add(volume.name);
      token = page.nextToken;
    }
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const page = await this.#timed(
        member,
        signal,
        (within) => array.listSnapshots({ prefix, limit: PAGE_LIMIT, token }, within),
      );
      for (const snapshot of page.items) index.addSnapshot(snapshot.name);
      token = page.nextToken;
    }
    // What was deleted while we listed may have come back by an older page: that costs a look-up,
    // nothing else.
    index.complete = true;
    this.#log.info("array listed", { array: array.label, volumes: index.size });
  }

  #timed<T>(
    member: Member,
    signal: AbortSignal | undefined,
    work: (within: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return withDeadline(`the check of array ${member.array.label}`, {
      timeoutMs: this.#timeoutMs,
      signal,
    }, work);
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
