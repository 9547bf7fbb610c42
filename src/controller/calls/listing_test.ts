import { deepEqual, equal, rejects } from "node:assert/strict";
import { flashArray } from "../../arrays/flasharray/flasharray.ts";
import { FLASHARRAY_DIALECT } from "../../arrays/flasharray/status.ts";
import { Fleet } from "../../arrays/fleet.ts";
import { RestClient } from "../../arrays/rest/client.ts";
import { silentLogger } from "../../log.ts";
import { Secret } from "../../secret.ts";
import { listAcross } from "./listing.ts";
import { PageTokens } from "../page_token.ts";
import type { ListedArray } from "../volume_locator.ts";

/** Arrays that answer nothing: the lists come from `partsOf`. */
function arraysOf(...hints: string[]): ListedArray[] {
  const arrays = hints.map((hint) => {
    const rest = new RestClient({
      fetch: () => Promise.reject(new TypeError("no call belongs to this test")),
      dialect: FLASHARRAY_DIALECT,
      token: new Secret("t"),
      label: () => hint,
      log: silentLogger,
    });
    const serverKey = () => Promise.resolve(undefined);
    const options = { address: hint, label: hint, serverKey, log: silentLogger };
    return { array: flashArray(rest, options) };
  });
  const { members } = new Fleet(arrays, { log: silentLogger });
  return members.map((member) => ({
    member,
    hint: member.array.label,
    arrayId: member.array.label,
  }));
}

/** Lists numbers as an array does: `limit` at most, a token while more follow. */
function partsOf(items: Record<string, number[]>) {
  return ({ hint }: ListedArray, { limit, token }: { limit: number; token?: string }) => {
    const from = Number(token ?? 0);
    const all = items[hint] ?? [];
    const more = from + limit < all.length;
    return Promise.resolve({
      items: all.slice(from, from + limit),
      ...(more ? { nextToken: String(from + limit) } : {}),
    });
  };
}

const ARRAYS = arraysOf("aaaaaaaa", "bbbbbbbb", "cccccccc");
const ITEMS = { aaaaaaaa: [1, 2, 3], bbbbbbbb: [], cccccccc: [4, 5] };

const tokens = new PageTokens();

for (const maxEntries of [0, 1, 2, 3, 4, 5, 6]) {
  Deno.test(`listAcross() in pages of ${maxEntries || "any size"} gives each item once, in order`, async () => {
    const seen: number[] = [];
    let startingToken = "";
    do {
      const page = await listAcross(
        { maxEntries, startingToken },
        { arrays: ARRAYS, tokens },
        partsOf(ITEMS),
      );
      if (maxEntries > 0 && page.items.length > maxEntries) equal(page.items.length, maxEntries);
      seen.push(...page.items.map(({ item }) => item));
      startingToken = page.nextToken;
    } while (startingToken !== "");
    deepEqual(seen, [1, 2, 3, 4, 5]);
  });
}

Deno.test("listAcross() says which array each item came from", async () => {
  const { items } = await listAcross({ maxEntries: 0, startingToken: "" }, {
    arrays: ARRAYS,
    tokens,
  }, partsOf(ITEMS));
  deepEqual(items.map(({ listed }) => listed.hint), [
    "aaaaaaaa",
    "aaaaaaaa",
    "aaaaaaaa",
    "cccccccc",
    "cccccccc",
  ]);
});

Deno.test("listAcross() gives at most 10,000 entries and a token when the caller sets no limit", async () => {
  const many = { aaaaaaaa: Array.from({ length: 10_001 }, (_, index) => index) };
  const first = await listAcross(
    { maxEntries: 0, startingToken: "" },
    { arrays: ARRAYS, tokens },
    partsOf(many),
  );
  equal(first.items.length, 10_000);
  equal(
    (await listAcross(
      { maxEntries: 0, startingToken: first.nextToken },
      { arrays: ARRAYS, tokens },
      partsOf(many),
    )).items.length,
    1,
  );
});

Deno.test("listAcross() answers stale_token for an array that is gone", async () => {
  const { nextToken } = await listAcross({ maxEntries: 2, startingToken: "" }, {
    arrays: ARRAYS,
    tokens,
  }, partsOf(ITEMS));
  const left = ARRAYS.slice(1);
  await rejects(
    listAcross(
      { maxEntries: 2, startingToken: nextToken },
      { arrays: left, tokens },
      partsOf(ITEMS),
    ),
    {
      code: "stale_token",
      message: /aaaaaaaa/,
    },
  );
});
