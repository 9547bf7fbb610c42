import { deepEqual } from "node:assert/strict";
import { splitMountOptions } from "./mount_options.ts";

for (
  const [text, options] of [
    ["ro,noatime", ["ro", "noatime"]],
    [" ro, noatime\n,,discard ", ["ro", "noatime", "discard"]],
    ['context="a:b:s0:c1,c2",ro', ['context="a:b:s0:c1,c2"', "ro"]],
    ['context="a:b,ro', ['context="a:b,ro']],
    ["", []],
  ] as const
) {
  Deno.test(`splitMountOptions() makes ${options.length} options of ${JSON.stringify(text)}`, () => {
    deepEqual(splitMountOptions(text), options);
  });
}
