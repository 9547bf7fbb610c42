import assert from "node:assert/strict";
import { nextInTurn } from "./rounds.ts";

Deno.test("nextInTurn() gives each of a list its turn before any has a second one", () => {
  const list = ["a", "b", "c", "d", "e"];
  const turns = [0, 1, 2].map((turn) => nextInTurn(list, { turn, count: 2 }));
  assert.deepEqual(turns, [["a", "b"], ["c", "d"], ["e", "a"]]);
});

Deno.test("nextInTurn() gives a short list whole in every round", () => {
  for (const turn of [0, 1]) {
    assert.deepEqual(nextInTurn(["a", "b"], { turn, count: 2 }), ["a", "b"]);
    assert.deepEqual(nextInTurn([], { turn, count: 2 }), []);
  }
});
