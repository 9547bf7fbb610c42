import { ok } from "node:assert/strict";
import { fuzzControllerRpc } from "./controller_rpc_fuzz.ts";
import { TEST_SECONDS } from "./fuzz_main.ts";

for (const seed of [13, 7351]) {
  Deno.test(`the controller service answers every message and takes no volume from another machine, seed ${seed}`, async () => {
    const counts = await fuzzControllerRpc({ seed, seconds: TEST_SECONDS });
    for (const name of ["CreateVolume OK", "DeleteVolume OK", "CreateVolume INVALID_ARGUMENT"]) {
      ok((counts[name] ?? 0) > 0, JSON.stringify(counts));
    }
  });
}
