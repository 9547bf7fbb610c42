import { equal, ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzValues, leakIn } from "./values_fuzz.ts";

for (const seed of [19, 4242]) {
  Deno.test(`values files are taken or refused in time, and tell no token, seed ${seed}`, async () => {
    const { taken, refused } = await fuzzValues({ seed, seconds: TEST_SECONDS });
    ok(taken > 5 && refused > 50, JSON.stringify({ taken, refused }));
  });
}

Deno.test("the oracle sees a part of a token", () => {
  const canary = "T-7a111111-4b22-4c33-9d44-0e5555555555";
  for (const part of [canary, canary.slice(8, 20), canary.replaceAll("-", "").toUpperCase()]) {
    ok(leakIn(`is "${part}", wanted`, canary), part);
  }
  equal(leakIn("is [redacted], wanted 7a111111", canary), undefined);
});
