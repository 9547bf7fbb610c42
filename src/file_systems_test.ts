import assert from "node:assert/strict";
import { FILE_SYSTEMS, findFsType, toFsType } from "./file_systems.ts";

Deno.test("toFsType() takes any case and names what is supported", () => {
  assert.equal(toFsType("XFS"), "xfs");
  assert.throws(
    () => toFsType("vfat"),
    /file system type "vfat" is not supported: use xfs or ext4/,
  );
});

Deno.test("findFsType() knows no file system that this driver does not make", () => {
  assert.equal(findFsType("Ext4"), "ext4");
  assert.equal(findFsType("ext3"), undefined);
});

for (
  const [type, options, wanted] of [
    ["xfs", ["-q"], ["-K", "-q"]],
    ["xfs", ["-q", "-K"], ["-q", "-K"]],
    ["ext4", ["-q"], ["-E", "nodiscard", "-q"]],
    ["ext4", ["-E", "lazy_itable_init=0", "-q"], ["-E", "lazy_itable_init=0,nodiscard", "-q"]],
    ["ext4", ["-qE", "stride=2"], ["-qE", "stride=2,nodiscard"]],
    ["ext4", ["-LE"], ["-E", "nodiscard", "-LE"]],
    ["ext4", ["-qLNAME", "-jE", "stride=2"], ["-qLNAME", "-jE", "stride=2,nodiscard"]],
    ["ext4", ["-Estride=2"], ["-Estride=2,nodiscard"]],
    ["ext4", ["-E", "stride=2", "-E", "discard"], ["-E", "stride=2", "-E", "discard"]],
  ] as const
) {
  Deno.test(`withoutDiscard() of ${type} makes ${wanted.join(" ")} of ${options.join(" ")}`, () =>
    assert.deepEqual(FILE_SYSTEMS[type].withoutDiscard(options), wanted));
}
