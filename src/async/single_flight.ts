import { abortError, untilAborted } from "./wait.ts";

/**
 * Runs one piece of work per key at a time and gives its result to everybody who asks while it
 * runs. For work that costs the same for one caller as for a hundred: a login, a check of an array,
 * a look at the host.
 */
export class SingleFlight<K, T> {
  readonly #running = new Map<K, Promise<T>>();

  /**
   * The result of the work that runs now for `key`, or of `work` when none does. Nothing is kept:
   * after the end, well or not, the next call starts anew. A caller whose `signal` fires stops
   * waiting (`timeout`), and the work goes on for the others. A signal that `work` itself obeys
   * ends it for all of them.
   */
  run(key: K, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    const shared = this.#running.get(key) ?? this.#start(key, work);
    return signal ? untilAborted(shared, signal) : shared;
  }

  #start(key: K, work: () => Promise<T>): Promise<T> {
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
