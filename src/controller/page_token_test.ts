import { deepEqual, ok, throws } from "node:assert/strict";
import { PageTokens } from "./page_token.ts";

const LONG = "array tokens may be of any length ".repeat(20);

for (const arrayToken of [undefined, "tök=en/+|1", LONG]) {
  Deno.test(`PageTokens.decode() gives back what encode() was given, in 128 bytes: ${arrayToken?.slice(0, 10)}`, () => {
    const tokens = new PageTokens();
    const position = arrayToken === undefined
      ? { arrayHint: "2dcf29ad" }
      : { arrayHint: "2dcf29ad", arrayToken };
    const token = tokens.encode(position);
    ok(token.length <= 128, token);
    deepEqual(tokens.decode(token), position);
  });
}

Deno.test("PageTokens.decode() gives back the mark behind which a list goes on, in 128 bytes", () => {
  const tokens = new PageTokens();
  const mark = { part: "0a1b2c3d", after: "00112233aabb" };
  for (const arrayToken of ["", "x".repeat(40), LONG]) {
    const position = { arrayHint: "2dcf29ad", ...(arrayToken ? { arrayToken } : {}), mark };
    const token = tokens.encode(position);
    ok(token.length <= 128, token);
    deepEqual(tokens.decode(token), position);
  }
});

// 11 bytes of its own, and 4 for each 3 of the array's token
Deno.test("PageTokens.decode() reads a token after a restart as long as its whole is within 128 bytes", () => {
  const position = (length: number) => ({ arrayHint: "2dcf29ad", arrayToken: "x".repeat(length) });
  const longest = new PageTokens().encode(position(87));
  deepEqual([longest.length, new PageTokens().decode(longest)], [127, position(87)]);
  const tooLong = new PageTokens().encode(position(88));
  ok(tooLong.length <= 128, tooLong);
  throws(() => new PageTokens().decode(tooLong), { code: "stale_token" });
});

Deno.test("PageTokens keeps the long tokens of a thousand lists that are under way", () => {
  const tokens = new PageTokens();
  const position = (list: number) => ({ arrayHint: "2dcf29ad", arrayToken: LONG + list });
  const given = Array.from({ length: 1_001 }, (_, list) => tokens.encode(position(list)));
  throws(() => tokens.decode(given[0] ?? ""), { code: "stale_token" });
  deepEqual(tokens.decode(given[1] ?? ""), position(1));
});

Deno.test("PageTokens.decode() answers stale_token for anything that was never given out, and for a long one after a restart", () => {
  const forgotten = new PageTokens().encode({ arrayHint: "2dcf29ad", arrayToken: LONG });
  for (
    const token of [
      "invalid-token",
      "1.2dcf29ad",
      "2.2dcf29ad.",
      "1.2dcf29ad.=",
      "1.2dcf29ad._w",
      "1.2dcf29ad..0a1b2c3d",
      "1.XYZ.",
      "5",
      forgotten,
    ]
  ) {
    throws(() => new PageTokens().decode(token), { code: "stale_token" }, token);
  }
});
