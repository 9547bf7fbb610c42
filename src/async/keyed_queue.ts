import { isPsoError } from "../errors.ts";

/** Runs work of one key in the order of arrival, never two at once; other keys do not wait. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` when everything with this key that came before has ended, well or not. */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    return this.#asTail(key, { mine, tail: mine.catch(() => {}) });
  }

  /**
   * As inTurn(), for work that hangs when the other side is dead. When one piece of work runs out
   * of time, those that wait behind it fail with its error: each would only hang as long again. A
   * piece whose own caller went away (`signal`) proves nothing, and the next one runs.
   */
  inTurnUnlessHung<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(work);
    const tail = mine.catch((error) => {
      if (isPsoError(error, "timeout") && !signal?.aborted) throw error;
    });
    tail.catch(() => {}); // nobody may wait behind it
    return this.#asTail(key, { mine, tail });
  }

  async #asTail<T>(
    key: string,
    { mine, tail }: { mine: Promise<T>; tail: Promise<unknown> },
  ): Promise<T> {
    this.#tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
