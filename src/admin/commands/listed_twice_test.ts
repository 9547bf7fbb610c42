import assert from "node:assert/strict";
import { listedTwice } from "./listed_twice.ts";

Deno.test("listedTwice() tells one array with two entries from two arrays that claim one id", () => {
  const lines = listedTwice([
    { entry: "A 10.0.0.1", id: "i1", key: "k1" },
    { entry: "B fa-1", id: "i1", key: "k1" },
    { entry: "C 10.0.0.3", id: "i1", key: "k3" },
    { entry: "D 10.0.0.4", id: "i4", key: "k1" },
    { entry: "E 10.0.0.5" },
    { entry: "F 10.0.0.6" },
  ]);
  assert.deepEqual(lines, [
    "FAIL B fa-1 is the same array as A 10.0.0.1: remove one of the two entries",
    "FAIL C 10.0.0.3 and A 10.0.0.1 both say that they are the array i1, and their TLS keys differ: " +
    "find out which address leads to that array and remove the other entry",
  ]);
});
