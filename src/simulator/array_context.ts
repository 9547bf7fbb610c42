import type { Logger } from "../log.ts";
import type { Run } from "../run.ts";
import type { Call } from "./call.ts";
import type { Clock } from "./clock.ts";
import type { Conditions } from "./conditions/conditions.ts";
import type { Plane } from "./plane.ts";
import { refused } from "./rest_error.ts";
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
  /** What becomes of destroyed objects; default is that of real arrays. */
  eradication?: Partial<Eradication>;
  /** Alerts and controllers as somebody has them; absent: nothing is ever wrong. */
  conditions?: Conditions;
  /**
   * Neighbours of flasharray/replication/, which know this file: the FlashArrays that it can be
   * connected to. Absent: there is no other.
   */
  neighbours?: object;
  /** A FlashArray shows ports of every sort, also those that no simulated host can use. */
  allPorts?: boolean;
}

/** What becomes of destroyed objects. */
export interface Eradication {
  /** Time after which they are eradicated by themselves. */
  delayMs: number;
  /** False with SafeMode: nobody can eradicate before that time. */
  isManual: boolean;
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

/** 24 hours, and by anybody before: the default of real arrays. */
const DEFAULT_ERADICATION: Eradication = { delayMs: 86_400_000, isManual: true };

/** The rules of one array for destroyed objects. */
export function eradicationOf({ eradication }: ArrayContext): Eradication {
  return { ...DEFAULT_ERADICATION, ...eradication };
}

/** RestError 400 with SafeMode, in the recorded words (kolesa, issue 72). */
export function requireManualEradication(context: ArrayContext): void {
  if (!eradicationOf(context).isManual) throw refused("Eradication is disabled.");
}

/** Milliseconds until a destroyed object is eradicated by itself; `null` while it is live. */
export function timeRemaining(
  { context }: { context: ArrayContext },
  destroyedMs: number | null,
): number | null {
  if (destroyedMs === null) return null;
  return Math.max(0, destroyedMs + eradicationOf(context).delayMs - context.clock.now());
}

/** How full an array is, as a call sees it. */
interface Filling {
  capacityBytes: number;
  usedBytes(call?: Call): number;
}

/**
 * RestError 400 for what would need new space on a full array. Creating is thin: only bytes that
 * are really stored count.
 */
export function requireRoom(
  array: Filling,
  { call, name }: { call: Call; name: string },
): void {
  if (array.usedBytes(call) < array.capacityBytes) return;
  throw refused("Insufficient space: the array is full, no space left.", name);
}

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
