import { equal } from "node:assert/strict";
import { parseLabelSelector, unmetTerm } from "./label_selector.ts";

const LABELS = { tier: "gold", rack: "", "topology.purestorage.com/zone": "a" };
const CASES: [string, string | undefined][] = [
  ["", undefined],
  ["tier=gold", undefined],
  ["tier==gold, rack", undefined],
  ["tier=silver", "tier=silver"],
  ["tier!=silver", undefined],
  ["tier!=gold", "tier!=gold"],
  ["absent", "absent"],
  ["!absent", undefined],
  ["!tier", "!tier"],
  ["absent!=x", undefined],
  ["rack=", undefined],
  ["topology.purestorage.com/zone=a,tier=x", "tier=x"],
  ["constructor", "constructor"],
];
for (const [selector, unmet] of CASES) {
  Deno.test(`unmetTerm() for the selector ${JSON.stringify(selector)}`, () => {
    equal(unmetTerm(parseLabelSelector(selector), LABELS)?.text, unmet);
  });
}
