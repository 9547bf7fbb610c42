import { startStand } from "../../scripts/stand.ts";
import { skip } from "../skips.ts";
import { judge, runSanity, type SanityRun, smallNodeLimit, whyNoSanity } from "./sanity.ts";

const RUNS: (SanityRun & { name: string })[] = [
  { name: "mount, FlashArray", accessType: "mount", backend: "block", timeoutMs: 300_000 },
  { name: "block, FlashArray", accessType: "block", backend: "block", timeoutMs: 300_000 },
  { name: "mount, FlashBlade", accessType: "mount", backend: "file", timeoutMs: 300_000 },
];

const reason = await whyNoSanity();
for (const run of RUNS) {
  Deno.test({
    name: `csi-sanity 5.6.0 passes: ${run.name}`,
    ignore: reason !== undefined && skip(`csi-sanity, ${run.name}`, reason),
    fn: async (test) => {
      const dir = await Deno.makeTempDir({ prefix: "pso-sanity-" });
      const interpreted = Deno.env.has("PSO_INTERPRETED");
      const stand = await startStand({
        dir,
        flasharrays: 2,
        flashblades: 1,
        nodes: 1,
        interpreted,
        editValues: smallNodeLimit,
      });
      try {
        await judge(test, run.name, await runSanity(stand, run));
      } finally {
        await stand.stop();
        await Deno.remove(dir, { recursive: true });
      }
    },
  });
}
