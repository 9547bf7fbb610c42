import assert from "node:assert/strict";
import { restErrorOf } from "./refusals.ts";
import { waitBeforeRepeat } from "./repetition.ts";

/** How long is waited after an answer with this header. */
function waitAfter(status: number, retryAfter: string | undefined, attempt = 0): number {
  const headers: Record<string, string> = retryAfter === undefined
    ? {}
    : { "retry-after": retryAfter };
  const response = { status, headers, text: JSON.stringify({ message: "slow down" }) };
  const error = restErrorOf(response, { array: "fa-1", call: "GET volumes" });
  return waitBeforeRepeat(error, attempt);
}

Deno.test("what an array asks for by Retry-After is waited, and a part more that differs", () => {
  for (const status of [429, 503]) {
    const waits = Array.from({ length: 20 }, () => waitAfter(status, "2"));
    assert.ok(waits.every((ms) => ms > 2_000 && ms <= 2_050), String(waits));
    assert.ok(new Set(waits).size > 1, "all would come back at once");
  }
});

Deno.test("nobody is left alone for longer than a minute by Retry-After", () => {
  const wait = waitAfter(429, "86400");
  assert.ok(wait > 60_000 && wait < 61_000, String(wait));
});

Deno.test("without Retry-After, or with one that is no number of seconds, the wait doubles up to 5 s", () => {
  for (const header of [undefined, "", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "0"]) {
    const first = waitAfter(429, header);
    assert.ok(first >= 25 && first <= 50, `${header}: ${first}`);
    const third = waitAfter(429, header, 2);
    assert.ok(third >= 100 && third <= 200, `${header}: ${third}`);
    const late = waitAfter(429, header, 30);
    assert.ok(late >= 2_500 && late <= 5_000, `${header}: ${late}`);
  }
});
