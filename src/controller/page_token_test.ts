import { deepEqual, throws } from "node:assert/strict";
import { decodePageToken, encodePageToken } from "./page_token.ts";

Deno.test("decodePageToken() gives back what encodePageToken() was given", () => {
  for (const position of [{ arrayHint: "2dcf29ad" }, { arrayHint: "2dcf29ad", arrayToken: "tök=en/+|1" }]) {
    deepEqual(decodePageToken(encodePageToken(position)), position);
  }
});

Deno.test("decodePageToken() answers stale_token for anything that was never given out", () => {
  for (const token of ["invalid-token", "1.2dcf29ad", "2.2dcf29ad.", "1.2dcf29ad.=", "1.2dcf29ad._w", "1.XYZ.", "5"]) {
    throws(() => decodePageToken(token), { code: "stale_token" }, token);
  }
});
