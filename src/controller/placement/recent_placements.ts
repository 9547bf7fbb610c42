/**
 * How long a new volume counts with its whole size. A thin volume takes no space on its array until
 * it is written; after this time only what was written counts.
 */
const WINDOW_MS = 5 * 60 * 1000;
/** Placements within one step are kept as one sum, so that a storm of them costs no memory. */
const STEP_MS = 15 * 1000;

/** Bytes placed on each array within the last five minutes. */
export class RecentPlacements {
  readonly #sums = new Map<string, { step: number; bytes: number }[]>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  add(array: string, bytes: number): void {
    const step = Math.floor(this.#now() / STEP_MS);
    const sums = this.#fresh(array);
    const last = sums.at(-1);
    if (last?.step === step) last.bytes += bytes;
    else sums.push({ step, bytes });
    this.#sums.set(array, sums);
  }

  bytesOn(array: string): number {
    return this.#fresh(array).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #fresh(array: string): { step: number; bytes: number }[] {
    const oldest = Math.floor((this.#now() - WINDOW_MS) / STEP_MS);
    return (this.#sums.get(array) ?? []).filter(({ step }) => step > oldest);
  }
}
