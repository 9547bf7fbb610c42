import assert from "node:assert/strict";
import { parseFilter, type Row } from "./filter.ts";
import { RestError } from "./rest_error.ts";

const rows: Row[] = [
  {
    name: "CT0.ETH4",
    iqns: ["iqn.a:1", "iqn.b:2"],
    is_local: true,
    size: 100,
    enabled: true,
    pod: { name: "p1" },
    host_group: { name: null },
  },
  {
    name: "CT1.ETH5",
    iqns: [],
    is_local: false,
    size: 2000,
    enabled: false,
    pod: { name: null },
    host_group: { name: "g1" },
  },
  {
    name: "it's * \\ here",
    iqns: ["IQN.C:3"],
    is_local: true,
    size: 30,
    enabled: true,
    pod: { name: "p2" },
    host_group: { name: null },
  },
];

/** Positions of the rows that match. */
function hits(filter: string): string {
  const { matches } = parseFilter(filter);
  return rows.flatMap((row, at) => matches(row) ? [at] : []).join(",");
}

const CASES: [filter: string, hits: string][] = [
  ["name='ct0.eth4'", "0"],
  ["name='CT0.*'", "0"],
  ["name='*eth*'", "0,1"],
  ["name='c*0*h4'", "0"],
  ["name!='CT*'", "2"],
  ["name='it\\'s \\* \\\\ here'", "2"],
  ["iqns='iqn.b:2' and is_local", "0"],
  ["iqns='iqn.c:3'", "2"],
  ["not(iqns)", "1"],
  ["not is_local", "1"],
  ["host_group", "1"],
  ["not(host_group) and size>50", "0"],
  ["size >= 100", "0,1"],
  ["size<'100'", "2"],
  ["size=2000 or size = 30", "1,2"],
  ["enabled='true'", "0,2"],
  ["enabled=false", "1"],
  ["pod.name='p1' OR pod.name='p2'", "0,2"],
  ["pod.name", "0,2"],
  ["name = (('CT0.ETH4','CT1.ETH5'))", "0,1"],
  ["name=('ct1.eth5')", "1"],
  ["contains(name,'ETH')", "0,1"],
  ["(is_local and size<50) or not is_local", "1,2"],
  ["is_local or is_local and size>1000", "0,2"],
];

for (const [filter, expected] of CASES) {
  Deno.test(`parseFilter() ${filter}`, () => assert.equal(hits(filter), expected));
}

Deno.test("parseFilter() tags() matches key and value of one tag", () => {
  const { matches } = parseFilter("tags('k','v*')");
  assert.equal(matches({ tags: [{ key: "k", value: "v1" }] }), true);
  assert.equal(matches({ tags: [{ key: "k", value: "x" }, { key: "j", value: "v1" }] }), false);
});

for (
  const bad of [
    "",
    "name=",
    "name='x",
    "name 'x'",
    "(name='x'",
    "name='x' and",
    "name=x",
    "='x'",
    "name=='x'",
    "a;b",
  ]
) {
  Deno.test(`parseFilter() refuses ${JSON.stringify(bad)} with 400`, () => {
    assert.throws(
      () => parseFilter(bad),
      (error) =>
        error instanceof RestError && error.status === 400 &&
        error.message.startsWith("Invalid filter"),
    );
  });
}
