import { isPsoError, PsoError } from "../errors.ts";
import type { ReadyState } from "../readiness.ts";
import type { ArrayStatus, StorageArray } from "./array.ts";
import type { Drain } from "./live/drain.ts";
import { NameIndex } from "./name_index.ts";
import { QuietTime } from "./quiet_time.ts";

/** One configured array and what was last found out about it. */
export interface FleetMember {
  readonly array: StorageArray;
  readonly labels: Readonly<Record<string, string>>;
  /** The administrator wants no new volumes there, and no create that waits for it. */
  readonly suspended: boolean;
  /** The array's own UUID; absent until it has answered once. */
  readonly id?: string;
  /** Facts of the last check that succeeded; kept while the array does not answer. */
  readonly status?: ArrayStatus;
  /** When `status` was asked for; milliseconds since the epoch. */
  readonly statusMs?: number;
  /**
   * How many times slower than when it is quiet it was at its last check: 1 when idle, absent when
   * it does not say.
   */
  readonly slowdown?: number;
  /** Why it cannot be used now; absent when the last check went well and it answers. */
  readonly problem?: PsoError;
  /** Why the array refused a create though its checks go well; absent once it takes creates again. */
  readonly refusal?: PsoError;
  /** When the last check ended, whatever its result; milliseconds since the epoch. */
  readonly checkedMs?: number;
  /**
   * Its volumes and snapshots were listed completely since this process started or `coolDown()`.
   */
  readonly warm: boolean;
  /** When that list was begun; milliseconds since the epoch. */
  readonly listedMs?: number;
  /** Another entry stands for the same array: this one is never asked for volumes. */
  readonly twin: boolean;
  /**
   * Its entry was taken out of the configuration: it gets nothing new, and is served until it holds
   * nothing.
   */
  readonly draining?: boolean;
  /** Its entry came while this process led, and it never answered so far: nobody waits for it. */
  readonly joining?: boolean;
  /** Why its changed entry is not in use; it is asked by the last good one meanwhile. */
  readonly entryProblem?: PsoError;
}

/** A member as the fleet itself sees it: only the fleet writes. */
export class Member implements FleetMember {
  status?: ArrayStatus;
  statusMs?: number;
  slowdown?: number;
  refusal?: PsoError;
  checkedMs?: number;
  listedMs?: number;
  /** The id that answered first at this address: another one later is another array. */
  id?: string;
  /** As `StorageArray.serverKey`, the last time that it was asked for; seldom needed. */
  key?: string;
  twin = false;
  joining = false;
  /** Since its entry was taken out. */
  drain?: Drain;
  /** Asks by the changed entry of this array, until that is proven to lead to it. */
  successor?: Member;
  readonly quiet = new QuietTime();

  labels: Readonly<Record<string, string>> = {};
  suspended = false;

  /** What was known before names were shared. */
  #own = new NameIndex();
  #index = this.#own;
  /** The index is that of another entry, which counts in place of this one. */
  #isBorrowing = false;
  #problem?: PsoError;

  constructor(readonly array: StorageArray) {}

  /** What the last check found, else that a call since then got no answer in time. */
  get problem(): PsoError | undefined {
    return this.#problem ?? this.array.silence;
  }

  set problem(problem: PsoError | undefined) {
    this.#problem = problem;
  }

  /** What the array may hold; entries that lead to one array have one. */
  get index(): NameIndex {
    return this.#index;
  }

  /**
   * The other one is another entry of this array: what either knows of its names counts for both,
   * and so does what a call that is under way notes for the other one.
   */
  shareNames(other: Member): void {
    this.#isBorrowing = false;
    other.#isBorrowing = true;
    if (other.#index === this.#index) return;
    this.#index.addAll(other.#index);
    other.#index = this.#index;
  }

  /**
   * No other entry leads to this array: what was shared with one is that one's. What was tried by
   * this entry before stays known, and its array must be listed.
   */
  takeOwnNames(): void {
    if (!this.#isBorrowing) return;
    this.#isBorrowing = false;
    const shared = this.#index;
    if (this.#own === shared) {
      this.#own = new NameIndex();
      this.#own.addAll(shared);
    }
    this.#index = this.#own;
    this.#index.doubt();
  }

  get warm(): boolean {
    return !this.twin && this.index.complete;
  }

  get draining(): boolean {
    return this.drain !== undefined;
  }

  get entryProblem(): PsoError | undefined {
    return this.successor?.problem;
  }
}

/** The address leads to the wrong array: nothing may be asked or changed there. */
export class IdentityError extends PsoError {
  constructor(message: string) {
    super("unavailable", message);
  }
}

/**
 * Whether the array at the member's address is not the member's own, or another entry's, or may be:
 * nothing may be asked there.
 */
export function isIdentityProblem(member: FleetMember): boolean {
  return member.problem instanceof IdentityError;
}

/** Why a member that has a `problem` cannot be used, in a word. */
export function unusableState(member: FleetMember): ReadyState {
  if (isIdentityProblem(member)) return "wrong";
  if (isPsoError(member.problem, "denied")) return "denied";
  return isPsoError(member.problem, "unavailable", "timeout") ? "unreachable" : "failed";
}

/** The eight hex digits that begin a volume handle. */
export function arrayHintOf(arrayId: string): string {
  return arrayId.replaceAll("-", "").slice(0, 8).toLowerCase();
}

/** What the configuration says of an array. */
type ConfiguredArray = Pick<StorageArray, "configuredName" | "address">;

/**
 * What metrics and `/readyz` call an array: its name in the configuration, and its address too where
 * another entry has that name. Two arrays never get one name, and nothing of it is the array's word.
 */
export function nameInFleet(
  { members }: { members: readonly { array: ConfiguredArray }[] },
  { configuredName, address }: ConfiguredArray,
): string {
  const isShared = members.some(({ array }) =>
    array.configuredName === configuredName && array.address !== address
  );
  return isShared ? `${configuredName} (${address})` : configuredName;
}

/** What tells two arrays apart: never the label, which an administrator may give twice. */
export function memberKey({ id, array }: FleetMember): string {
  return id ?? array.address;
}
