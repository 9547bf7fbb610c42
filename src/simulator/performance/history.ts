import { type Call, count } from "../call.ts";
import type { Clock } from "../clock.ts";
import { refused } from "../rest_error.ts";
import { type Rates, sumOf, WriteMeter } from "./write_meter.ts";

/** Milliseconds between two samples, as the OpenAPI files list them for objects. */
export const OBJECT_RESOLUTIONS: readonly number[] = [
  ...[30_000, 300_000, 1_800_000],
  ...[7_200_000, 28_800_000, 86_400_000],
];
/** The whole array has one of a second, too. */
export const ARRAY_RESOLUTIONS: readonly number[] = [1000, ...OBJECT_RESOLUTIONS];

/** Samples of one object in one answer at most. */
const MOST_SAMPLES = 10_000;
/** Looks that found something written, of one object: what is older is forgotten. */
const MOST_KEPT = 5000;

/** One sample: when, and how much was written then. */
export interface Moment {
  time: number;
  rates: Rates;
}

/** One object whose writes are measured. */
interface Measured {
  /** Its id: no two objects have one key. */
  key: string;
  /** What it stores now. */
  bytes: number;
}

/** The window that a call asks for; `undefined` for a sample of now. RestError 400 for a wrong one. */
function windowOf(
  { query }: Call,
  { now, resolutions }: { now: number; resolutions: readonly number[] },
): { start: number; end: number; resolution: number } | undefined {
  const [from, to] = [count(query, "start_time"), count(query, "end_time")];
  const wanted = count(query, "resolution");
  if (from === undefined && to === undefined && wanted === undefined) return undefined;
  const resolution = wanted ?? OBJECT_RESOLUTIONS[0] ?? 0;
  if (!resolutions.includes(resolution)) {
    throw refused(
      `Invalid value for resolution: expected ${resolutions.join(", ")}.`,
      String(resolution),
    );
  }
  const end = Math.min(to ?? now, now);
  const start = from ?? end - resolution;
  if (start > end) throw refused("start_time must not be after end_time.", String(start));
  if ((end - start) / resolution > MOST_SAMPLES) {
    throw refused("The time window has too many samples at this resolution.", String(resolution));
  }
  return { start, end, resolution };
}

/**
 * Rates of writing now and before. The past is what earlier looks have found: nobody measures
 * between two of them, and what nobody looked at was idle.
 */
export class PerformanceHistory {
  readonly #clock: Clock;
  readonly #meter: WriteMeter;
  readonly #past = new Map<string, Moment[]>();

  constructor(clock: Clock, meter = new WriteMeter()) {
    this.#clock = clock;
    this.#meter = meter;
  }

  /** The rates of now, which are kept. */
  rates({ key, bytes }: Measured): Rates {
    const rates = this.#meter.rates(key, bytes);
    if (rates.writeBytesPerSec === 0) return rates;
    const past = this.#past.get(key) ?? [];
    if (past.at(-1)?.rates !== rates) past.push({ time: this.#clock.now(), rates });
    if (past.length > MOST_KEPT) past.shift();
    this.#past.set(key, past);
    return rates;
  }

  /**
   * The samples that the call asks for, oldest first: one of now, or one for each step of
   * `resolution` in its window. RestError 400 for a window that no array has.
   */
  moments(call: Call, measured: Measured, resolutions: readonly number[]): Moment[] {
    return this.sums(call, [measured], resolutions);
  }

  /** As moments(), of what several objects write together. */
  sums(call: Call, all: readonly Measured[], resolutions: readonly number[]): Moment[] {
    const now = this.#clock.now();
    const rates = sumOf(all.map((measured) => this.rates(measured)));
    const window = windowOf(call, { now, resolutions });
    if (window === undefined) return [{ time: now, rates }];
    const { start, end, resolution } = window;
    const moments: Moment[] = [];
    for (let time = Math.ceil(start / resolution) * resolution; time <= end; time += resolution) {
      const means = all.map(({ key }) =>
        this.#mean(key, { after: time - resolution, until: time })
      );
      moments.push({ time, rates: sumOf(means) });
    }
    return moments;
  }

  #mean(key: string, { after, until }: { after: number; until: number }): Rates {
    const found = (this.#past.get(key) ?? [])
      .filter(({ time }) => time > after && time <= until)
      .map(({ rates }) => rates);
    const { writesPerSec, writeBytesPerSec } = sumOf(found);
    const count = Math.max(1, found.length);
    return {
      writesPerSec: Math.round(writesPerSec / count),
      writeBytesPerSec: Math.round(writeBytesPerSec / count),
    };
  }
}
