import { SingleFlight } from "../async/single_flight.ts";
import { withDeadline } from "../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ArrayStatus, Page } from "./array.ts";
import { proveRole } from "./role.ts";
import { IdentityError, type Member, refuseSameHint, setTwin } from "./fleet_member.ts";

/** Items that are asked for per call of a listing. */
const PAGE_LIMIT = 1000;

/** How arrays are checked. */
export interface CheckOptions {
  log: Logger;
  now: () => number;
  /** Only names that begin so are indexed; empty: all. */
  prefix: string;
  /** Longest wait for one array's facts; a listing has it per page. */
  timeoutMs: number;
}

/** The checks of a fleet's arrays: who answers there, how it is, and which names it holds. */
export class FleetChecks {
  readonly #options: CheckOptions;
  readonly #members: () => readonly Member[];
  readonly #running = new SingleFlight<Member, void>();
  /** Labels that two arrays have, and that were warned about. */
  readonly #saidLabels = new Set<string>();

  constructor(members: () => readonly Member[], options: CheckOptions) {
    this.#members = members;
    this.#options = options;
  }

  /**
   * Checks one array, and lists it if it is not warm. What is wrong becomes the member's `problem`.
   * One check per array at a time; who comes while one runs waits for it. Never throws.
   */
  check(member: Member, signal?: AbortSignal): Promise<void> {
    return this.#running.run(member, () => this.#check(member, signal));
  }

  async #check(member: Member, signal?: AbortSignal): Promise<void> {
    const { log, now } = this.#options;
    const before = member.problem;
    try {
      const status = await this.#timed(member, (within) => member.array.status(within), signal);
      this.#identify(member, status);
      member.status = status;
      if (!member.warm) await this.#list(member, signal);
      if (member.refusal) await this.#askAgain(member, signal);
      member.problem = undefined;
      if (before) log.info("array is well again", { array: member.array.label });
    } catch (error) {
      if (signal?.aborted) return; // we are leaving: that says nothing about the array
      member.problem = isPsoError(error) ? error : new PsoError(
        "unavailable",
        `array ${member.array.label} cannot be checked: ${messageOf(error)}`,
        { cause: error },
      );
      if (before?.message !== member.problem.message) {
        log.warn("array has a problem", {
          array: member.array.label,
          code: member.problem.code,
          problem: member.problem.message,
        });
      }
    }
    member.checkedMs = now();
  }

  /** Whether the array would still refuse what it refused to a create. */
  async #askAgain(member: Member, signal?: AbortSignal): Promise<void> {
    try {
      await this.#timed(member, (within) => proveRole(member.array, within), signal);
      member.refusal = undefined;
    } catch (error) {
      if (isPsoError(error)) member.refusal = error;
    }
  }

  /**
   * Refuses a second entry for an array that another entry stands for, and another array at an
   * address where one answered before: volumes would be looked for and made in the wrong place.
   */
  #identify(member: Member, status: ArrayStatus): void {
    if (member.id !== undefined && member.id !== status.id) {
      throw new IdentityError(
        `the array at ${member.array.address} is another one than before: id ${status.id}, ` +
          `and it was ${member.id}; if it was replaced on purpose, restart the controller`,
      );
    }
    const members = this.#members();
    const twin = members.find((other) => other !== member && !other.twin && other.id === status.id);
    // The entry that comes first in the configuration counts, whichever answered first.
    if (twin && members.indexOf(twin) > members.indexOf(member)) {
      setTwin(twin, member);
    } else if (twin) {
      setTwin(member, twin);
      throw member.problem;
    } else {
      refuseSameHint(members, { member, id: status.id });
      member.twin = false;
    }
    member.id = status.id;
    this.#warnOfSameLabel(member);
  }

  /** Two arrays of one label work, and people cannot tell them apart in messages and metrics. */
  #warnOfSameLabel(member: Member): void {
    const { label, address } = member.array;
    const namesake = this.#members().find((other) =>
      other !== member && !other.twin && other.array.label === label
    );
    if (!namesake || this.#saidLabels.has(label)) return;
    this.#saidLabels.add(label);
    this.#options.log.warn("two arrays have one name: set Name in one of the two entries", {
      array: label,
      addresses: `${address}, ${namesake.array.address}`,
    });
  }

  /** Notes every name that the array holds. */
  async #list(member: Member, signal?: AbortSignal): Promise<void> {
    const { prefix: text, log } = this.#options;
    const { array, index } = member;
    const prefix = text === "" ? undefined : text;
    const pages = async <T>(
      page: (token: string | undefined, within: AbortSignal) => Promise<Page<T>>,
      note: (item: T) => void,
    ) => {
      let token: string | undefined;
      do {
        const from = token;
        const { items, nextToken } = await this.#timed(
          member,
          (within) => page(from, within),
          signal,
        );
        items.forEach(note);
        token = nextToken;
      } while (token !== undefined);
    };
    await pages(
      (token, within) => array.listVolumes({ prefix, limit: PAGE_LIMIT, token }, within),
      ({ name }) => index.add(name),
    );
    await pages(
      (token, within) => array.listSnapshots({ prefix, limit: PAGE_LIMIT, token }, within),
      ({ name }) => index.addSnapshot(name),
    );
    // A volume that was deleted while we listed may be in the index again, by a page from before:
    // that costs a look-up, nothing else.
    index.complete = true;
    log.info("array listed", { array: array.label, names: index.count(() => true) });
  }

  #timed<T>(
    member: Member,
    work: (within: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { timeoutMs } = this.#options;
    return withDeadline(`the check of array ${member.array.label}`, { timeoutMs, signal }, work);
  }
}
