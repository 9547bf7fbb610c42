/** One REST call as it was answered. */
export interface LoggedRequest {
  timeMs: number;
  array: string;
  method: string;
  /** Without `/api/2.N`. */
  path: string;
  query: string;
  /** HTTP status; 0 = the connection was closed without an answer. */
  status: number;
  durationMs: number;
}

/** So many calls are kept in full. */
const KEPT = 1000;

/** Counts of all calls since the start or the last reset, and the newest ones in full. */
export class RequestLog {
  #counts = new Map<string, { array: string; method: string; path: string; count: number }>();
  #last: LoggedRequest[] = [];

  add(request: LoggedRequest): void {
    const { array, method, path } = request;
    const key = `${array} ${method} ${path}`;
    const counted = this.#counts.get(key) ?? { array, method, path, count: 0 };
    counted.count++;
    this.#counts.set(key, counted);
    this.#last.push(request);
    if (this.#last.length > 2 * KEPT) this.#last = this.#last.slice(-KEPT);
  }

  reset(): void {
    this.#counts.clear();
    this.#last = [];
  }

  /** `total`, `counts` by array, method and path, and the `last` 1,000 calls, oldest first. */
  report(): {
    total: number;
    counts: { array: string; method: string; path: string; count: number }[];
    last: LoggedRequest[];
  } {
    const counts = [...this.#counts.values()];
    return {
      total: counts.reduce((sum, { count }) => sum + count, 0),
      counts,
      last: this.#last.slice(-KEPT),
    };
  }
}
