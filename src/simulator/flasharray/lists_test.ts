import assert from "node:assert/strict";
import { withFleet } from "../fixture_test.ts";
import { MiB } from "./fixture_test.ts";

Deno.test("lists page with limit, token and offset, and sort without a token", async () => {
  await withFleet({}, async ({ array }) => {
    await array.ok("POST /volumes?names=a1,a2,a3,a4,a5", {});
    await array.ok("PATCH /volumes?names=a2", { provisioned: 4 * MiB });
    const page = async (query: string) => {
      const body = await array.ok(`GET /volumes?${query}`);
      return {
        names: body.items.map(({ name }: { name: string }) => name).join(),
        more: body.more_items_remaining,
        token: body.continuation_token,
        count: body.total_item_count,
      };
    };
    const first = await page("limit=2");
    assert.deepEqual([first.names, first.more, first.count], ["a1,a2", true, null]);
    // A volume that appears and one that goes between two pages neither repeat nor hide others.
    await array.ok("POST /volumes?names=a0", {});
    await array.ok("PATCH /volumes?names=a1", { destroyed: true });
    await array.ok("DELETE /volumes?names=a1");
    const second = await page(`limit=2&continuation_token=${encodeURIComponent(first.token)}`);
    assert.deepEqual([second.names, second.more], ["a3,a4", true]);
    const last = await page(`limit=2&continuation_token=${encodeURIComponent(second.token)}`);
    assert.deepEqual([last.names, last.more, last.token], ["a5", false, null]);
    assert.equal((await page("offset=3&limit=9")).names, "a4,a5");
    assert.deepEqual(await page("limit=0&total_item_count=true"), {
      names: "",
      more: true,
      token: null,
      count: 5,
    });
    const sorted = await page("sort=provisioned-,name-&limit=2");
    assert.deepEqual([sorted.names, sorted.more, sorted.token], ["a2,a5", true, null]);
    const reply = await array.send("GET /volumes?limit=1");
    assert.equal(reply.headers.get("x-next-token"), reply.body.continuation_token);
    const total = await array.ok("GET /volumes?total_only=true");
    assert.deepEqual([total.items, total.total[0].provisioned], [[], 8 * MiB]);
  });
});

Deno.test("a page holds at most 1,000 items, and all pages together every volume once", async () => {
  await withFleet({}, async ({ array }) => {
    for (let block = 0; block < 21; block++) {
      await array.ok(
        `POST /volumes?names=${
          Array.from({ length: 100 }, (_, at) => `v${block * 100 + at}`).join()
        }`,
        {},
      );
    }
    const seen = new Set<string>();
    const sizes: number[] = [];
    for (let token = "";;) {
      const body = await array.ok(
        `GET /volumes?limit=5000${token && `&continuation_token=${encodeURIComponent(token)}`}`,
      );
      for (const { name } of body.items) seen.add(name);
      sizes.push(body.items.length);
      if (!body.more_items_remaining) break;
      token = body.continuation_token;
    }
    assert.deepEqual([sizes, seen.size], [[1000, 1000, 100], 2100]);
  });
});

Deno.test("object limits are reached with destroyed volumes counted", async () => {
  await withFleet({ limits: { volumes: 2 } }, async ({ array }) => {
    await array.ok("POST /volumes?names=a,b", {});
    await array.ok("PATCH /volumes?names=a", { destroyed: true });
    assert.equal(
      await array.refused("POST /volumes?names=c", {}),
      "400 Maximum number of volumes: limit reached. (c)",
    );
    await array.ok("DELETE /volumes?names=a");
    await array.ok("POST /volumes?names=c", {});
  });
});
