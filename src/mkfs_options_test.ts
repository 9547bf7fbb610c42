import assert from "node:assert/strict";
import { mkfsOptionsFault } from "./mkfs_options.ts";
import { splitWords } from "./words.ts";

for (
  const [type, option] of [["xfs", "-f"], ["xfs", "-qf"], ["xfs", "uuid=1"], ["ext4", "-F"], [
    "ext4",
    "-qF",
  ], ["ext4", "-U"]] as const
) {
  Deno.test(`mkfsOptionsFault() refuses ${option} for ${type}`, () => {
    assert.match(
      mkfsOptionsFault(type, ["-q", option]) ?? "",
      /never forces a format and chooses the UUID; remove it from the class, or from flash/,
    );
  });
}

for (
  const [type, options] of [
    ["xfs", "-l logdev=/dev/sdb,size=64m"],
    ["xfs", "-lsize=64m,logdev=UUID"],
    ["xfs", "-d name=/dev/sdb"],
    ["xfs", "-rrtdev=sdb"],
    ["xfs", "-q '/dev/sdb'"],
    ["ext4", "-J device=UUID=6ac8ce0e-6c9b-4f4b-8f0c-2d7f6f1f0f3a"],
    ["ext4", "-Jdevice=LABEL=x"],
  ] as const
) {
  Deno.test(`mkfsOptionsFault() refuses another device in ${options} for ${type}`, () => {
    assert.match(
      mkfsOptionsFault(type, splitWords(options)) ?? "",
      /names another device, and only the volume's own is written; remove it from the class, or from flash/,
    );
  });
}

Deno.test("mkfsOptionsFault() takes usual options", () => {
  assert.equal(
    mkfsOptionsFault("xfs", splitWords("-q -i size=512 -m reflink=0 -l size=64m -d agcount=8")),
    undefined,
  );
  assert.equal(
    mkfsOptionsFault(
      "ext4",
      splitWords('-q -E lazy_itable_init=0 -O ^has_journal -L "name of a disk"'),
    ),
    undefined,
  );
});
