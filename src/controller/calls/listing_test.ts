import { deepEqual, equal, rejects } from "node:assert/strict";
import { flashArray } from "../../arrays/flasharray/flasharray.ts";
import { FLASHARRAY_DIALECT } from "../../arrays/flasharray/status.ts";
import { Fleet } from "../../arrays/fleet.ts";
import { RestClient } from "../../arrays/rest/client.ts";
import { silentLogger } from "../../log.ts";
import { Secret } from "../../secret.ts";
import { KeptParts, PART_AGE_MS } from "../kept_parts.ts";
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

/** An array's list in the parts that were asked for, as `LIMIT@TOKEN`. */
function watched(items: Record<string, number[]>) {
  const asked: string[] = [];
  const parts = partsOf(items);
  const read: typeof parts = (listed, part) => {
    asked.push(`${part.limit}@${part.token ?? ""}`);
    return parts(listed, part);
  };
  return { asked, read };
}

/** Every item of a list in pages of that size; `between` is called before each but the first. */
async function all(
  kept: KeptParts<number>,
  read: ReturnType<typeof watched>["read"],
  { maxEntries, between = () => {} }: { maxEntries: number; between?: (page: number) => void },
): Promise<number[]> {
  const seen: number[] = [];
  let startingToken = "";
  for (let page = 0; page === 0 || startingToken !== ""; page++) {
    if (page > 0) between(page);
    const scope = { arrays: ARRAYS, tokens, kept };
    const { items, nextToken } = await listAcross({ maxEntries, startingToken }, scope, read);
    seen.push(...items.map(({ item }) => item));
    startingToken = nextToken;
  }
  return seen;
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);
const MANY = { aaaaaaaa: range(0, 60), bbbbbbbb: [], cccccccc: range(60, 100) };

for (const maxEntries of [1, 7, 10, 59, 60, 61, 99, 100, 999]) {
  Deno.test(`15.12: listAcross() that reads ahead gives each item once, in pages of ${maxEntries}`, async () => {
    const { asked, read } = watched(MANY);
    deepEqual(await all(new KeptParts(String), read, { maxEntries }), range(0, 100));
    equal(asked.length <= 5, true, asked.join(" "));
    equal(asked[0], `${maxEntries}@`, "the first page asks for no more than it gives out");
  });
}

Deno.test("15.12: what was read ahead is given out for 30 seconds, and is then read again where it was", async () => {
  let now = 0;
  const { asked, read } = watched(MANY);
  const kept = new KeptParts<number>(String, () => now);
  const between = (page: number) => {
    if (page === 3) now += PART_AGE_MS + 1;
    else if (page === 4) now += PART_AGE_MS;
  };
  deepEqual(await all(kept, read, { maxEntries: 10, between }), range(0, 100));
  deepEqual(asked.slice(0, 3), ["10@", "1000@10", "1000@10"]);
});

Deno.test("15.12: a list goes on where it was after a restart, and beside more lists than are kept", async () => {
  const { read } = watched(MANY);
  const lists = await Promise.all(
    range(0, 6).map(() => all(new KeptParts(String), read, { maxEntries: 7 })),
  );
  for (const list of lists) deepEqual(list, range(0, 100));
  const shared = new KeptParts<number>(String);
  for (
    const list of await Promise.all(range(0, 6).map(() => all(shared, read, { maxEntries: 7 })))
  ) {
    deepEqual(list, range(0, 100));
  }
});

Deno.test("15.12: no list begins with what was read ahead for another one", async () => {
  const items = { aaaaaaaa: range(0, 30) };
  const kept = new KeptParts<number>(String);
  const scope = { arrays: ARRAYS, tokens, kept };
  const first = await listAcross({ maxEntries: 10, startingToken: "" }, scope, partsOf(items));
  const { nextToken: startingToken } = first;
  await listAcross({ maxEntries: 10, startingToken }, scope, partsOf(items));
  const changed = { aaaaaaaa: [...range(0, 10), ...range(15, 30), 99] };
  deepEqual(await all(kept, partsOf(changed), { maxEntries: 10 }), changed.aaaaaaaa);
});

Deno.test("15.12: a list whose place is gone is begun again", async () => {
  const items = { aaaaaaaa: range(0, 30) };
  const scope = () => ({ arrays: ARRAYS, tokens, kept: new KeptParts<number>(String) });
  const page = (startingToken: string, from = items) =>
    listAcross({ maxEntries: 5, startingToken }, scope(), partsOf(from));
  const { nextToken } = await page((await page("")).nextToken);
  const without = { aaaaaaaa: range(0, 30).filter((item) => item !== 9) };
  await rejects(page(nextToken, without), {
    code: "stale_token",
    message: /is gone: start the list/,
  });
  const alone = { arrays: ARRAYS, tokens };
  await rejects(listAcross({ maxEntries: 5, startingToken: nextToken }, alone, partsOf(items)), {
    code: "stale_token",
  });
});
