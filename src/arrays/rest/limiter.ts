import { abortError } from "../../async/wait.ts";

/** `attach` = what a pod that starts or moves waits for; `provision` = everything else. */
export type Lane = "attach" | "provision";

/** Limits of calls at once on one array. */
interface LimiterOptions {
  /** Calls at once in the beginning (default 12). */
  start?: number;
  /** Never more (default 64). */
  cap?: number;
  /** Never less (default 2: one for each lane). */
  floor?: number;
}

/** The right of one call to run. */
export interface Permit {
  /** The answer came and the array did not complain: allows a little more. */
  ok(): void;
  /** The array asked to slow down, or did not answer in time: lowers the limit. */
  slow(): void;
  /** Must follow in every case; repeating it changes nothing. */
  release(): void;
}

interface Waiter {
  start: () => void;
}

/**
 * Share of the limit that is kept free of `provision`, so that an attach need not even wait for a
 * running create to end.
 */
const ATTACH_SHARE = 0.25;

/**
 * Up to this share of the limit at which the array complained last it grows quickly, and without
 * bounds before the first complaint.
 */
const KNOWN_SHARE = 0.9;
/**
 * What is left of the limit when the array complains where it complained before: it takes as many
 * as it did then, and half of them would be given away for nothing.
 */
const SAME_AGAIN = 0.9;
/** What each good answer adds to the limit on that way. */
const QUICK_STEP = 0.5;
/** What all answers of a full limit add: where the array complained last, and elsewhere. */
const [NEAR_STEP, NEW_STEP] = [0.2, 0.5];

/**
 * Decides how many calls run at once on one array. The array's own limit is not known and changes
 * with its load: this one grows quickly until the array complains, and halves then. After that
 * it grows back quickly to a little less than what was too much, and gives only a little away when
 * the array complains there again; beyond that it grows slowly. So an array that always takes as
 * much is used nearly to its limit.
 * `attach` goes before `provision`, which never gets all of the limit.
 */
export class Limiter {
  readonly #cap: number;
  readonly #floor: number;
  #limit: number;
  /** The limit at which the array complained last; 0 before the first time. */
  #tooMuch = 0;
  /** What that complaint left of it. */
  #left = 0;
  #running: Record<Lane, number> = { attach: 0, provision: 0 };
  readonly #waiting: Record<Lane, Set<Waiter>> = { attach: new Set(), provision: new Set() };
  /**
   * Goes up at each complaint: calls that started before it belong to the same burst and lower
   * nothing again.
   */
  #epoch = 0;

  constructor(options: LimiterOptions = {}) {
    this.#floor = options.floor ?? 2;
    this.#cap = options.cap ?? 64;
    this.#limit = options.start ?? 12;
  }

  /** Calls that may run at once now. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  get running(): number {
    return this.#running.attach + this.#running.provision;
  }

  get waiting(): number {
    return this.#waiting.attach.size + this.#waiting.provision.size;
  }

  /** Calls that run or wait, as a multiple of those that may run at once; 1 at least. */
  get crowding(): number {
    return Math.max(1, (this.running + this.waiting) / this.limit);
  }

  /**
   * Waits for the turn, in order within the lane; `timeout` when the signal fires first. The permit
   * must be released.
   */
  acquire(lane: Lane, signal?: AbortSignal): Promise<Permit> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    if (this.#waiting[lane].size === 0 && this.#mayStart(lane)) {
      return Promise.resolve(this.#start(lane));
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting[lane].delete(waiter);
        reject(abortError(signal));
      };
      const waiter = {
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(this.#start(lane));
        },
      };
      this.#waiting[lane].add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** What one good answer adds. */
  #step(): number {
    const isFree = this.#tooMuch === 0 || this.#limit < this.#tooMuch * KNOWN_SHARE;
    if (isFree) return QUICK_STEP;
    return (this.#limit < this.#tooMuch ? NEAR_STEP : NEW_STEP) / this.#limit;
  }

  /** Whether it has grown back, past the middle, to where the array complained last. */
  #isBackAtTheSame(): boolean {
    return this.#tooMuch > 0 && this.#limit * 2 > this.#left + this.#tooMuch;
  }

  #mayStart(lane: Lane): boolean {
    const limit = this.limit;
    if (this.running >= limit) return false;
    if (lane === "attach") return true;
    return this.#running.provision < limit - Math.max(1, Math.floor(limit * ATTACH_SHARE));
  }

  #start(lane: Lane): Permit {
    this.#running[lane] += 1;
    const epoch = this.#epoch;
    let held = true;
    return {
      ok: () => {
        // Only a limit that is nearly used up says anything about what the array can bear.
        if (epoch === this.#epoch && this.running * 2 >= this.#limit) {
          this.#limit = Math.min(this.#cap, this.#limit + this.#step());
        }
      },
      slow: () => {
        if (epoch !== this.#epoch) return;
        this.#epoch += 1;
        const share = this.#isBackAtTheSame() ? SAME_AGAIN : 0.5;
        this.#tooMuch = this.#limit;
        this.#limit = this.#left = Math.max(this.#floor, this.#limit * share);
      },
      release: () => {
        if (!held) return;
        held = false;
        this.#running[lane] -= 1;
        this.#admit();
      },
    };
  }

  #admit(): void {
    for (const lane of ["attach", "provision"] as const) {
      for (const waiter of this.#waiting[lane]) {
        if (!this.#mayStart(lane)) break;
        this.#waiting[lane].delete(waiter);
        waiter.start();
      }
    }
  }
}
