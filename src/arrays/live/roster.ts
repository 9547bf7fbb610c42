import type { PsoError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { StorageArray } from "../array.ts";
import { arrayHintOf, IdentityError, Member } from "../fleet_member.ts";
import { Drain } from "./drain.ts";

/** Arrays that left, and whose names messages still tell. */
const MAX_LEFT = 1_000;

/** Whoever has the clients that the members ask by. */
export interface FleetClients {
  /** Both are clients of one array: `stays` is reached as `other` is, and `other` is over. */
  join(stays: StorageArray, other: StorageArray): void;
  /** The array is asked nothing more. */
  leave(array: StorageArray): void;
}

/** What a changed configuration made of the fleet, for an Event. */
export interface FleetNotice {
  type: "Normal" | "Warning";
  reason: "ArrayEntryRefused" | "ArrayEntryTakenUp" | "ArrayRemoved" | "ArrayDrained";
  note: string;
}

/** What the fleet is made of. */
export interface FleetEntry {
  array: StorageArray;
  labels?: Readonly<Record<string, string>>;
  /** Default false. */
  suspended?: boolean;
}

/** How a roster tells and ends. */
interface RosterOptions {
  log: Logger;
  now: () => number;
  /** As `DrainOptions.cluster`. */
  cluster?: string;
  /** Default: nobody has any. */
  clients?: FleetClients;
  tell?: (notice: FleetNotice) => void;
}

/**
 * Who belongs to a fleet while its configuration changes. An array is who its id says: an entry with
 * another token, certificate, name or address stands for the array that answers there with the id,
 * and until it has answered the array is asked as before. An array without an entry stays until it
 * holds nothing.
 */
export class Roster {
  #members: Member[] = [];
  readonly #options: RosterOptions;
  /** Labels by the first digits of the id, oldest first. */
  readonly #left = new Map<string, string>();

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  /** Those of the configuration in its order, then those that were taken out of it. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** Whether the member is asked for its facts: one of the fleet, or what may take its place. */
  isAsked(member: Member): boolean {
    return this.#members.some((one) => one === member || one.successor === member);
  }

  /** What an array was called that was taken out and held nothing more; by the hint of its id. */
  leftLabel(hint: string): string | undefined {
    return this.#left.get(hint);
  }

  /**
   * Takes up the entries of a configuration and answers with the members that are new. With
   * `joins` nobody waits for them before they have answered once.
   */
  take(entries: readonly FleetEntry[], { joins }: { joins: boolean }): Member[] {
    const before = this.#members;
    const known = new Map(
      before.flatMap((member) => [member, ...member.successor ? [member.successor] : []])
        .map((member) => [member.array, member]),
    );
    // Beside the members themselves those for which one of them is tried: no other entry is theirs.
    const kept = new Set(
      entries.flatMap(({ array }) => known.get(array) ?? []).flatMap((member) => [
        member,
        ...before.filter(({ successor }) => successor === member),
      ]),
    );
    const fresh: Member[] = [];
    this.#members = entries.map((entry) => {
      const member = known.get(entry.array) ?? new Member(entry.array);
      set(member, entry);
      if (!kept.has(member)) fresh.push(member);
      const stands = before.find((one) =>
        one.successor === member || (!kept.has(one) && !kept.has(member) && mayBe(one, member))
      );
      if (!stands) {
        this.#succeed(member, undefined);
        if (!before.includes(member)) member.joining = joins;
        member.drain = undefined;
        return member;
      }
      kept.add(stands);
      set(stands, entry);
      stands.drain = undefined;
      this.#succeed(stands, member);
      return stands;
    });
    for (const member of before) if (!this.#members.includes(member)) this.#takeOut(member);
    return fresh;
  }

  /**
   * To be told of each id that an array answers with. If the array is one of the fleet's, which was
   * asked otherwise so far, that goes on in place of `member` and is given back. IdentityError for a
   * changed entry that leads to the array of another one: the last good one stays.
   */
  identified(member: Member, id: string): Member | undefined {
    if (member.id !== undefined && member.id !== id) return undefined;
    const stands = this.#members.find(({ successor }) => successor === member);
    if (stands && stands.id !== id) {
      this.#refuseOther(member, id);
      this.#replace(stands, member);
    }
    const before = this.#members.find((one) =>
      one !== member && one.id === id && (one.successor === member || one.drain !== undefined)
    );
    if (!before) return undefined;
    this.#options.clients?.join(before.array, member.array);
    set(before, member);
    before.drain = undefined;
    before.successor = undefined;
    const place = this.#members.indexOf(member);
    if (place !== -1) {
      this.#members = this.#members.filter((one) => one !== before);
      this.#members[this.#members.indexOf(member)] = before;
    }
    this.#tell({
      type: "Normal",
      reason: "ArrayEntryTakenUp",
      note: `array ${before.array.label} is reached as its changed entry says`,
    });
    return before;
  }

  /** To be told what is new wrong with a member. A changed entry that cannot be used is told. */
  troubled(member: Member, problem: PsoError): void {
    const stands = this.#members.find(({ successor }) => successor === member);
    if (!stands) return;
    this.#tell({
      type: "Warning",
      reason: "ArrayEntryRefused",
      note: `the changed entry of array ${stands.array.label} is not in use, the last good one ` +
        `stays: ${problem.message}`,
    });
  }

  /** Lets an array go that was taken out and holds nothing. */
  leave(member: Member): void {
    this.#members = this.#members.filter((one) => one !== member);
    this.#drop(member);
    if (member.id !== undefined) this.#left.set(arrayHintOf(member.id), member.array.label);
    const [oldest] = this.#left.keys();
    if (this.#left.size > MAX_LEFT && oldest !== undefined) this.#left.delete(oldest);
    this.#tell({
      type: "Normal",
      reason: "ArrayDrained",
      note:
        `array ${member.array.label}, which was taken out of the configuration, holds nothing ` +
        "of this cluster any more and is asked nothing more",
    });
  }

  /** Of an entry that is changed itself, nobody knows yet that it goes on to lead to that array. */
  #refuseOther({ array }: Member, id: string): void {
    const other = this.#members.find((one) =>
      one.id === id && !one.twin && !one.drain && !one.successor
    );
    if (!other) return;
    throw new IdentityError(
      `${array.address} is the same array as ${other.array.address} (${other.array.label}), ` +
        "which has an entry of its own: correct the address, or remove one of the two entries",
    );
  }

  /** Another array answers at the address of an entry that changed: it is one of its own. */
  #replace(stands: Member, member: Member): void {
    stands.successor = undefined;
    this.#members[this.#members.indexOf(stands)] = member;
    this.#takeOut(stands);
  }

  #takeOut(member: Member): void {
    this.#succeed(member, undefined);
    // Of an array that never answered nobody knows an id, and no call can mean it. Of one that
    // another entry claims to be, too, that other one is trusted from now on.
    const claimant = this.#members.find(({ id, twin }) => !twin && id === member.id);
    if (member.id === undefined || member.twin || claimant) {
      if (member.id !== undefined) claimant?.shareNames(member);
      return this.#drop(member);
    }
    this.#members.push(member);
    if (member.drain) return;
    const { now, cluster } = this.#options;
    member.drain = new Drain({ now, cluster });
    this.#tell({
      type: "Normal",
      reason: "ArrayRemoved",
      note: `array ${member.array.label} was taken out of the configuration: it gets no new ` +
        `volumes, and is served until its last volume is gone (${
          member.drain.left(member.index)
        } ` +
        "known now)",
    });
  }

  /** The entry of the member is tried by another member from now on; the one before is over. */
  #succeed(member: Member, successor: Member | undefined): void {
    const before = member.successor;
    member.successor = successor;
    if (before && before !== successor) this.#drop(before);
  }

  #drop(member: Member): void {
    this.#options.clients?.leave(member.array);
  }

  #tell(notice: FleetNotice): void {
    const { log, tell } = this.#options;
    const { type, reason, note } = notice;
    log[type === "Warning" ? "warn" : "info"]("the fleet changes", { reason, note });
    tell?.(notice);
  }
}

function set(
  member: Member,
  { labels = {}, suspended = false }: Pick<FleetEntry, "labels" | "suspended">,
): void {
  member.labels = labels;
  member.suspended = suspended;
}

/**
 * Whether a changed entry may stand for the array: only the id that it answers with tells, and
 * address and name give a hint until then.
 */
function mayBe({ id, twin, array }: Member, { array: other }: Member): boolean {
  return id !== undefined && !twin && array.kind === other.kind &&
    (array.address === other.address || array.configuredName === other.configuredName);
}
