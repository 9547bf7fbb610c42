/** After the n-th failure in a row the next try waits `firstMs` * 2^(n-1), at most `maxMs`. */
interface BackoffOptions {
  firstMs: number;
  maxMs: number;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
}

/** When what failed may be tried again, by name. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #failures = new Map<string, { count: number; dueMs: number; reason: string }>();

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Whether it may be tried now. What never failed may. */
  isDue(key: string): boolean {
    return (this.#failures.get(key)?.dueMs ?? 0) <= this.#options.now();
  }

  /**
   * Notes a failure. `true` when it is the first, or fails for another reason than before: then it
   * is worth a line in the log.
   */
  failed(key: string, reason: string): boolean {
    const { firstMs, maxMs, now } = this.#options;
    const before = this.#failures.get(key);
    const count = (before?.count ?? 0) + 1;
    this.#failures.set(key, {
      count,
      dueMs: now() + Math.min(maxMs, firstMs * 2 ** (count - 1)),
      reason,
    });
    return before?.reason !== reason;
  }

  /** Forgets the failures of what has worked. */
  worked(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * Forgets every failure but those of `keys`: what is no longer wrong begins anew when it fails
   * again.
   */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#failures.keys()) if (!keys.has(key)) this.#failures.delete(key);
  }
}
