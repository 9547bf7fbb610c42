/** An answer is held back for this share of its caller's time, so that it still comes in time. */
const HELD_SHARE = 0.8;
/** No answer is held longer, whatever its caller's time: a pod that ends must not wait for it. */
const HELD_MS = 20_000;

/**
 * How long an answer may be held back for a caller who waits so much longer; not at all for one who
 * does not say.
 */
export function holdMs(leftMs: number = 0): number {
  return Math.min(leftMs * HELD_SHARE, HELD_MS);
}
