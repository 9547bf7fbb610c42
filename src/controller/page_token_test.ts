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

Deno.test("PageTokens.decode() answers stale_token for anything that was never given out, and for a long one after a restart", () => {
  const forgotten = new PageTokens().encode({ arrayHint: "2dcf29ad", arrayToken: LONG });
  for (
    const token of [
      "invalid-token",
      "1.2dcf29ad",
      "2.2dcf29ad.",
      "1.2dcf29ad.=",
      "1.2dcf29ad._w",
      "1.XYZ.",
      "5",
      forgotten,
    ]
  ) {
    throws(() => new PageTokens().decode(token), { code: "stale_token" }, token);
  }
});
