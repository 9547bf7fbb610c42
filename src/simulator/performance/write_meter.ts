/** Rates over less than this say nothing: the last ones are given again. */
const LEAST_MS = 1000;
/** What the guest file systems of the local plane write in. */
const BYTES_PER_WRITE = 4096;

/** How much is written, as the arrays report it. */
export interface Rates {
  writesPerSec: number;
  writeBytesPerSec: number;
}

/** What several objects write together. */
export function sumOf(all: readonly Rates[]): Rates {
  const sum = { writesPerSec: 0, writeBytesPerSec: 0 };
  for (const { writesPerSec, writeBytesPerSec } of all) {
    sum.writesPerSec += writesPerSec;
    sum.writeBytesPerSec += writeBytesPerSec;
  }
  return sum;
}

/** The last look at one key. */
interface Sample {
  bytes: number;
  atMs: number;
  rates: Rates;
}

/**
 * Turns stored bytes, looked at now and then, into rates of writing: the only I/O figure that the
 * simulator can see.
 */
export class WriteMeter {
  readonly #now: () => number;
  readonly #samples = new Map<string, Sample>();
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Rates since the last look at `key`, which then held other bytes; zeroes at the first look. */
  rates(key: string, bytes: number): Rates {
    const atMs = this.#now();
    const last = this.#samples.get(key);
    if (last !== undefined && atMs - last.atMs < LEAST_MS) return last.rates;
    const writeBytesPerSec = last === undefined
      ? 0
      : Math.round(Math.max(0, bytes - last.bytes) * 1000 / (atMs - last.atMs));
    const rates = { writeBytesPerSec, writesPerSec: Math.ceil(writeBytesPerSec / BYTES_PER_WRITE) };
    this.#samples.set(key, { bytes, atMs, rates });
    return rates;
  }
}
