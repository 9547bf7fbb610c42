/**
 * How long a new volume counts with its whole size. A thin volume takes no space on its array until
 * it is written; after this time only what was written counts.
 */
const WINDOW_MS = 5 * 60 * 1000;
/**
 * Placements within one step are kept as one sum, so that a storm of them costs no memory. What was
 * placed in the step of a look may be seen by it or not, and counts as unseen: a longer step would
 * make an array that was just looked at seem fuller than its like.
 */
const STEP_MS = 500;

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

/** What was placed on one array: its steps in order, and their sum. */
interface Placed {
  steps: StepSum[];
  bytes: number;
}

/** Bytes placed on each array within the last five minutes. */
export class RecentPlacements {
  readonly #placed = new Map<string, Placed>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** To be noted before the create is sent, so that of many at once each sees those before it. */
  add(array: string, { bytes, usedBytes }: { bytes: number; usedBytes: number }): void {
    const step = Math.floor(this.#now() / STEP_MS);
    const placed = this.#fresh(array) ?? { steps: [], bytes: 0 };
    const last = placed.steps.at(-1);
    if (last?.step === step) last.bytes += bytes;
    else placed.steps.push({ step, bytes, usedBytes });
    placed.bytes += bytes;
    this.#placed.set(array, placed);
  }

  /**
   * What was placed and is not written yet. What the array has come to use since counts as written
   * by the recent volumes: else a volume that is filled at once would count twice.
   */
  on(array: string, { usedBytes, statusMs }: Shown): RecentBytes {
    const placed = this.#fresh(array);
    const [oldest] = placed?.steps ?? [];
    if (placed === undefined || oldest === undefined) return { unwrittenBytes: 0, unseenBytes: 0 };
    const seenBefore = statusMs === undefined ? -Infinity : Math.floor(statusMs / STEP_MS);
    let unseenBytes = 0;
    for (let at = placed.steps.length - 1; at >= 0; at--) {
      const { step, bytes } = placed.steps[at] ?? oldest;
      if (step < seenBefore) break;
      unseenBytes += bytes;
    }
    const written = Math.max(0, usedBytes - oldest.usedBytes);
    return { unwrittenBytes: Math.max(unseenBytes, placed.bytes - written), unseenBytes };
  }

  /** What was placed on the array, without what is older than the window. */
  #fresh(array: string): Placed | undefined {
    const placed = this.#placed.get(array);
    if (!placed) return undefined;
    const oldest = Math.floor((this.#now() - WINDOW_MS) / STEP_MS);
    const kept = placed.steps.findIndex(({ step }) => step > oldest);
    const gone = placed.steps.splice(0, kept < 0 ? Infinity : kept);
    for (const { bytes } of gone) placed.bytes -= bytes;
    return placed;
  }
}
