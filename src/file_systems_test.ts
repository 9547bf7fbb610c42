import assert from "node:assert/strict";
import { findFsType, toFsType } from "./file_systems.ts";

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
