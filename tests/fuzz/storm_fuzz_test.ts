import { ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzStorms } from "./storm_fuzz.ts";

for (const seed of [13, 7351]) {
  Deno.test(`storms of contradicting calls leave one volume of a name, on one node, as it was answered, seed ${seed}`, async () => {
    const counts = await fuzzStorms({ seed, seconds: TEST_SECONDS });
    for (
      const name of [
        "CreateVolume OK",
        "CreateVolume ALREADY_EXISTS",
        "CreateVolume ABORTED",
        "ControllerPublishVolume OK",
        "ControllerExpandVolume OK",
        "CreateSnapshot OK",
        "DeleteVolume OK",
      ]
    ) {
      ok((counts[name] ?? 0) > 0, `${name}: ${JSON.stringify(counts)}`);
    }
  });
}
