/**
 * How long a new volume counts with its whole size. A thin volume takes no space on its array until
 * it is written; after this time only what was written counts.
 */
const WINDOW_MS = 5 * 60 * 1000;
/** Placements within one step are kept as one sum, so that a storm of them costs no memory. */
const STEP_MS = 5 * 1000;

/** What an array said of itself, and when it was asked. */
interface Shown {
  usedBytes: number;
  /** Milliseconds since the epoch; absent = never, so that nothing is shown yet. */
  statusMs?: number;
}

/** What was placed on an array lately. */
export interface RecentBytes {
  /** What it may still take of the space that the array shows as free. */
  unwrittenBytes: number;
  /** Placed after the array was asked last: neither its space nor its sum of sizes has it. */
  unseenBytes: number;
}

/** One step's placements on one array. */
interface StepSum {
  step: number;
  bytes: number;
  /** Space that the array showed as used when the step began. */
  usedBytes: number;
}

/** Bytes placed on each array within the last five minutes. */
export class RecentPlacements {
  readonly #sums = new Map<string, StepSum[]>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** To be noted before the create is sent, so that of many at once each sees those before it. */
  add(array: string, { bytes, usedBytes }: { bytes: number; usedBytes: number }): void {
    const step = Math.floor(this.#now() / STEP_MS);
    const sums = this.#fresh(array);
    const last = sums.at(-1);
    if (last?.step === step) last.bytes += bytes;
    else sums.push({ step, bytes, usedBytes });
    this.#sums.set(array, sums);
  }

  /**
   * What was placed and is not written yet. What the array has come to use since counts as written
   * by the recent volumes: else a volume that is filled at once would count twice.
   */
  on(array: string, { usedBytes, statusMs }: Shown): RecentBytes {
    const sums = this.#fresh(array);
    const [oldest] = sums;
    if (oldest === undefined) return { unwrittenBytes: 0, unseenBytes: 0 };
    const seenBefore = statusMs === undefined ? -Infinity : Math.floor(statusMs / STEP_MS);
    const unseenBytes = total(sums.filter(({ step }) => step >= seenBefore));
    const written = Math.max(0, usedBytes - oldest.usedBytes);
    return { unwrittenBytes: Math.max(unseenBytes, total(sums) - written), unseenBytes };
  }

  #fresh(array: string): StepSum[] {
    const oldest = Math.floor((this.#now() - WINDOW_MS) / STEP_MS);
    return (this.#sums.get(array) ?? []).filter(({ step }) => step > oldest);
  }
}

function total(sums: readonly StepSum[]): number {
  return sums.reduce((sum, { bytes }) => sum + bytes, 0);
}
