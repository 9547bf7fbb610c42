import { abortError, withDeadline } from "./wait.ts";

/** How what many callers ask for is read together. */
interface BatchesOptions<T> {
  /** Keys that one read takes at most. */
  most: number;
  /** Reads one key for one caller, or for several that ask for the same. */
  one: (key: string, signal?: AbortSignal) => Promise<T>;
  /** Reads several keys at once. A key that it leaves out is read alone. */
  many: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, T>>;
  /**
   * After a failure of `many`: the keys that are to be read apart from the others; with all of them,
   * or none, each is read alone. `undefined` when the failure is about none of them: all callers
   * get it then.
   */
  apart: (error: unknown, keys: readonly string[]) => readonly string[] | undefined;
  now?: () => number;
}

interface Caller<T> {
  key: string;
  signal?: AbortSignal;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
  /** Ends the waiting of this caller alone. */
  leave: () => void;
}

/** A caller is not made to wait longer than this for others, whatever a read takes. */
const GAP_MAX_MS = 600;
/** Callers whom one batch released come back together: so long the first one waits for the others. */
const TOGETHER_MS = 3;
/** A read for several callers ends after this, whatever deadlines they have. */
const SHARED_MS = 120_000;

/**
 * Reads together what many callers ask for one by one. A read begins after all whom it serves have
 * asked, so that nobody gets what was true before. A caller who comes alone is served at once, by a
 * read of its own; others wait for each other, for the time that one read takes. A caller whose
 * signal fires gets `timeout`, and the read goes on for the others.
 */
export class Batches<T> {
  readonly #options: BatchesOptions<T>;
  readonly #now: () => number;
  #gathered: Caller<T>[] = [];
  #timer?: ReturnType<typeof setTimeout>;
  #begunMs = -Infinity;
  /** How long the last read took; absent until one has ended. */
  #tookMs?: number;
  /** Whether the last read was for several callers. */
  #wasShared = false;

  constructor(options: BatchesOptions<T>) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** What is read for `key`, by a read that begins from now on. */
  get(key: string, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const leave = () => reject(abortError(signal));
    signal?.addEventListener("abort", leave, { once: true });
    this.#gathered.push({ key, signal, resolve, reject, leave });
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (new Set(this.#gathered.map(({ key }) => key)).size >= this.#options.most) this.#begin();
    if (this.#gathered.length === 0 || this.#timer !== undefined) return;
    // Who comes while the first of all reads runs waits for its end: nobody knows yet what one takes.
    const tookMs = this.#tookMs ?? GAP_MAX_MS;
    // From one read to the next is the time that one takes.
    const gapMs = Math.min(tookMs, GAP_MAX_MS);
    const leftMs = gapMs - (this.#now() - this.#begunMs);
    const waitMs = Math.max(leftMs, this.#wasShared ? TOGETHER_MS : 0);
    if (waitMs <= 0) this.#begin();
    else this.#timer = setTimeout(() => this.#begin(), waitMs);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const callers = this.#gathered;
    this.#gathered = [];
    this.#begunMs = this.#now();
    this.#wasShared = callers.length > 1;
    void this.#serve(callers);
  }

  /** Serves those who are still waiting. Never rejects. */
  async #serve(all: readonly Caller<T>[]): Promise<void> {
    const callers = all.filter(({ signal }) => !signal?.aborted);
    const keys = [...new Set(callers.map(({ key }) => key))];
    if (keys.length === 0) return;
    try {
      const begunMs = this.#now();
      const found = await this.#read(keys, callers).finally(() =>
        this.#noteTime(this.#now() - begunMs)
      );
      const given = callers.filter(({ key }) => found.has(key));
      for (const caller of given) settle(caller, () => caller.resolve(found.get(caller.key) as T));
      const left = callers.filter(({ key }) => !found.has(key));
      const alone = keys.filter((key) => !found.has(key));
      await Promise.all(alone.map((key) => this.#serve(left.filter((one) => one.key === key))));
    } catch (error) {
      const apart = keys.length > 1 ? this.#options.apart(error, keys) : undefined;
      if (apart === undefined) {
        for (const caller of callers) settle(caller, () => caller.reject(error));
        return;
      }
      const parts = partsOf(keys, apart).map((part) =>
        callers.filter(({ key }) => part.includes(key))
      );
      await Promise.all(parts.map((part) => this.#serve(part)));
    }
  }

  /** A read took so long; those who waited for the end of the first one are served now. */
  #noteTime(tookMs: number): void {
    const isFirst = this.#tookMs === undefined;
    this.#tookMs = tookMs;
    if (!isFirst || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#schedule();
  }

  async #read(
    keys: readonly string[],
    callers: readonly Caller<T>[],
  ): Promise<ReadonlyMap<string, T>> {
    const { one, many } = this.#options;
    const [key, caller] = [keys[0] ?? "", callers[0]];
    if (caller && callers.length === 1) {
      // A lone read obeys its caller's signal, and knows best how to end.
      caller.signal?.removeEventListener("abort", caller.leave);
      return new Map([[key, await one(key, caller.signal)]]);
    }
    return await whileAnyWaits(
      callers,
      async (signal) =>
        keys.length === 1 ? new Map([[key, await one(key, signal)]]) : await many(keys, signal),
    );
  }
}

/** The keys in parts that are smaller than the whole, so that reading them comes to an end. */
function partsOf(keys: readonly string[], apart: readonly string[]): string[][] {
  const [named, others] = [true, false].map((isApart) =>
    keys.filter((key) => apart.includes(key) === isApart)
  );
  return named?.length && others?.length ? [named, others] : keys.map((key) => [key]);
}

function settle<T>({ signal, leave }: Caller<T>, how: () => void): void {
  signal?.removeEventListener("abort", leave);
  how();
}

/** Runs `work` with a signal that fires when the last of the callers has gone. */
async function whileAnyWaits<R>(
  callers: readonly { signal?: AbortSignal }[],
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const own = new AbortController();
  const onAbort = () => {
    if (callers.every(({ signal }) => signal?.aborted)) own.abort(abortError(callers[0]?.signal));
  };
  for (const { signal } of callers) signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const deadline = { timeoutMs: SHARED_MS, signal: own.signal };
    return await withDeadline("a read for several callers", deadline, work);
  } finally {
    for (const { signal } of callers) signal?.removeEventListener("abort", onAbort);
  }
}
