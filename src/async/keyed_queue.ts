import { isPsoError } from "../errors.ts";
import { abortError, untilAborted } from "./wait.ts";

/** A piece of work in the queue of its key. */
interface Turn<T> {
  /** Settles when the turn has come. */
  before: Promise<unknown>;
  mine: Promise<T>;
  /** What the next one waits for. */
  tail: Promise<unknown>;
}

/**
 * Runs work of one key in the order of arrival, never two at once; other keys do not wait. A caller
 * whose `signal` fires while it waits for its turn gets `timeout` at once, and its work is never
 * begun. Work that has begun is waited for: it knows best how to end.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` when everything with this key that came before has ended, well or not. */
  inTurn<T>(key: string, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const begin = unlessGone(work, signal);
    const mine = before.then(begin, begin);
    return this.#take(key, { before, mine, tail: mine.catch(() => {}) }, signal);
  }

  /**
   * As inTurn(), for work that hangs when the other side is dead. When one piece of work runs out
   * of time, those that wait behind it fail with its error: each would only hang as long again. A
   * piece whose own caller went away (`signal`) proves nothing, and the next one runs.
   */
  inTurnUnlessHung<T>(
    key: string,
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(unlessGone(work, signal));
    const tail = mine.catch((error) => {
      if (isPsoError(error, "timeout") && !signal?.aborted) throw error;
    });
    tail.catch(() => {}); // nobody may wait behind it
    return this.#take(key, { before, mine, tail }, signal);
  }

  async #take<T>(
    key: string,
    { before, mine, tail }: Turn<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    this.#tails.set(key, tail);
    // When it has ended, and not when its caller leaves: what comes later must not begin before.
    const forget = () => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    tail.then(forget, forget);
    if (signal) await untilAborted(before.catch(() => {}), signal);
    return await mine;
  }
}

function unlessGone<T>(work: () => Promise<T>, signal?: AbortSignal): () => Promise<T> {
  return () => signal?.aborted ? Promise.reject(abortError(signal)) : work();
}
