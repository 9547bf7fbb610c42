import type { Logger } from "../log.ts";
import type { Run } from "../run.ts";
import type { Clock } from "./clock.ts";
import type { Plane } from "./plane.ts";
import type { Store } from "./store.ts";

/** What an array of any kind is made from. */
export interface ArrayContext {
  name: string;
  /** UUID of the array, the same over restarts. */
  id: string;
  clock: Clock;
  /** Its own store: no other array uses it. */
  store: Store;
  /** Absent: no data plane, volumes exist only over REST and hold no bytes. */
  plane?: Plane;
  run: Run;
  log: Logger;
  /** Physical bytes; default is the kind's. */
  capacityBytes?: number;
  /** REST versions served, ascending; default is the kind's. */
  versions?: readonly string[];
  /** Lowered by tests that want to hit them. */
  limits?: Partial<ObjectLimits>;
}

/**
 * The most objects of each sort that an array holds, destroyed ones included. The vendor does not
 * publish the figures of real arrays.
 */
export interface ObjectLimits {
  volumes: number;
  snapshots: number;
  hosts: number;
}

/** Time after which a destroyed object is eradicated: 24 h, the default of real arrays. */
export const ERADICATION_DELAY_MS = 86_400_000;

/** The `2.first` … `2.last` strings without the numbers that were never released. */
export function versionRange(
  first: number,
  last: number,
  options: { missing?: number[] } = {},
): string[] {
  const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
  return numbers.filter((minor) => !options.missing?.includes(minor)).map((minor) => `2.${minor}`);
}

/** Lets pieces of work happen one after the other, in the order in which they came. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T> | T): Promise<T> {
    const mine = this.#last.then(work);
    // The next one waits for the end of this one, not for its success.
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
