import { isPsoError, messageOf } from "../../errors.ts";
import { Backoff } from "../../async/backoff.ts";
import { Slots } from "../../async/slots.ts";
import type { Logger } from "../../log.ts";

/** Longest pause between two attempts at the same repair; the back-off doubles up to this. */
const BACKOFF_MAX_MS = 300_000;

/** What a heal was about, and how it ended. */
export type HealEvent = {
  what: "login" | "repair" | "size" | "unstage" | "session";
  outcome: "ok" | "failed";
};

/** One heal to begin. */
export interface Heal {
  what: HealEvent["what"];
  slots: Slots;
  /** Gives true when it changed something. `busy` and an abort are no failures. */
  work: () => Promise<boolean>;
}

/** What Heals works with. */
interface HealsOptions {
  log: Logger;
  /** Pause after the first failure of a heal. */
  firstMs: number;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
}

/** The heals that are going on: one per key at once, with a pause after each failure. */
export class Heals {
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #running = new Map<string, Promise<void>>();
  /** Called at the end of each heal. */
  onHeal: (event: HealEvent) => void = () => {};

  constructor({ log, firstMs, now }: HealsOptions) {
    this.#log = log;
    this.#backoff = new Backoff({ firstMs, maxMs: BACKOFF_MAX_MS, now });
  }

  /** Begins a heal, unless it is going on, must wait after a failure, or the signal has fired. */
  start(key: string, { what, slots, work }: Heal, signal?: AbortSignal): void {
    if (this.#running.has(key) || !this.#backoff.isDue(key) || signal?.aborted) return;
    const task = slots.run(async () => {
      try {
        const isChanged = await work();
        this.#backoff.worked(key);
        if (!isChanged) return;
        this.#log.info("healed", { what, of: key });
        this.onHeal({ what, outcome: "ok" });
      } catch (error) {
        // A call for the volume is running, or the process ends: the next round tries again.
        if (isPsoError(error, "busy") || signal?.aborted) return;
        const said = messageOf(error);
        const isNews = this.#backoff.failed(key, said);
        const log = isNews ? this.#log.warn : this.#log.debug;
        log("not healed", { what, of: key, reason: said });
        this.onHeal({ what, outcome: "failed" });
      } finally {
        this.#running.delete(key);
      }
    });
    this.#running.set(key, task);
  }

  /** Forgets the failures of all heals but these. */
  keepOnly(keys: ReadonlySet<string>): void {
    this.#backoff.keepOnly(keys);
  }

  /** Resolves when no heal is going on. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }
}
