import { ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzToolOutput } from "./tool_output_fuzz.ts";

for (const seed of [13, 7351]) {
  Deno.test(`whatever tools say, parsers end with errors of ours, and a node harms no other mount, seed ${seed}`, async () => {
    const { texts, rounds } = await fuzzToolOutput({ seed, seconds: TEST_SECONDS });
    ok(texts > 1000 && rounds > 5, JSON.stringify({ texts, rounds }));
  });
}
