import { createHash } from "node:crypto";
import type { Page, Volume } from "../arrays/array.ts";
import { BoundedMap } from "./bounded_map.ts";
import type { ListMark } from "./page_token.ts";

/** A volume of a list as its array showed it. */
export interface ListedVolume {
  volume: Volume;
  /** Which nodes its hosts are: name of the host in lower case → node. */
  hostNodes: ReadonlyMap<string, string>;
}

/** How old what an array was asked for may be when it is given out. */
export const PART_AGE_MS = 30_000;
/** Lists that go on at the same time; each has one part of an array's list, of 1,000 items at most. */
const PARTS_MAX = 4;

/** A part of an array's list as the array gave it. */
interface KeptPart<T> {
  page: Page<T>;
  readMs: number;
}

/**
 * What was read of an array's list and is not given out yet, for the next pages of the same list: a
 * caller of small pages costs an array no more calls than one of large pages. A part belongs to the
 * one list that it was read for, so that no list begins with what was true before it.
 */
export class KeptParts<T> {
  readonly #kept = new BoundedMap<string, KeptPart<T>>(PARTS_MAX);
  readonly #nameOf: (item: T) => string;
  readonly #now: () => number;

  /** `nameOf` tells the items of one array apart. */
  constructor(nameOf: (item: T) => string, now: () => number = Date.now) {
    this.#nameOf = nameOf;
    this.#now = now;
  }

  /** The part of the mark; undefined when it is too old, or had to give way to others. */
  of({ part }: ListMark): KeptPart<T> | undefined {
    const kept = this.#kept.get(part);
    if (kept === undefined || this.#now() - kept.readMs <= PART_AGE_MS) return kept;
    this.#kept.delete(part);
    return undefined;
  }

  /** The part as it was read just now. */
  read(page: Page<T>): KeptPart<T> {
    return { page, readMs: this.#now() };
  }

  /** Keeps the part for the page that goes on behind `last`; by its mark that page finds it again. */
  keep(kept: KeptPart<T>, { last, mark }: { last: T; mark?: ListMark }): ListMark {
    const part = mark?.part ?? crypto.randomUUID().slice(0, 8);
    this.#kept.set(part, kept);
    return { part, after: this.#digest(last) };
  }

  /** Forgets the part of the mark: all of it was given out. */
  drop({ part }: ListMark): void {
    this.#kept.delete(part);
  }

  /** The items behind the mark; undefined when the item that it names is not in the part. */
  behind({ page: { items } }: KeptPart<T>, { after }: ListMark): readonly T[] | undefined {
    const at = items.findIndex((item) => this.#digest(item) === after);
    return at < 0 ? undefined : items.slice(at + 1);
  }

  #digest(item: T): string {
    return createHash("sha256").update(this.#nameOf(item)).digest("hex").slice(0, 12);
  }
}
