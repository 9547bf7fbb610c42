import { deepEqual, equal } from "node:assert/strict";
import type { BundleFile } from "./bundle_file.ts";
import { tarOf } from "./tar.ts";

Deno.test("tarOf() takes a file only when what came before was given away", () => {
  const taken: string[] = [];
  function* files(): Generator<BundleFile> {
    for (const path of ["a", "b"]) {
      taken.push(path);
      yield { path, text: "x".repeat(700) };
    }
  }
  const parts = tarOf(files(), 0);
  const sizes: number[] = [];
  const next = () => sizes.push(parts.next().value?.length ?? 0);
  next();
  deepEqual(taken, ["a"]);
  next();
  next();
  deepEqual([taken, sizes], [["a"], [512, 700, 324]]);
  next();
  deepEqual(taken, ["a", "b"]);
  const rest = [...parts].map(({ length }) => length);
  deepEqual(rest, [700, 324, 1024]);
  equal([...sizes, ...rest].reduce((sum, size) => sum + size, 0) % 512, 0);
});
