import { deepEqual, ok } from "node:assert/strict";
import { say } from "../../scripts/shell.ts";
import { skip } from "../skips.ts";
import { runSanity, type SanityRun, whyNoSanity } from "./sanity.ts";

/** What may be skipped, and why: services and features that this driver does not offer yet. Nothing else may be. */
const MAY_SKIP: [RegExp, string][] = [
  [/VolumeGroupSnapshot|GroupController/, "volume group snapshots are not offered yet"],
  [/ModifyVolume|volume attribute class/, "ControllerModifyVolume is not offered yet"],
  [/VolumeHealth|StorageHealth/, "the health services of CSI 1.13 are not offered yet"],
  [/snapshot with accessibility requirements/, "snapshot topology is not offered yet"],
];

const RUNS: (SanityRun & { name: string })[] = [
  { name: "mount, FlashArray", accessType: "mount", backend: "block" },
  { name: "block, FlashArray", accessType: "block", backend: "block" },
  { name: "mount, FlashBlade", accessType: "mount", backend: "file" },
];

const reason = await whyNoSanity();
for (const run of RUNS) {
  Deno.test({
    name: `csi-sanity 5.6.0 passes: ${run.name}`,
    ignore: reason !== undefined && skip(`csi-sanity, ${run.name}`, reason),
    fn: async (test) => {
      const specs = await runSanity(run);
      const of = (fate: string) => specs.filter((spec) => spec.fate === fate);
      say(
        `csi-sanity ${run.name}: ${of("passed").length} passed, ${of("failed").length} failed, ${of("skipped").length} skipped, ${
          of("pending").length
        } pending upstream`,
      );
      for (const spec of of("skipped")) {
        say(`  skipped: ${spec.name}: ${MAY_SKIP.find(([names]) => names.test(spec.name))?.[1] ?? spec.message}`);
      }
      await test.step("no spec failed", () => deepEqual(of("failed").map(({ name, message }) => `${name}: ${message}`), []));
      await test.step("at least 80 specs passed", () => ok(of("passed").length >= 80, `${of("passed").length} of ${specs.length} passed`));
      await test.step("only what is not offered yet was skipped", () =>
        deepEqual(of("skipped").filter((spec) => !MAY_SKIP.some(([names]) => names.test(spec.name))), []));
    },
  });
}
