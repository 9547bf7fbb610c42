/**
 * A map of at most `limit` entries: when there are more, it forgets the one that was not set or
 * read for longest. For what may be forgotten, never for what must be known.
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #limit: number;
  readonly #onForgotten: (key: K, value: V) => void;

  /** `onForgotten` is told of each entry that goes because there are too many. */
  constructor(limit: number, onForgotten: (key: K, value: V) => void = () => {}) {
    this.#limit = limit;
    this.#onForgotten = onForgotten;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** All keys; counts as no use of their entries. */
  keys(): K[] {
    return [...this.#entries.keys()];
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#limit) return;
    for (const [oldest, forgotten] of this.#entries) {
      this.#entries.delete(oldest);
      this.#onForgotten(oldest, forgotten);
      return;
    }
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }
}
