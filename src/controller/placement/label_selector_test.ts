import { equal, ok } from "node:assert/strict";
import {
  parseLabelPairs,
  parseLabelSelector,
  parseSelectorObject,
  unmetTerm,
} from "./label_selector.ts";

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
  ["tier in (silver, gold),rack", undefined],
  ["tier in (silver,bronze)", "tier in (silver,bronze)"],
  ["tier notin (silver)", undefined],
  ["absent notin (a,b),tier notin (gold,x)", "tier notin (gold,x)"],
  ["absent in (a)", "absent in (a)"],
];
for (const [selector, unmet] of CASES) {
  Deno.test(`unmetTerm() for the selector ${JSON.stringify(selector)}`, () => {
    equal(unmetTerm(parseLabelSelector(selector), LABELS)?.text, unmet);
  });
}

const OBJECTS: [string, string | undefined][] = [
  ['{"matchLabels": {"tier": "gold", "rack": ""}}', undefined],
  ['{"matchLabels": {"tier": "silver"}}', "tier in (silver)"],
  ["matchLabels: {tier: gold}\nmatchExpressions:\n- {key: rack, operator: Exists}\n", undefined],
  ["matchExpressions: [{key: tier, operator: In, values: [gold, silver]}]", undefined],
  ["matchExpressions: [{key: tier, operator: NotIn, values: [gold]}]", "tier notin (gold)"],
  ["matchExpressions: [{key: absent, operator: NotIn, values: [gold]}]", undefined],
  ["matchExpressions: [{key: absent, operator: Exists}]", "absent"],
  ["matchExpressions: [{key: tier, operator: DoesNotExist, values: []}]", "!tier"],
  ["matchExpressions: [{key: constructor, operator: DoesNotExist}]", undefined],
  ["matchLabels: {tier: gold}\nmatchExpressions: [{key: x, operator: Exists}]", "x"],
];
for (const [selector, unmet] of OBJECTS) {
  Deno.test(`unmetTerm() for the selector of a claim ${JSON.stringify(selector)}`, () => {
    const terms = parseSelectorObject(selector);
    ok(terms, "it is a selector");
    equal(unmetTerm(terms, LABELS)?.text, unmet);
  });
}

Deno.test("parseLabelPairs() takes a map of labels and nothing else", () => {
  equal(unmetTerm(parseLabelPairs("tier=gold, rack=") ?? [], LABELS), undefined);
  equal(unmetTerm(parseLabelPairs("tier=gold,rack=7") ?? [], LABELS)?.text, "rack=7");
  equal(parseLabelPairs("tier=gold,,rack=7"), undefined);
});
