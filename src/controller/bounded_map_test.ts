import { deepEqual, equal } from "node:assert/strict";
import { BoundedMap } from "./bounded_map.ts";

Deno.test("BoundedMap forgets what was not used for longest, and only that", () => {
  const forgotten: [string, number][] = [];
  const map = new BoundedMap<string, number>(2, (...entry) => forgotten.push(entry));
  map.set("a", 1);
  map.set("b", 2);
  map.get("a");
  map.set("c", 3);
  deepEqual([map.get("a"), map.get("b"), map.get("c")], [1, undefined, 3]);
  map.set("c", 4);
  deepEqual([map.size, map.get("a"), map.get("c")], [2, 1, 4]);
  map.delete("a");
  equal(map.size, 1);
  deepEqual(forgotten, [["b", 2]]);
});
