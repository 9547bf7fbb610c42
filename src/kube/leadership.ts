import { abortError, atMost, pause, untilAborted } from "../async/wait.ts";
import { type ChangeFence, type FencedAttempt, FencedError } from "../async/fence.ts";
import { holdMs } from "../async/hold.ts";
import type { Logger } from "../log.ts";
import { TransportError } from "../net/https.ts";
import type { ReadinessCheck } from "../readiness.ts";
import type { LeaseStore } from "./lease_object.ts";
import { CALL_MS, LeaderLease } from "./leader_lease.ts";
import { type Clock, machineClock } from "./moment.ts";

/** How often a running change is compared with the clocks: a timer does not see the wall clock. */
const WATCH_MS = 1_000;
/** Two steps are never closer, whatever the API server answers. */
const STEP_MS = 20;
/** How long the give-back waits for changes that are still under way. */
const IDLE_MS = 2_000;

/** What a process that may lead is made of. */
interface LeadershipSetup {
  store: LeaseStore;
  /** `<pod>_<random>`, new for each process. */
  identity: string;
  /** As LeaderLeaseSetup.obstacle. */
  obstacle: () => Promise<string | undefined>;
  /**
   * Called at each take-over, before the first change, and once more when what a dead leader sent
   * has ended, before the first create: what is remembered may be old.
   */
  onLead: () => void;
  log: Logger;
  /** Default: the clocks of this machine. */
  clock?: Clock;
}

/** Who waits in a Probe, and for how long. */
interface HeldProbe {
  /** Absent: the caller gave no deadline, and is answered at once. */
  leftMs?: number;
  signal: AbortSignal;
}

/**
 * One process' leadership: the fence before the arrays, the Probes of sidecars that wait for it,
 * and the Lease behind both.
 */
export class Leadership implements ChangeFence {
  /** Resolves when the Lease is another's or gone: this process must end. Never rejects. */
  readonly lost: Promise<string>;
  readonly #lease: LeaderLease;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #held = new Set<(leads: boolean) => void>();
  readonly #attempts = new Map<AbortController, Promise<void>>();
  readonly #onLead: () => void;
  /** Fires when this process will not lead any more. */
  readonly #over = new AbortController();
  /** Ends when no create of a leader before can be under way, or this process ends. */
  #settling: Promise<void> = Promise.resolve();
  #isSettled = true;
  /** When the Lease was taken, by the monotonic clock: no other process has it until this one ends. */
  #takenMs: number | undefined;
  /** When the last change was sent that got no answer, by the monotonic clock. */
  #unclearMs = -Infinity;

