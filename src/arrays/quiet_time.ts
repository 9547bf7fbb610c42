import type { ArrayStatus } from "./array.ts";

/** A sample with fewer operations per second says nothing about how fast the array is. */
const OPS_MIN = 10;
/** No array is taken for faster than this: below it, differences are noise. */
const QUIET_USEC_MIN = 250;
/** How long a fast sample counts. An array that lost hardware or data reduction gets a new quiet time. */
const WINDOW_MS = 7 * 24 * 60 * 60 * 1000;
/** Samples within one step are kept as their fastest one. */
const STEP_MS = 60 * 60 * 1000;

/**
 * How fast one array is when it is not loaded: the least mean time of an operation within the last
 * seven days. Arrays are compared with themselves alone, because a small one is slower than a large
 * one without being busier.
 */
export class QuietTime {
  #steps: { step: number; usec: number }[] = [];

  /**
   * Takes one sample and says how many times slower than when it is quiet the array is now: 1 when
   * it is idle, or quiet. `undefined` when the array gave no sample.
   */
  slowdown(latency: ArrayStatus["latency"], nowMs: number): number | undefined {
    if (latency === undefined) return undefined;
    const { usecPerOp, opsPerSecond } = latency;
    if (opsPerSecond < OPS_MIN) return 1;
    const usec = Math.max(QUIET_USEC_MIN, usecPerOp);
    const step = Math.floor(nowMs / STEP_MS);
    const oldest = Math.floor((nowMs - WINDOW_MS) / STEP_MS);
    const kept = this.#steps.filter((one) => one.step > oldest);
    const last = kept.at(-1);
    if (last?.step === step) last.usec = Math.min(last.usec, usec);
    else kept.push({ step, usec });
    this.#steps = kept;
    return usec / Math.min(...kept.map((one) => one.usec));
  }
}
