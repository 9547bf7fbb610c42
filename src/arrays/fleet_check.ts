import { SingleFlight } from "../async/single_flight.ts";
import { withDeadline } from "../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Page } from "./array.ts";
import { proveNames, proveRole } from "./proofs.ts";
import { FleetIdentity } from "./fleet_identity.ts";
import { IdentityError, isIdentityProblem, type Member } from "./fleet_member.ts";
import type { Roster } from "./live/roster.ts";
import { NameListing } from "./name_listing.ts";
import { REST_LIMITS } from "./rest/limits.ts";

/** Which part of a listing is asked for. */
interface ListedPart {
  prefix?: string;
  limit: number;
  token?: string;
}

/** How arrays are checked. */
export interface CheckOptions {
  log: Logger;
  now: () => number;
  /** Only names that begin so are indexed; empty: all. */
  prefix: string;
  /** Longest wait for one array's facts; a listing has it per page. */
  timeoutMs: number;
  /** Whom an answer shows to be which array, and what is wrong with a changed entry. */
  roster: Pick<Roster, "identified" | "troubled">;
}

/** The checks of a fleet's arrays: who answers there, how it is, and which names it holds. */
export class FleetChecks {
  readonly #options: CheckOptions;
  readonly #running = new SingleFlight<Member, void>();
  readonly #identity: FleetIdentity;

  constructor(members: () => readonly Member[], options: CheckOptions) {
    this.#identity = new FleetIdentity(members, options.log);
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
      const statusMs = now();
      const status = await this.#timed(member, (within) => member.array.status(within), signal);
      const stands = this.#options.roster.identified(member, status.id);
      if (stands) return await this.#checkAnew(stands, signal);
      await this.#identity.prove(member, status.id);
      member.joining = false;
      member.status = status;
      member.statusMs = statusMs;
      member.slowdown = member.quiet.slowdown(status.latency, statusMs);
      await this.#timed(member, (within) => proveNames(member.array, within), signal);
      await this.#timed(member, (within) => member.array.lookAtHosts(within), signal);
      if (!member.warm) await this.#list(member, signal);
      if (member.refusal) await this.#askAgain(member, signal);
      // Meanwhile another entry may have shown that this one is not what it seems.
      await this.#identity.clear(member, status.id);
      if (before) log.info("array is well again", { array: member.array.label });
    } catch (error) {
      if (signal?.aborted) return; // we are leaving: that says nothing about the array
      this.#noteProblem(member, error);
    }
    member.checkedMs = now();
  }

  /** After a change of its way: a check that began before may still find what was wrong. */
  async #checkAnew(member: Member, signal?: AbortSignal): Promise<void> {
    await this.check(member, signal);
    if (member.problem) await this.check(member, signal);
  }

  #noteProblem(member: Member, error: unknown): void {
    const { array, problem: before } = member;
    // Doubt about what the array is ends only with a check that proves it.
    if (isIdentityProblem(member) && !(error instanceof IdentityError)) return;
    const problem = isPsoError(error) ? error : new PsoError(
      "unavailable",
      `array ${array.label} cannot be checked: ${messageOf(error)}`,
      { cause: error },
    );
    member.problem = problem;
    if (before?.message === problem.message) return;
    const { code, message } = problem;
    this.#options.log.warn("array has a problem", { array: array.label, code, problem: message });
    this.#options.roster.troubled(member, problem);
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

  /** Notes every name that the array holds. */
  async #list(member: Member, signal?: AbortSignal): Promise<void> {
    const { log, now } = this.#options;
    const { array, index } = member;
    const begunMs = now();
    const finish = index.beginListing();
    const what = `the listing of array ${array.label}`;
    const listing = await withDeadline(
      what,
      { timeoutMs: REST_LIMITS.listingMs.value, signal },
      (within) => this.#namesOf(member, within),
    );
    const groups = await this.#timed(member, (within) => array.groupsOf(within), signal);
    // A volume that was deleted while we listed may be in the index again, by a page from before:
    // that costs a look-up, nothing else.
    listing.noteIn(index);
    for (const [name, group] of groups) index.setGroup(name, group);
    finish();
    member.listedMs = begunMs;
    log.info("array listed", { array: array.label, names: index.count(() => true) });
  }

  async #namesOf(member: Member, signal: AbortSignal): Promise<NameListing> {
    const { array } = member;
    const prefix = this.#options.prefix === "" ? undefined : this.#options.prefix;
    const listing = new NameListing(array.label);
    const pages = async (
      what: "volumes" | "snapshots",
      page: (part: ListedPart, within: AbortSignal) => Promise<Page<{ name: string }>>,
    ) => {
      let token: string | undefined;
      do {
        const part = { prefix, limit: REST_LIMITS.pageItems.value, token };
        const { items, nextToken } = await this.#timed(
          member,
          (within) => page(part, within),
          signal,
        );
        listing.add(what, items.map(({ name }) => name));
        token = nextToken;
      } while (token !== undefined);
    };
    await pages("volumes", (part, within) => array.listVolumes(part, within));
    await pages("snapshots", (part, within) => array.listSnapshots(part, within));
    return listing;
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
