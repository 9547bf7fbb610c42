import assert from "node:assert/strict";
import { editDistance, nearest } from "./nearest.ts";

for (
  const [left, right, distance] of [
    ["", "", 0],
    ["", "abc", 3],
    ["sanType", "SANTYPE", 0],
    ["sanTpye", "sanType", 1],
    ["sanTyp", "sanType", 1],
    ["flasharay", "flasharray", 1],
    ["kitten", "sitting", 3],
  ] as const
) {
  Deno.test(`editDistance() of ${JSON.stringify(left)} and ${JSON.stringify(right)} is ${distance}`, () => {
    assert.equal(editDistance(left, right), distance);
    assert.equal(editDistance(right, left), distance);
  });
}

Deno.test("nearest() names the candidate with the fewest changes, the first of equals, none when all are far", () => {
  assert.equal(nearest("flashblde", ["flasharray", "flashblade"]), "flashblade");
  assert.equal(nearest("ab", ["ax", "ay"]), "ax");
  assert.equal(nearest("colour", ["MgmtEndPoint", "Labels"]), undefined);
  assert.equal(nearest("x", []), undefined);
  assert.equal(nearest("x", ["f", "fs"]), undefined, "no letter is the same");
});
