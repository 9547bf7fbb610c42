import type { FactSink } from "./facts.ts";

/**
 * The facts of one kind by name. While a list is read anew, what it has not shown yet is still
 * there: it goes only when the list is whole.
 */
export class FactTable<T extends { name: string }> implements FactSink<T> {
  readonly #facts = new Map<string, T>();
  readonly #onChange: (before: T | undefined, after: T | undefined) => void;
  /** Names that the list under way has shown. */
  #seen: Set<string> | undefined;
  #isListed = false;
  #problem: string | undefined;

  /**
   * `onChange` is told of each change, and without a fact when only the state of the list is new.
   */
  constructor(onChange: (before: T | undefined, after: T | undefined) => void) {
    this.#onChange = onChange;
  }

  /** Whether all that is there is known: a list succeeded, and changes are told since. */
  get isWhole(): boolean {
    return this.#isListed && this.#problem === undefined;
  }

  /** Why the facts cannot be read now. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get(name: string): T | undefined {
    return this.#facts.get(name);
  }

  /** Every fact. */
  all(): Iterable<T> {
    return this.#facts.values();
  }

  begin(): void {
    this.#seen = new Set();
  }

  put(fact: T): void {
    this.#seen?.add(fact.name);
    const before = this.#facts.get(fact.name);
    this.#facts.set(fact.name, fact);
    this.#onChange(before, fact);
  }

  remove(name: string): void {
    const before = this.#facts.get(name);
    if (before === undefined) return;
    this.#facts.delete(name);
    this.#onChange(before, undefined);
  }

  listed(): void {
    const seen = this.#seen;
    this.#seen = undefined;
    for (const name of [...this.#facts.keys()]) if (seen?.has(name) === false) this.remove(name);
    this.#isListed = true;
    this.#onChange(undefined, undefined);
  }

  trouble(problem: string | undefined): void {
    this.#problem = problem;
    this.#onChange(undefined, undefined);
  }
}
