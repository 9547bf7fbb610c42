import { Journal, type Op } from "./journal.ts";

/** Below this many lines a journal is not worth compacting. */
const COMPACT_LINES = 20_000;

/** One record as it is after a change, and as it was before. */
export interface Change {
  table: string;
  key: string;
  /** `null` when it went. */
  value: object | null;
  /** Absent when there was none. */
  old: object | undefined;
}

interface Indexed<T> {
  records: Map<string, T>;
  index: Map<string, string>;
  indexOf: (record: T) => string;
  /** What this table's records were before the last change; `undefined` = not there. */
  before: Map<string, T | undefined>;
}

/**
 * Records of one sort, by key, with one index (names; the caller decides the case). Records are
 * never changed in place: set() a new object, inside Store.change(). Reads inside Store.stale() see
 * the table as it was before the last change.
 */
export class Table<T extends object> {
  readonly #store: Store;
  readonly #name: string;
  readonly #inner: Indexed<T>;
  constructor(store: Store, name: string, inner: Indexed<T>) {
    this.#store = store;
    this.#name = name;
    this.#inner = inner;
  }

  get size(): number {
    return this.#inner.records.size;
  }

  get(key: string): T | undefined {
    const { before, records } = this.#inner;
    return this.#store.readsStale && before.has(key) ? before.get(key) : records.get(key);
  }

  /** The record whose index text is `text`. */
  find(text: string): T | undefined {
    const { before, index, indexOf, records } = this.#inner;
    const key = index.get(text);
    if (!this.#store.readsStale) return key === undefined ? undefined : records.get(key);
    for (const old of before.values()) if (old !== undefined && indexOf(old) === text) return old;
    return key === undefined || before.has(key) ? undefined : records.get(key);
  }

  *values(): Generator<T> {
    const { before, records } = this.#inner;
    if (!this.#store.readsStale) return yield* records.values();
    for (const [key, record] of records) if (!before.has(key)) yield record;
    for (const old of before.values()) if (old !== undefined) yield old;
  }

  set(key: string, record: T): void {
    this.#store.record([this.#name, key, record]);
  }

  delete(key: string): void {
    this.#store.record([this.#name, key, null]);
  }
}

/**
 * The state of one simulated array: named tables, changed only inside change(), which happens as a
 * whole or not at all and is in the journal when it returns. Without a path the state lives in
 * memory.
 */
export class Store {
  readonly #tables = new Map<string, Indexed<object>>();
  readonly #journal: Journal | undefined;
  /** Told of each change once it is in the journal, in the same moment. */
  onCommit: (changes: readonly Change[]) => void = () => {};
  /**
   * What the journal held at the start; dropped with the first change, when all tables are there.
   */
  #loaded: Op[][];
  #ops: { op: Op; old: object | undefined }[] | undefined;
  #stale = false;
  #version = 0;

  constructor(path?: string) {
    const opened = path === undefined ? undefined : Journal.open(path);
    this.#journal = opened?.journal;
    this.#loaded = opened?.changes ?? [];
  }

  get readsStale(): boolean {
    return this.#stale;
  }

  /** Rises with every change: what was computed from the tables holds while it stays. */
  get version(): number {
    return this.#version;
  }

  /**
   * The table of that name, filled with what the journal holds. Once per name and before the first
   * change; `indexOf` stays the same over the file's life.
   */
  table<T extends object>(name: string, indexOf: (record: T) => string): Table<T> {
    // The journal is the only untyped edge: a table's records are those that the same table wrote.
    const inner: Indexed<T> = { records: new Map(), index: new Map(), indexOf, before: new Map() };
    this.#tables.set(name, inner as unknown as Indexed<object>);
    for (const op of this.#loaded.flat()) {
      if (op[0] === name) apply(inner as unknown as Indexed<object>, op[1], op[2]);
    }
    return new Table(this, name, inner);
  }

  /**
   * Runs `work` and makes its changes durable as one; when it throws, none of them happened. No
   * change inside: nothing is written.
   */
  change<T>(work: () => T): T {
    if (this.#ops !== undefined) return work();
    const ops: { op: Op; old: object | undefined }[] = [];
    const result = this.#changeOnce(work, ops);
    // Outside of the change: what it tells others they may answer by another one.
    if (ops.length > 0) {
      this.onCommit(ops.map(({ op: [table, key, value], old }) => ({ table, key, value, old })));
    }
    return result;
  }

  #changeOnce<T>(work: () => T, ops: { op: Op; old: object | undefined }[]): T {
    this.#ops = ops;
    this.#loaded = [];
    try {
      const result = work();
      if (ops.length > 0) this.#commit(ops);
      return result;
    } catch (error) {
      for (const { op, old } of ops.reverse()) this.#apply([op[0], op[1], old ?? null]);
      throw error;
    } finally {
      this.#ops = undefined;
    }
  }

  /**
   * Reads as if the last change had not happened yet (a list that lags behind). `read` must not
   * wait for anything.
   */
  stale<T>(read: () => T): T {
    this.#stale = true;
    try {
      return read();
    } finally {
      this.#stale = false;
    }
  }

  /** Used by Table: one change of one record, inside change(). */
  record(op: Op): void {
    if (this.#ops === undefined) throw new Error(`table ${op[0]} is changed outside of change()`);
    this.#ops.push({ op, old: this.#apply(op) });
  }

  close(): void {
    this.#journal?.close();
  }

  #apply([name, key, value]: Op): object | undefined {
    const table = this.#tables.get(name);
    if (table === undefined) throw new Error(`no table ${name}`);
    this.#version++;
    return apply(table, key, value);
  }

  #commit(ops: { op: Op; old: object | undefined }[]): void {
    this.#journal?.append(ops.map(({ op }) => op));
    for (const table of this.#tables.values()) table.before.clear();
    for (const { op: [name, key], old } of ops) {
      const before = this.#tables.get(name)?.before;
      if (before !== undefined && !before.has(key)) before.set(key, old);
    }
    this.#compactIfLong();
  }

  #compactIfLong(): void {
    const live = [...this.#tables.values()].reduce((sum, table) => sum + table.records.size, 0);
    if (this.#journal === undefined || this.#journal.lines <= Math.max(COMPACT_LINES, 2 * live)) {
      return;
    }
    try {
      this.#journal.compact(this.#all());
    } catch {
      // The change itself is in the old journal, which stays; the next change tries again.
    }
  }

  #all(): Op[] {
    return [...this.#tables].flatMap(([name, table]) =>
      [...table.records].map(([key, value]): Op => [name, key, value])
    );
  }
}

/**
 * Something computed from a store's tables, again only after a change. Stale reads compute it for
 * themselves.
 */
export class Derived<T> {
  readonly #store: Store;
  readonly #compute: () => T;
  #held: { version: number; value: T } | undefined;
  constructor(store: Store, compute: () => T) {
    this.#store = store;
    this.#compute = compute;
  }
  get(): T {
    if (this.#store.readsStale) return this.#compute();
    if (this.#held?.version !== this.#store.version) {
      this.#held = { version: this.#store.version, value: this.#compute() };
    }
    return this.#held.value;
  }
}

function apply(table: Indexed<object>, key: string, value: object | null): object | undefined {
  const old = table.records.get(key);
  if (old !== undefined && table.index.get(table.indexOf(old)) === key) {
    table.index.delete(table.indexOf(old));
  }
  if (value === null) table.records.delete(key);
  else {
    table.records.set(key, value);
    table.index.set(table.indexOf(value), key);
  }
  return old;
}
