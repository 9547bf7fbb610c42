import { SingleFlight } from "../async/single_flight.ts";
import { withDeadline } from "../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Page } from "./array.ts";
import { proveRole } from "./role.ts";
import { FleetIdentity } from "./fleet_identity.ts";
import { IdentityError, isIdentityProblem, type Member } from "./fleet_member.ts";

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
      const status = await this.#timed(member, (within) => member.array.status(within), signal);
      await this.#identity.prove(member, status.id);
      member.status = status;
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
    const { prefix: text, log } = this.#options;
    const { array, index } = member;
    const prefix = text === "" ? undefined : text;
    const finish = index.beginListing();
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
    finish();
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
