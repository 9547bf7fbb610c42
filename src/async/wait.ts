import { PsoError } from "../errors.ts";

/**
 * Waits `ms`, or until the signal fires (then it throws `timeout`). Only for back-off and polling,
 * never as proof of a fact.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortError(signal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The error of work that its signal ended. */
export function abortError(signal?: AbortSignal): PsoError {
  return signal?.reason instanceof PsoError
    ? signal.reason
    : new PsoError("timeout", "the deadline passed or the caller went away", {
      cause: signal?.reason,
    });
}

/**
 * Waits for `work`, but no longer than `ms`; the work itself goes on. Throws what the work throws
 * meanwhile.
 */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** What `shared` ends with, or `timeout` when the signal fires before; `shared` itself goes on. */
export function untilAborted<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * Bounds of the pause between two looks at a fact. The pause grows with the time waited: a fact
 * that comes soon is seen soon, and many long waits cost little.
 */
const SHORTEST_INTERVAL_MS = 20;
const LONGEST_INTERVAL_MS = 500;

/** How long work may take; the signal of its caller ends it earlier. */
export interface Deadline {
  timeoutMs: number;
  signal?: AbortSignal;
}

/** How long and how often until() looks. */
interface UntilOptions extends Deadline {
  /** Absent: a tenth of the time waited so far, from 20 to 500 ms. */
  intervalMs?: number;
}

/**
 * Polls `fact` until it gives something that is not undefined or false; throws `timeout` with
 * `what` when `timeoutMs` are over.
 */
export async function until<T>(
  what: string,
  fact: () => Promise<T | undefined | false> | T | undefined | false,
  options: UntilOptions,
): Promise<T> {
  const started = performance.now();
  for (;;) {
    const found = await fact();
    if (found !== undefined && found !== false) return found;
    const waitedMs = performance.now() - started;
    if (waitedMs >= options.timeoutMs) {
      throw new PsoError("timeout", `${what} did not happen within ${options.timeoutMs} ms`);
    }
    const intervalMs = options.intervalMs ??
      Math.min(Math.max(waitedMs / 10, SHORTEST_INTERVAL_MS), LONGEST_INTERVAL_MS);
    await pause(Math.min(intervalMs, Math.max(1, options.timeoutMs - waitedMs)), options.signal);
  }
}

/**
 * Runs `work` with a signal that fires after `timeoutMs` (as `timeout`, with `what`) or when the
 * caller's own does. Leaves no timer and no listener behind, which AbortSignal.timeout and
 * AbortSignal.any do on a signal that lives as long as the process.
 */
export async function withDeadline<T>(
  what: string,
  options: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs, signal } = options;
  if (signal?.aborted) throw abortError(signal);
  const own = new AbortController();
  const timer = setTimeout(
    () => own.abort(new PsoError("timeout", `${what} took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  const onAbort = () => own.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await work(own.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Runs `work` with a signal that fires `graceMs` after the caller's own: for what cannot be called
 * back, and whose outcome is soon known. Leaves no timer and no listener behind.
 */
export async function withGrace<T>(
  { signal, graceMs }: { signal: AbortSignal; graceMs: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw abortError(signal);
  const own = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => timer = setTimeout(() => own.abort(signal.reason), graceMs);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await work(own.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** How long an undo may take: its caller, who may be gone, holds the lock of the object until then. */
export const UNDO_TIMEOUT_MS = 30_000;

/**
 * Runs the undo of something that failed with a signal of its own, whatever became of the caller's:
 * a deadline that has passed is the most frequent reason to undo. Throws `timeout` with `what` when
 * UNDO_TIMEOUT_MS are over: the caller then says what is left.
 */
export function inUndoTime<T>(
  what: string,
  undo: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withDeadline(what, { timeoutMs: UNDO_TIMEOUT_MS }, undo);
}