  constructor({ store, identity, obstacle, onLead, log, clock = machineClock }: LeadershipSetup) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.lost = promise;
    this.#clock = clock;
    this.#log = log;
    this.#onLead = onLead;
    this.#lease = new LeaderLease({
      store,
      identity,
      clock,
      obstacle,
      log,
      isWanted: () => this.#held.size > 0,
      onLead: ({ isClean, settledMs }) => {
        this.#takenMs ??= this.#clock().monotonicMs;
        if (!isClean) this.#settling = this.#settle(settledMs);
        onLead();
      },
      onLost: (reason) => {
        for (const attempt of this.#attempts.keys()) attempt.abort(this.#refusal({ sent: true }));
        this.leave();
        resolve(reason);
      },
    });
  }

  get isOpen(): boolean {
    return this.#lease.mayChange;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get heldForMs(): number {
    return this.#takenMs === undefined ? 0 : this.#clock().monotonicMs - this.#takenMs;
  }

  async settled(signal?: AbortSignal): Promise<void> {
    this.#check();
    if (this.#isSettled) return;
    await (signal ? untilAborted(this.#settling, signal) : this.#settling);
    this.#check();
  }

  /** A list from before may lack what a dead leader had sent: what it said must be forgotten. */
  async #settle(settledMs: number): Promise<void> {
    this.#isSettled = false;
    const leftMs = () => settledMs - this.#clock().monotonicMs;
    try {
      while (leftMs() > 0) await pause(leftMs(), this.#over.signal);
    } catch {
      return; // this process ends
    }
    this.#onLead();
    this.#isSettled = true;
  }

  async pass<T>(
    signal: AbortSignal,
    send: (attempt: FencedAttempt) => Promise<T>,
  ): Promise<T> {
    if (signal.aborted) throw abortError(signal);
    this.#check();
    const own = new AbortController();
    const onAbort = () => own.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const watch = () => {
      const { leftMs } = this.#lease;
      if (leftMs <= 0) own.abort(this.#refusal({ sent: true }));
      else timer = setTimeout(watch, Math.min(leftMs, WATCH_MS));
    };
    watch();
    const ended = Promise.withResolvers<void>();
    this.#attempts.set(own, ended.promise);
    let sentMs: number | undefined;
    const check = () => {
      this.#check();
      sentMs = this.#clock().monotonicMs;
    };
    const unclear = () => this.#unclearMs = Math.max(this.#unclearMs, sentMs ?? 0);
    try {
      return await send({ signal: own.signal, check, unclear });
    } catch (error) {
      const sent = sentMs !== undefined && (!(error instanceof TransportError) || error.sent);
      if (sent) unclear();
      if (!(own.signal.reason instanceof FencedError)) throw error;
      throw this.#refusal({ sent, cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#attempts.delete(own);
      ended.resolve();
    }
  }

  /**
   * What a Probe is answered: `true` once this process leads, at once if it does; `false` when the
   * caller's time is nearly over, and when this process ends.
   */
  ready({ leftMs, signal }: HeldProbe): Promise<boolean> {
    const waitMs = holdMs(leftMs);
    if (this.isOpen) return Promise.resolve(true);
    if (waitMs <= 0 || this.#over.signal.aborted || signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const answer = (leads: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        this.#held.delete(answer);
        resolve(leads);
      };
      const giveUp = () => answer(false);
      const timer = setTimeout(giveUp, waitMs);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#held.add(answer);
    });
  }

  /** Answers every Probe that is held, and holds no more. To be called when the process ends. */
  leave(): void {
    this.#over.abort();
    this.#answerHeld(false);
  }

  #answerHeld(leads: boolean): void {
    for (const answer of [...this.#held]) answer(leads);
  }

  /** Looks, takes and renews until the signal fires or the Lease is lost. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#lease.step();
      if (this.isOpen) this.#answerHeld(true);
      if (waitMs === Infinity) return;
      await pause(Math.max(waitMs, STEP_MS), signal).catch(() => {});
    }
  }

  /**
   * Gives the Lease back, unless a change is under way, or may be on an array, be it of this process
   * or of a dead leader before it: then the Lease runs out by itself. To be called after `run` has
   * ended. Never throws.
   */
  async giveBack(): Promise<void> {
    await atMost(IDLE_MS, Promise.all([...this.#attempts.values()]));
    const isUnclear = this.#clock().monotonicMs - this.#unclearMs < CALL_MS;
    const isQuiet = this.#attempts.size === 0 && !isUnclear && this.#isSettled;
    if (isQuiet || !this.#lease.isHolder) return await this.#lease.giveBack();
    this.#log.warn("lease not given back: an array may still carry out a change", {
      changes: this.#attempts.size,
    });
  }

  /** How the Lease stands, for /readyz: a leader and a standby that could lead are both ready. */
  readiness(): ReadinessCheck {
    const name = "lease";
    const { problem, isHolder, shownHolder } = this.#lease;
    // One renewal that failed is no trouble yet.
    if (problem !== undefined && !this.isOpen) {
      return { name, ok: false, state: "failed", reason: problem };
    }
    return isHolder
      ? { name, ok: true, state: "leader", reason: `${shownHolder} is this process` }
      : { name, ok: true, state: "standby", reason: `${shownHolder} leads` };
  }

  #check(): void {
    if (!this.isOpen) throw this.#refusal({ sent: false });
  }

  #refusal(options: { sent: boolean; cause?: unknown }): FencedError {
    const { problem, isHolder, shownHolder } = this.#lease;
    const who = isHolder ? "its lease could not be renewed" : `${shownHolder} leads`;
    return new FencedError(
      `this controller may not change arrays now: ${who}` +
        `${problem === undefined ? "" : ` (${problem})`}; the call must be repeated`,
      options,
    );
  }
}
