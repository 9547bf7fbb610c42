import { PsoError } from "../errors.ts";

/**
 * Locks by name. They keep two requests for one volume apart inside this process. Correctness must
 * not need them, because another process may work on the same volume.
 */
export class KeyedLock {
  readonly #held = new Map<string, string>();

  /** How many keys are held now. */
  get size(): number {
    return this.#held.size;
  }

  /** Whether an operation holds this key now. */
  isHeld(key: string): boolean {
    return this.#held.has(key);
  }

  /**
   * Runs `work` while all of `keys` are held, or throws `busy` at once when one is held by another
   * operation. Check and set happen with no await between.
   */
  async tryRun<T>(keys: string[], operation: string, work: () => Promise<T>): Promise<T> {
    const taken = keys.find((key) => this.#held.has(key));
    if (taken !== undefined) {
      throw new PsoError(
        "busy",
        `${operation} of ${taken} must wait: ${
          this.#held.get(taken)
        } is running; it will be tried again`,
      );
    }
    for (const key of keys) this.#held.set(key, operation);
    try {
      return await work();
    } finally {
      for (const key of keys) this.#held.delete(key);
    }
  }
}
