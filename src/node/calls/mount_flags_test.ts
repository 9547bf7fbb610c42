import assert from "node:assert/strict";
import { combineMountFlags } from "./mount_flags.ts";

Deno.test("combineMountFlags() lets the class overrule the defaults, never what must be", () => {
  const combine = (wanted: string[]) =>
    combineMountFlags({
      fixed: ["nouuid"],
      defaults: ["discard", "noatime", "logbsize=64k"],
      wanted,
    });
  assert.deepEqual(combine([]), ["nouuid", "discard", "noatime", "logbsize=64k"]);
  assert.deepEqual(combine(["nodiscard"]), ["nouuid", "noatime", "logbsize=64k", "nodiscard"]);
  assert.deepEqual(combine(["atime", "logbsize=256k", "rw"]), [
    "nouuid",
    "discard",
    "atime",
    "logbsize=256k",
  ]);
  assert.deepEqual(combine(["nouuid", "discard"]), [
    "nouuid",
    "noatime",
    "logbsize=64k",
    "discard",
  ]);
});
