/** One REST call as it was answered. */
interface LoggedRequest {
  timeMs: number;
  /** IP address of the caller. */
  client: string;
  array: string;
  method: string;
  /** Without `/api/2.N`. */
  path: string;
  query: string;
  /** HTTP status; 0 = the connection was closed without an answer. */
  status: number;
  /** To a tenth. */
  durationMs: number;
}

/** How often one method and path of one array was called. */
interface CallCount {
  array: string;
  method: string;
  path: string;
  count: number;
}

/** What GET /requests of the control endpoint answers. */
interface RequestReport {
  total: number;
  counts: CallCount[];
  /** The newest calls, oldest first. */
  last: LoggedRequest[];
}

/** So many calls are kept in full. */
const KEPT = 1000;

/** Counts of all calls since the start or the last reset, and the newest ones in full. */
export class RequestLog {
  #counts = new Map<string, CallCount>();
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

  /** All counts, and the last 1,000 calls in full. */
  report(): RequestReport {
    const counts = [...this.#counts.values()];
    return {
      total: counts.reduce((sum, { count }) => sum + count, 0),
      counts,
      last: this.#last.slice(-KEPT),
    };
  }
}
