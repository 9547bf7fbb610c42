import type { Page } from "../../arrays/array.ts";
import { PsoError } from "../../errors.ts";
import type { ListPosition, PageTokens } from "../page_token.ts";
import type { ListRequest } from "../requests.ts";
import type { ListedArray } from "../volume_locator.ts";

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

/**
 * One page of a list that goes through all arrays, one after the other. The token says which array
 * and which place there, so that pages stay right whatever happens on other arrays. `stale_token`
 * for a token of an array that is gone; an array's own error ends the page.
 */
export async function listAcross<T>(
  { maxEntries, startingToken }: ListRequest,
  { arrays, tokens }: { arrays: readonly ListedArray[]; tokens: PageTokens },
  listPart: (listed: ListedArray, part: { limit: number; token?: string }) => Promise<Page<T>>,
): Promise<ListedPage<T>> {
  const most = maxEntries > 0 ? Math.min(maxEntries, ANSWER_MAX) : ANSWER_MAX;
  const start = startingToken === "" ? undefined : tokens.decode(startingToken);
  const items: ListedPage<T>["items"] = [];
  for (
    let at = startAt(arrays, start), token = start?.arrayToken;
    at < arrays.length;
    token = undefined, at++
  ) {
    const listed = arrays[at];
    if (!listed) break;
    do {
      const room = most - items.length;
      if (room === 0) {
        return { items, nextToken: tokens.encode({ arrayHint: listed.hint, arrayToken: token }) };
      }
      const page = await listPart(listed, { limit: Math.min(room, ARRAY_PAGE), token });
      for (const item of page.items) items.push({ listed, item });
      token = page.nextToken;
    } while (token !== undefined);
  }
  return { items, nextToken: "" };
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
