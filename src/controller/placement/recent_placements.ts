/**
 * How long a new volume counts with its whole size. A thin volume takes no space on its array until
 * it is written; after this time only what was written counts.
 */
const WINDOW_MS = 5 * 60 * 1000;
/**
 * Placements within one step are kept as one sum, so that a storm of them costs no memory. What
 * ended in the step of a look may be seen by it or not.
 */
const STEP_MS = 500;

/** What an array said of itself, and when it was asked. */
interface Shown {
  usedBytes: number;
  /** Sizes of all its volumes together; absent: it does not tell. */
  provisionedBytes?: number;
  /** Milliseconds since the epoch; absent = never, so that nothing is shown yet. */
  statusMs?: number;
}

/** What was placed on an array lately. */
export interface RecentBytes {
  /** What it may still take of the space that the array shows as free. */
  unwrittenBytes: number;
  /** Placed and not in the sum of sizes that the array told last. */
  unseenBytes: number;
}

/** One step's placements on one array. */
interface StepSum {
  step: number;
  bytes: number;
  /** Space that the array showed as used when the step began. */
  usedBytes: number;
}

/** What was placed on one array: the steps in which creates ended, in order, and all of it. */
interface Placed {
  steps: StepSum[];
  /** Creates that have no answer yet: no look shows them for sure. */
  underWayBytes: number;
  bytes: number;
  /** Of all creates since the start, without those that surely made nothing. */
  begunBytes: number;
  /** Sizes of all other volumes of the array, as they were reckoned last. */
  othersBytes?: number;
}

/** A create that is under way. */
export interface Placing {
  /** To be called once; what was surely not made counts no more. */
  ended(outcome: "made" | "unclear" | "nothing"): void;
}

/** Bytes placed on each array within the last five minutes. */
export class RecentPlacements {
  readonly #placed = new Map<string, Placed>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** To be noted before the create is sent, so that of many at once each sees those before it. */
  begin(array: string, { bytes, usedBytes }: { bytes: number; usedBytes: number }): Placing {
    const placed = this.#fresh(array) ?? { steps: [], underWayBytes: 0, bytes: 0, begunBytes: 0 };
    this.#placed.set(array, placed);
    placed.underWayBytes += bytes;
    placed.bytes += bytes;
    placed.begunBytes += bytes;
    return {
      ended: (outcome) => {
        placed.underWayBytes -= bytes;
        if (outcome === "nothing") {
          placed.bytes -= bytes;
          placed.begunBytes -= bytes;
          return;
        }
        const step = Math.floor(this.#now() / STEP_MS);
        const last = placed.steps.at(-1);
        if (last?.step === step) last.bytes += bytes;
        else placed.steps.push({ step, bytes, usedBytes });
      },
    };
  }

  /**
   * What was placed and is not written yet. What the array has come to use since counts as written
   * by the recent volumes: else a volume that is filled at once would count twice.
   */
  on(array: string, { usedBytes, provisionedBytes, statusMs }: Shown): RecentBytes {
    const placed = this.#fresh(array);
    if (placed === undefined) return { unwrittenBytes: 0, unseenBytes: 0 };
    const { steps, underWayBytes } = placed;
    const seenBefore = statusMs === undefined ? -Infinity : Math.floor(statusMs / STEP_MS);
    const firstUnseen = steps.findLastIndex(({ step }) => step < seenBefore) + 1;
    const mostUnseenBytes = total(steps.slice(firstUnseen)) + underWayBytes;
    const written = Math.max(0, usedBytes - (steps[0]?.usedBytes ?? usedBytes));
    return {
      unwrittenBytes: Math.max(mostUnseenBytes, placed.bytes - written),
      unseenBytes: provisionedBytes === undefined
        ? mostUnseenBytes
        : reckonTotal(placed, { provisionedBytes, mostUnseenBytes }) - provisionedBytes,
    };
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

/**
 * Sizes of all volumes of the array, those included that its last look does not have. Which of the
 * creates that were under way at a look it has, nobody can tell: what was reckoned before the look
 * decides, within what the look allows. Counted as unseen all of them would make an array that was
 * just looked at seem fuller than its like, and in a storm it would get fewer volumes.
 */
function reckonTotal(
  placed: Placed,
  { provisionedBytes, mostUnseenBytes }: { provisionedBytes: number; mostUnseenBytes: number },
): number {
  const { othersBytes, begunBytes } = placed;
  const most = provisionedBytes + mostUnseenBytes;
  const expected = othersBytes === undefined ? most : othersBytes + begunBytes;
  const totalBytes = Math.min(Math.max(expected, provisionedBytes), most);
  placed.othersBytes = totalBytes - begunBytes;
  return totalBytes;
}

function total(steps: readonly StepSum[]): number {
  return steps.reduce((sum, { bytes }) => sum + bytes, 0);
}
