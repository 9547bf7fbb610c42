import { messageOf } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";
import type { Logger } from "../log.ts";
import { isKubeStatus } from "./client.ts";
import {
  GIVEN_BACK_MS,
  type Lease,
  LEASE_MS,
  type LeaseStore,
  type LeaseTerms,
} from "./lease_object.ts";
import { KUBE_LIMITS } from "./limits.ts";
import { type Clock, longestBetween, type Moment } from "./moment.ts";

/** From one renewal to the next, and from one failed call to the next. */
export const RETRY_MS = 2_000;
/**
 * How often a standby looks at the Lease: four times as often as its holder renews it. A leader
 * that gives it back is waited for by everybody, and the time of a dead one counts from our sight.
 */
const LOOK_MS = 500;
/**
 * A leader that could not renew for so long begins no change any more. What it began before has
 * the rest of the 15 seconds to end.
 */
const RENEW_DEADLINE_MS = 10_000;
/** How long an array may take to carry out a call of a leader that died. */
export const CALL_MS = 10_000;
/** A candidate for which no sidecar waits leaves a free Lease to others for so long. */
const PATIENCE_MS = 10_000;

/** How a Lease came to this process. */
export interface Takeover {
  /** Whoever held it gave it back: no change of another is on its way. */
  isClean: boolean;
  /**
   * By the monotonic clock: until then an array may still carry out a create of the leader before.
   */
  settledMs: number;
}

/** What a candidate sees. `holder` is empty when nobody holds the Lease. */
interface Sighting {
  version: string;
  holder: string;
  /** When the Lease was first seen so, by the monotonic clock. */
  sinceMs: number;
}

/** The right to change arrays, as long as it lasts. */
interface Term {
  /** When the last renewal that succeeded was sent. */
  sent: Moment;
  /** The Lease as it was last written or read. */
  lease: Lease;
}

/** What the state machine is made of. */
interface LeaderLeaseSetup {
  store: LeaseStore;
  /** `<pod>_<random>`, new for each process. */
  identity: string;
  clock: Clock;
  /** Whether a client waits for this process to lead. */
  isWanted: () => boolean;
  /** Why this process must not lead now though the Lease is free; asked before it takes it. */
  obstacle: () => Promise<string | undefined>;
  /** Called before the first change may be sent. */
  onLead: (takeover: Takeover) => void;
  /** Called once, when the Lease is another's or gone: this process must end. */
  onLost: (reason: string) => void;
  log: Logger;
}

/**
 * One process' part in the fight for the Lease, as a state machine: `step` does what is due and
 * says when the next is. It never makes the Lease. Whether changes may be sent is judged by the
 * clock at each question, so that a process that was stopped learns of it before it acts.
 */
export class LeaderLease {
  readonly #setup: LeaderLeaseSetup;
  #term?: Term;
  #sighting?: Sighting;
  /** When the Lease was first seen free, by the monotonic clock. */
  #freeSinceMs?: number;
  /** The take-over that was sent last: its answer may have been lost. */
  #takeover?: Takeover;
  #problem?: string;
  #isOver = false;

  constructor(setup: LeaderLeaseSetup) {
    this.#setup = setup;
  }

  /** Whether a change may begin now. */
  get mayChange(): boolean {
    return this.#leftMs(RENEW_DEADLINE_MS) > 0;
  }

  /** How long a change that began may still last; 0 or less: it must be cut. */
  get leftMs(): number {
    return this.#leftMs(LEASE_MS);
  }

  /** Whether this process holds the Lease, as far as it knows; not whether it may change things. */
  get isHolder(): boolean {
    return this.#term !== undefined;
  }

  /** Why this process cannot know, hold or take the Lease; absent while all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Who holds the Lease, for messages. */
  get shownHolder(): string {
    if (this.#term) return this.#setup.identity;
    const holder = this.#sighting?.holder ?? "";
    return holder === "" ? "nobody" : foreignText(holder, KUBE_LIMITS.holderChars);
  }

  /**
   * Looks, takes or renews, and gives the milliseconds until it must be called again. Never throws.
   * After the loss or `giveBack` it does nothing and gives Infinity.
   */
  async step(): Promise<number> {
    if (this.#isOver) return Infinity;
    return this.#term ? await this.#renew(this.#term) : await this.#contend();
  }

  /**
   * Gives the Lease back, so that another can take it at once. To be called after the last change
   * has ended and no `step` runs; from then on no change may begin. Never throws.
   */
  async giveBack(): Promise<void> {
    const { store, identity, clock, log } = this.#setup;
    const term = this.#term;
    this.#isOver = true;
    this.#term = undefined;
    if (!term) return;
    const terms: LeaseTerms = {
      ...term.lease,
      holder: "",
      renewedMs: clock().wallMs,
      durationMs: GIVEN_BACK_MS,
    };
    try {
      await store.write(term.lease, terms).catch(async (error) => {
        if (!isKubeStatus(error, 409)) throw error;
        const now = await store.read();
        if (isOurs(now, identity, term)) await store.write(now, terms);
      });
      log.info("lease given back", { identity });
    } catch (error) {
      log.warn("lease not given back: the next leader waits until it has run out", {
        problem: messageOf(error),
      });
    }
  }

  #leftMs(of: number): number {
    return this.#term ? of - longestBetween(this.#term.sent, this.#setup.clock()) : 0;
  }

  async #renew(term: Term): Promise<number> {
    const { store, clock } = this.#setup;
    const sent = clock();
    try {
      const lease = await store.write(term.lease, { ...term.lease, renewedMs: sent.wallMs });
      this.#term = { sent, lease };
      this.#solved();
      return Math.max(0, RETRY_MS - (clock().monotonicMs - sent.monotonicMs));
    } catch (error) {
      if (isKubeStatus(error, 409)) return await this.#lookAgain(term);
      return this.#unrenewed(error);
    }
  }

