import type { Logger } from "../log.ts";
import { arrayHintOf, IdentityError, type Member } from "./fleet_member.ts";

/** Tells for each entry of a fleet whether its address leads to the array that it stands for. */
export class FleetIdentity {
  readonly #members: () => readonly Member[];
  readonly #log: Logger;
  /** Labels that two arrays have, and that were warned about. */
  readonly #saidLabels = new Set<string>();

  constructor(members: () => readonly Member[], log: Logger) {
    this.#members = members;
    this.#log = log;
  }

  /**
   * Throws IdentityError unless the member alone stands for the array that answers at its address
   * with that id: volumes would be looked for and made in the wrong place. Marks other members too
   * that this answer shows to be wrong.
   */
  async prove(member: Member, id: string): Promise<void> {
    await this.#prove(member, id, () => {});
  }

  /**
   * As `prove`, for the end of a check that went well: the member's problem is over in the very
   * moment of the proof, so that no doubt of another check is lost.
   */
  async clear(member: Member, id: string): Promise<void> {
    await this.#prove(member, id, () => member.problem = undefined);
  }

  async #prove(member: Member, id: string, whenProven: () => void): Promise<void> {
    if (member.id !== undefined && member.id !== id) {
      throw new IdentityError(
        `the array at ${member.array.address} is another one than before: id ${id}, ` +
          `and it was ${member.id}; if it was replaced on purpose, restart the controller`,
      );
    }
    const asked = new Set<Member>();
    const unasked = () => this.#claimants(member, id).filter((one) => !asked.has(one));
    for (let left = unasked(); left.length > 0; left = unasked()) {
      await Promise.all(left.map(async (one) => {
        asked.add(one);
        // A server that does not answer now keeps the key that it proved before.
        one.key = await one.array.serverKey() ?? one.key;
      }));
    }
    // From here on nothing is waited for: every other check sees all of this, or nothing.
    const [, ...others] = this.#claimants(member, id);
    if (others.some(({ key }) => key !== member.key)) this.#dispute([member, ...others], id);
    const [other] = others;
    if (!other) {
      member.takeOwnNames();
      this.#refuseSameHint(member, id);
      member.twin = false;
    } else this.#takeFirst(member, other);
    member.id = id;
    this.#warnOfSameLabel(member);
    whenProven();
  }

  /**
   * The member and those that claim its id too, without entries that another one stands for; none
   * when it is the only one: keys are seldom asked for.
   */
  #claimants(member: Member, id: string): Member[] {
    const others = this.#members().filter((other) =>
      other !== member && !other.twin && other.id === id
    );
    return others.length === 0 ? [] : [member, ...others];
  }

  /** Nobody here can tell which of them is the array: nothing is asked or changed on any. */
  #dispute(members: readonly Member[], id: string): never {
    const addresses = members.map(({ array }) => array.address).join(" and ");
    const problem = new IdentityError(
      `${addresses} both say that they are the array ${id}, and their TLS keys differ: nothing is ` +
        "done on either; find out which address leads to that array and remove the other entry",
    );
    for (const member of members) {
      member.id = id;
      member.twin = false;
      member.index.doubt(); // what was listed there may be another array's
      this.#mark(member, problem);
    }
    throw problem;
  }

  /** One array under two entries: the one that comes first counts, whichever answered first. */
  #takeFirst(member: Member, other: Member): void {
    const members = this.#members();
    const [first, second] = members.indexOf(other) > members.indexOf(member)
      ? [member, other]
      : [other, member];
    second.twin = true;
    // A create whose answer was lost may be known to the second one alone.
    first.shareNames(second);
    const problem = new IdentityError(
      `${second.array.address} is the same array as ${first.array.address} ` +
        `(${first.array.label}): remove one of the two entries`,
    );
    this.#mark(second, problem);
    if (second === member) throw problem;
  }

  /**
   * Refuses an array whose id begins with the same 8 hex digits as another's: handles would not
   * tell the two apart.
   */
  #refuseSameHint(member: Member, id: string): void {
    const other = this.#members().find((one) =>
      one !== member && !one.twin && one.id !== undefined && one.id !== id &&
      arrayHintOf(one.id) === arrayHintOf(id)
    );
    if (!other) return;
    member.twin = true;
    member.index.doubt();
    const problem = new IdentityError(
      `the array at ${member.array.address} has the id ${id} and the one at ` +
        `${other.array.address} has ${other.id}: their first 8 digits, which begin every volume ` +
        "handle, are the same; serve one of the two from another cluster",
    );
    this.#mark(member, problem);
    throw problem;
  }

  /** Says it once. */
  #mark(member: Member, problem: IdentityError): void {
    if (member.problem?.message !== problem.message) {
      this.#log.warn("an array's entry is not used", {
        array: member.array.label,
        problem: problem.message,
      });
    }
    member.problem = problem;
  }

  /** Two arrays of one label work, and people cannot tell them apart in messages and metrics. */
  #warnOfSameLabel(member: Member): void {
    const { label, address } = member.array;
    const namesake = this.#members().find((other) =>
      other !== member && !other.twin && other.array.label === label
    );
    if (!namesake || this.#saidLabels.has(label)) return;
    this.#saidLabels.add(label);
    this.#log.warn("two arrays have one name: set Name in one of the two entries", {
      array: label,
      addresses: `${address}, ${namesake.array.address}`,
    });
  }
}
