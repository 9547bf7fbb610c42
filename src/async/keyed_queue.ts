import { isPsoError } from "../errors.ts";

/** Work that must not overlap, in order of arrival for each key; other keys do not wait. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` when everything with this key that came before has ended, well or not. */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    return this.#asTail(key, { mine, tail: mine.catch(() => {}) });
  }

  /**
   * As inTurn(), for work that hangs when what it asks is dead: those that wait behind one that ran
   * out of time fail with its error, as each would only hang as long again. One whose own caller
   * went away (`signal`) tells nothing about the others.
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