  /** Somebody changed the Lease: perhaps only its labels, or a renewal of ours without answer. */
  async #lookAgain(term: Term): Promise<number> {
    const { store, identity } = this.#setup;
    try {
      const lease = await store.read();
      if (isOurs(lease, identity, term)) {
        this.#term = { ...term, lease };
        return 0;
      }
      this.#see(lease);
      return this.#lose(
        lease.holder === identity
          ? "the lease was another's meanwhile"
          : `${this.#nameOf(lease)} holds the lease now`,
      );
    } catch (error) {
      return this.#unrenewed(error);
    }
  }

  #unrenewed(error: unknown): number {
    if (isKubeStatus(error, 404)) return this.#lose("the lease does not exist any more");
    this.#note(messageOf(error));
    return RETRY_MS;
  }

  #lose(reason: string): number {
    this.#isOver = true;
    this.#term = undefined;
    this.#problem = reason;
    this.#setup.log.error("lease lost", { reason, identity: this.#setup.identity });
    this.#setup.onLost(reason);
    return Infinity;
  }

  async #contend(): Promise<number> {
    const { store, clock, isWanted, obstacle } = this.#setup;
    const askedMs = clock().monotonicMs;
    try {
      const lease = await store.read();
      this.#see(lease);
      const takeover = this.#takeoverOf(lease, askedMs);
      if (!takeover) {
        this.#freeSinceMs = undefined;
        this.#solved();
        return Math.min(LOOK_MS, Math.max(0, this.#expiryMs(lease) - clock().monotonicMs));
      }
      this.#freeSinceMs ??= askedMs;
      if (!isWanted() && askedMs - this.#freeSinceMs < PATIENCE_MS) {
        this.#solved();
        return LOOK_MS;
      }
      const problem = await obstacle();
      if (problem !== undefined) {
        this.#note(problem);
        return RETRY_MS;
      }
      return await this.#take(lease, takeover);
    } catch (error) {
      if (isKubeStatus(error, 409)) return 0; // another was faster
      this.#freeSinceMs = undefined;
      this.#note(messageOf(error));
      return RETRY_MS;
    }
  }

  /** How this process may take the Lease; undefined while it is another's. */
  #takeoverOf(lease: Lease, askedMs: number): Takeover | undefined {
    const { identity } = this.#setup;
    const now = this.#setup.clock().monotonicMs;
    if (lease.holder === identity) return this.#takeover;
    if (lease.holder === "" && lease.durationMs === GIVEN_BACK_MS) {
      return { isClean: true, settledMs: now };
    }
    // Kubelet starts a container of a pod only after the one before has ended.
    if (podOf(lease.holder) === podOf(identity)) {
      return { isClean: false, settledMs: now + CALL_MS };
    }
    // Unchanged at the moment of asking, which was before the answer came.
    if (askedMs < this.#expiryMs(lease)) return undefined;
    const sinceMs = this.#sighting?.sinceMs ?? now;
    return { isClean: false, settledMs: sinceMs + RENEW_DEADLINE_MS + CALL_MS };
  }

  /** By the monotonic clock, and from our own sight: the wall clocks of machines differ. */
  #expiryMs({ durationMs }: Lease): number {
    return (this.#sighting?.sinceMs ?? Infinity) + Math.max(durationMs, LEASE_MS);
  }

  async #take(lease: Lease, takeover: Takeover): Promise<number> {
    const { store, identity, clock, log, onLead } = this.#setup;
    const sent = clock();
    const isOurs = lease.holder === identity;
    const transitions = isOurs ? lease.transitions : lease.transitions + 1;
    const terms: LeaseTerms = {
      holder: identity,
      transitions,
      acquiredMs: isOurs ? lease.acquiredMs : sent.wallMs,
      renewedMs: sent.wallMs,
      durationMs: LEASE_MS,
    };
    this.#takeover = takeover;
    const written = await store.write(lease, terms);
    this.#term = { sent, lease: written };
    this.#solved();
    log.info("this process leads now", {
      identity,
      before: this.#nameOf(lease),
      clean: takeover.isClean,
      transitions,
    });
    onLead(takeover);
    return RETRY_MS;
  }

  #see(lease: Lease): void {
    const { version, holder } = lease;
    if (this.#sighting?.version === version) return;
    if (this.#sighting?.holder !== holder && holder !== "") {
      this.#setup.log.info("another process leads", { holder: this.#nameOf(lease) });
    }
    this.#sighting = { version, holder, sinceMs: this.#setup.clock().monotonicMs };
  }

  #nameOf({ holder }: Lease): string {
    return holder === "" ? "nobody" : foreignText(holder, KUBE_LIMITS.holderChars);
  }

  #note(problem: string): void {
    if (this.#problem !== problem) this.#setup.log.warn("lease not held", { problem });
    this.#problem = problem;
  }

  #solved(): void {
    if (this.#problem !== undefined) this.#setup.log.info("lease is well again");
    this.#problem = undefined;
  }
}

/** Whether the Lease is still the one of that term: nobody held it in between. */
function isOurs(lease: Lease, identity: string, { lease: { transitions } }: Term): boolean {
  return lease.holder === identity && lease.transitions === transitions;
}

/** The pod in an identity `<pod>_<random>`: no name of a pod has `_`. */
function podOf(identity: string): string {
  return identity.slice(0, Math.max(0, identity.lastIndexOf("_")));
}
