/** One moment on both clocks of this machine. */
export interface Moment {
  /** Never set back, and stands still while a machine sleeps. */
  monotonicMs: number;
  /** Goes on while a machine sleeps, and may be set. */
  wallMs: number;
}

/** What tells the time. */
export type Clock = () => Moment;

/** The clocks of this process. */
export function machineClock(): Moment {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/**
 * The time between two moments by the clock that shows more: for a right of our own, which must
 * never last too long. A machine that slept, and a wall clock that was set forward, both end it.
 */
export function longestBetween(from: Moment, to: Moment): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}

/** A time as Kubernetes wants a MicroTime: with six digits behind the point, no fewer. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
