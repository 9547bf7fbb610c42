/**
 * What the work of a call waits for and cannot give up, by the signal of the call. Its caller,
 * whose time is over before, is told.
 */
const WAITS = new WeakMap<AbortSignal, Set<{ what: string }>>();

/**
 * Notes what the work waits for, to complete "still waiting for …", until the function returned is
 * called.
 */
export function noteWait(signal: AbortSignal, what: string): () => void {
  const waits = WAITS.get(signal) ?? new Set();
  WAITS.set(signal, waits);
  const wait = { what };
  waits.add(wait);
  return () => void waits.delete(wait);
}

/** What the work of the signal waits for now, each once; empty when that is nothing that was noted. */
export function waitsOf(signal: AbortSignal): string[] {
  return [...new Set([...WAITS.get(signal) ?? []].map(({ what }) => what))];
}
