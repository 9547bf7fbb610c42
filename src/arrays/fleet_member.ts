import { PsoError } from "../errors.ts";
import type { ArrayStatus, StorageArray } from "./array.ts";
import { NameIndex } from "./name_index.ts";

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
  /** Why it cannot be used now; absent when the last check went well. */
  readonly problem?: PsoError;
  /** Why the array refused a create though its checks go well; absent once it takes creates again. */
  readonly refusal?: PsoError;
  /** When the last check ended, whatever its result; milliseconds since the epoch. */
  readonly checkedMs?: number;
  /**
   * Its volumes and snapshots were listed completely since this process started or `coolDown()`.
   */
  readonly warm: boolean;
}

/** A member as the fleet itself sees it: only the fleet writes. */
export class Member implements FleetMember {
  status?: ArrayStatus;
  problem?: PsoError;
  refusal?: PsoError;
  checkedMs?: number;
  /** The id that answered first at this address: another one later is another array. */
  id?: string;
  /** Found to be the same array as an earlier entry: it is never asked for volumes. */
  twin = false;
  readonly index = new NameIndex();

  labels: Readonly<Record<string, string>> = {};
  suspended = false;

  constructor(readonly array: StorageArray) {}

  get warm(): boolean {
    return this.index.complete;
  }
}

/** The address leads to the wrong array: nothing may be asked or changed there. */
export class IdentityError extends PsoError {
  constructor(message: string) {
    super("unavailable", message);
  }
}

/** Marks `second` as another entry for the array of `first`: it is never asked for volumes. */
export function setTwin(second: Member, first: Member): void {
  second.twin = true;
  second.index.reset();
  second.problem = new IdentityError(
    `${second.array.address} is the same array as ${first.array.address} ` +
      `(${first.array.label}): remove one of the two entries`,
  );
}

/** Whether the array at the member's address is not the member's own, or another entry's. */
export function isIdentityProblem(member: FleetMember): boolean {
  return member.problem instanceof IdentityError;
}

/** The eight hex digits that begin a volume handle. */
export function arrayHintOf(arrayId: string): string {
  return arrayId.replaceAll("-", "").slice(0, 8).toLowerCase();
}

/** What tells two arrays apart: never the label, which an administrator may give twice. */
export function memberKey({ id, array }: FleetMember): string {
  return id ?? array.address;
}

/**
 * Refuses an array whose id begins with the same 8 hex digits as another's: handles would not tell
 * the two apart.
 */
export function refuseSameHint(
  members: readonly Member[],
  { member, id }: { member: Member; id: string },
): void {
  const other = members.find((one) =>
    one !== member && !one.twin && one.id !== undefined && one.id !== id &&
    arrayHintOf(one.id) === arrayHintOf(id)
  );
  if (!other) return;
  member.twin = true;
  member.index.reset();
  throw new IdentityError(
    `the array at ${member.array.address} has the id ${id} and the one at ${other.array.address} ` +
      `has ${other.id}: their first 8 digits, which begin every volume handle, are the same; ` +
      "serve one of the two from another cluster",
  );
}
