import { ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzKube } from "./kube_fuzz.ts";

for (const seed of [14, 4711]) {
  Deno.test(`whatever an API server answers, calls end with codes and a watch finds the truth again, seed ${seed}`, async () => {
    const counts = await fuzzKube({ seed, seconds: TEST_SECONDS });
    const { rounds, refused, spoilt, spoiltLines } = counts;
    ok(rounds > 10 && refused > 50 && spoilt > 100 && spoiltLines > 10, JSON.stringify(counts));
  });
}
