import assert from "node:assert/strict";
import { PURE_RULES, SCAN_RULE, UA_RULE } from "../../../tests/support/prepared_host.ts";
import { withHostRoot } from "../../../tests/support/test_host.ts";
import { udevFindings } from "./udev_check.ts";

Deno.test("udevFindings() leaves comments, and files that another folder replaces, out", () => {
  const commented = PURE_RULES.replaceAll("ACTION", "#ACTION");
  const files = {
    "/etc/udev/rules.d/99-pure-storage.rules": commented,
    "/usr/lib/udev/rules.d/99-pure-storage.rules": PURE_RULES,
    "/etc/udev/rules.d/90-scsi-ua.rules": UA_RULE,
    "/usr/lib/udev/rules.d/90-scsi-ua.rules": SCAN_RULE,
  };
  return withHostRoot(files, async (host) => {
    assert.deepEqual(
      (await udevFindings(host)).map(({ level, what }) => `${level} ${what.split(":")[0]}`),
      [
        "warn no rule sets queue/scheduler of FlashArray disks",
        "warn no rule sets device/timeout of FlashArray disks",
        "ok a rule reads a disk's new size",
      ],
    );
  });
});
