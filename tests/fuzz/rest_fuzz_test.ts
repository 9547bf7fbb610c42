import { ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzRest } from "./rest_fuzz.ts";

for (const seed of [13, 7351]) {
  Deno.test(`calls end in time, quietly and with no final code too many, whatever an array answers, seed ${seed}`, async () => {
    const counts = await fuzzRest({ seed, seconds: TEST_SECONDS });
    const { calls, bent, refused } = counts;
    ok(calls > 100 && bent > 100 && refused > 30, JSON.stringify(counts));
  });
}
