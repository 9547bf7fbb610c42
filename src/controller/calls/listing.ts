import type { Page } from "../../arrays/array.ts";
import { PsoError } from "../../errors.ts";
import type { ListPosition, PageTokens } from "../page_token.ts";
import type { ListRequest } from "../requests.ts";
import type { ListedArray } from "../volume_locator.ts";
import type { KeptParts } from "../kept_parts.ts";

/** Arrays give at most about 1,000 items per page. */
const ARRAY_PAGE = 1000;
/**
 * Entries of one answer when the caller sets no limit: about 1.5 MiB, well below gRPC's usual 4 MiB
 * per message.
 */
const ANSWER_MAX = 10_000;

/** Items with the array that each came from. */
export interface ListedPage<T> {
  items: { listed: ListedArray; item: T }[];
  /** Empty on the last page. */
  nextToken: string;
}

/** What a list goes through, and what is kept of it between its pages. */
interface ListScope<T> {
  arrays: readonly ListedArray[];
  tokens: PageTokens;
  /** Absent: each page asks its arrays for just what it gives out. */
  kept?: KeptParts<T>;
}

/** Asks one array for a part of its list. */
type PartReader<T> = (
  listed: ListedArray,
  part: { limit: number; token?: string },
) => Promise<Page<T>>;

/**
 * One page of a list that goes through all arrays, one after the other. The token says which array
 * and which place there, so that pages stay right whatever happens on other arrays. A caller that
 * goes on with a list in small pages gets them from what an array was asked for at once; its first
 * page asks for no more than that. `stale_token` for a token of an array that is gone, and where
 * the list can be taken up no more; an array's own error ends the page.
 */
export async function listAcross<T>(
  { maxEntries, startingToken }: ListRequest,
  { arrays, tokens, kept }: ListScope<T>,
  listPart: PartReader<T>,
): Promise<ListedPage<T>> {
  const most = maxEntries > 0 ? Math.min(maxEntries, ANSWER_MAX) : ANSWER_MAX;
  const start = startingToken === "" ? undefined : tokens.decode(startingToken);
  const ahead = start && most < ARRAY_PAGE ? kept : undefined;
  const items: ListedPage<T>["items"] = [];
  for (
    let at = startAt(arrays, start), place: Place | undefined = start ?? {};
    at < arrays.length;
    place = {}, at++
  ) {
    const listed = arrays[at];
    if (!listed) break;
    do {
      const room = most - items.length;
      if (room === 0) {
        return { items, nextToken: tokens.encode({ arrayHint: listed.hint, ...place }) };
      }
      const read = (limit: number) => listPart(listed, { limit, token: place?.arrayToken });
      const part: Part<T> = ahead || place.mark
        ? await partAhead({ kept: ahead ?? kept, place, room }, read)
        : partOf(await read(Math.min(room, ARRAY_PAGE)));
      for (const item of part.items) items.push({ listed, item });
      place = part.next;
    } while (place !== undefined);
  }
  return { items, nextToken: "" };
}

/** A place in the list of one array. */
type Place = Pick<ListPosition, "arrayToken" | "mark">;

/** What is given out of an array's list, and where it goes on; absent: it ends there. */
interface Part<T> {
  items: readonly T[];
  next?: Place;
}

function partOf<T>({ items, nextToken }: Page<T>): Part<T> {
  return { items, ...(nextToken === undefined ? {} : { next: { arrayToken: nextToken } }) };
}

/** As many items as there is room for, of a part that is kept or is read whole and then kept. */
async function partAhead<T>(
  { kept, place: { arrayToken, mark }, room }: { kept?: KeptParts<T>; place: Place; room: number },
  read: (limit: number) => Promise<Page<T>>,
): Promise<Part<T>> {
  // Marks are given out where parts are kept alone: another one was made up.
  if (kept === undefined) throw lostPlace();
  const part = (mark && kept.of(mark)) ?? kept.read(await read(ARRAY_PAGE));
  const left = mark ? kept.behind(part, mark) : part.page.items;
  if (left === undefined) throw lostPlace();
  const items = left.slice(0, room);
  const last = items.at(-1);
  if (items.length < left.length && last !== undefined) {
    return { items, next: { arrayToken, mark: kept.keep(part, { last, mark }) } };
  }
  if (mark) kept.drop(mark);
  return partOf({ ...part.page, items: [...items] });
}

function lostPlace(): PsoError {
  return new PsoError(
    "stale_token",
    "the item after which starting_token goes on is gone: start the list again with an empty one",
  );
}

function startAt(arrays: readonly ListedArray[], start: ListPosition | undefined): number {
  if (!start) return 0;
  const at = arrays.findIndex(({ hint }) => hint === start.arrayHint);
  if (at !== -1) return at;
  throw new PsoError(
    "stale_token",
    `starting_token belongs to the array ${start.arrayHint}…, which is not configured any more: ` +
      "start the list again with an empty one",
  );
}
