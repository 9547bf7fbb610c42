import { ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzMessages } from "./messages_fuzz.ts";

for (const seed of [16, 9001]) {
  Deno.test(`messages to the controller end in time, tell no secret and are never INTERNAL, seed ${seed}`, async () => {
    const { OK = 0, NOT_FOUND = 0, INVALID_ARGUMENT = 0 } = await fuzzMessages({
      seed,
      seconds: TEST_SECONDS,
    });
    ok(OK > 100 && NOT_FOUND > 50 && INVALID_ARGUMENT > 100, JSON.stringify({ OK, NOT_FOUND }));
  });
}
