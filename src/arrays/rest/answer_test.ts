import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { isPsoError } from "../../errors.ts";
import { volumeItem } from "../flasharray/wire.ts";
import { readAnswer } from "./answer.ts";
import { REST_LIMITS } from "./limits.ts";
import type { Query } from "./query.ts";

function read(text: string, query: Query = {}, call = "GET volumes") {
  const isChange = !call.startsWith("GET");
  return readAnswer(text, { array: "fa-1", call, isChange, query, item: volumeItem });
}

function one(fields: Record<string, unknown>): string {
  return JSON.stringify({ items: [{ name: "k8s-1", ...fields }] });
}

const ODD: [string, string, RegExp][] = [
  ["a page of a proxy", "<html>", /it is not JSON/],
  ["half an answer", '{"items":[', /it is not JSON/],
  ["null", "null", /no JSON object/],
  ["a list", "[]", /no JSON object/],
  ["items that are no list", '{"items":{}}', /items is no list/],
  ["an item that is null", '{"items":[null]}', /items\[0\] is no object/],
  ["an item that is a list", '{"items":[[]]}', /items\[0\] is no object/],
  ["no name", '{"items":[{}]}', /name is missing/],
  ["an empty name", one({ name: "" }), /name is no name that an object can have/],
  ["two names in one", one({ name: "a,b" }), /name is no name/],
  ["a name that means all", one({ name: "*" }), /name is no name/],
  ["a name with a line break", one({ name: "a\nb" }), /name is no name/],
  ["a name of 5 MB", one({ name: "a".repeat(5_000_000) }), /name is no text of at most 512/],
  ["a name with half a letter", '{"items":[{"name":"a\\ud800"}]}', /name is no text in Unicode/],
  ["a size in quotes", one({ provisioned: "1" }), /provisioned is no number/],
  ["a negative size", one({ provisioned: -1 }), /provisioned is no whole number/],
  ["half a byte", one({ provisioned: 0.5 }), /provisioned is no whole number/],
  ["an endless size", '{"items":[{"name":"a","provisioned":1e999}]}', /provisioned is no number/],
  ["a size beyond 64 bits", one({ provisioned: 1e300 }), /provisioned is no whole number/],
  ["a time after all calendars", one({ created: 1e15 }), /created is no time/],
  ["a flag in quotes", one({ destroyed: "false" }), /destroyed is no true or false/],
  ["a serial that is a path", one({ serial: "../../x" }), /serial is no serial number/],
  ["a source that is a text", one({ source: "k8s-2" }), /source is no object/],
  ["a source with an odd name", one({ source: { name: "a b" } }), /source\.name is no name/],
  [
    "a token that is a number",
    '{"items":[],"continuation_token":7}',
    /continuation_token is no te/,
  ],
  [
    "a token of 1 MB",
    `{"items":[],"continuation_token":"${"a".repeat(1_000_000)}"}`,
    /continuation_token is no text of at most/,
  ],
  ["more that is a text", '{"items":[],"more_items_remaining":"no"}', /more_items_remaining is no/],
];

for (const [name, text, wanted] of ODD) {
  Deno.test(`readAnswer() refuses ${name} as unavailable, short and in one line`, () => {
    throws(() => read(text), (error) => {
      ok(isPsoError(error, "unavailable"));
      match(error.message, /^array fa-1 answered GET volumes with what was not asked for: /);
      match(error.message, wanted);
      ok(error.message.length < 400 && !error.message.includes("\n"), error.message.slice(0, 500));
      return true;
    });
  });
}

Deno.test("readAnswer() says of a change that it may have been carried out", () => {
  throws(() => read("<html>", {}, "POST volumes"), /; it may have been carried out; /);
});

const FLOODS: [string, string][] = [
  ["a 2 MiB page of empty items", `{"items":[${"{},".repeat(700_000)}{}]}`],
  ["a 4 MiB page of numbers", `{"items":[${"1,".repeat(2_000_000)}1]}`],
  ["4 MB of nested lists", `{"items":${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}}`],
  ["4 MB of nested objects", `${'{"a":'.repeat(800_000)}1${"}".repeat(800_000)}`],
];

for (const [name, text] of FLOODS) {
  Deno.test(`readAnswer() refuses ${name} before it is parsed`, () => {
    const parse = JSON.parse;
    let parsed = 0;
    JSON.parse = (...args) => {
      parsed++;
      return parse(...args);
    };
    try {
      throws(() => read(text), /deeper than 16 levels|more than 16384 values/);
    } finally {
      JSON.parse = parse;
    }
    equal(parsed, 0);
  });
}

Deno.test("readAnswer() takes a full page of full items, brackets in texts among them", () => {
  const space = { virtual: 1, snapshots: 0, total_used: 1, total_physical: 1, extra: [] };
  const item = { created: 1, provisioned: 512, serial: "A1", space, tags: '[{"\\",{{{{' };
  const items = Array.from({ length: 500 }, (_, at) => ({ name: `k8s-${at}`, ...item }));
  const found = read(JSON.stringify({ items, continuation_token: null }), { limit: 500 });
  equal(found.items.length, 500);
  deepEqual(found.items[0], {
    name: "k8s-0",
    created: 1,
    provisioned: 512,
    serial: "A1",
    space: { virtual: 1, snapshots: 0, total_used: 1, total_physical: 1 },
  }, "what is not read is not kept");
  throws(() => read(JSON.stringify({ items }), { limit: 499 }), /it has 500 items, not 499/);
});

const REFERENCE = (name: string) => ({ name });
const STRANGERS: [Query, Record<string, unknown>][] = [
  [{ names: "k8s-1" }, { name: "k8s-2" }],
  [{ names: "k8s-1" }, { name: "pod::k8s-1" }],
  [{ names: "pod::k8s-1" }, { name: "k8s-1" }],
  [{ names: "group/k8s-1" }, { name: "group2/k8s-1" }],
  [{ names: ["k8s-1", "k8s-2"] }, { name: "k8s-3" }],
  [{ names: "k8s-1" }, {}],
  [{ names_or_owner_names: "k8s-1.a" }, { name: "k8s-1.b", owner: REFERENCE("k8s-1") }],
  [{ volume_names: "k8s-1" }, { name: "k8s-1", volume: REFERENCE("k8s-2") }],
  [{ volume_names: "k8s-1", host_names: "n1" }, {
    volume: REFERENCE("k8s-1"),
    host: REFERENCE("n2"),
  }],
  [{ host_group_names: "g" }, { host: REFERENCE("g"), host_group: REFERENCE("h") }],
  [{ source_names: "k8s-1" }, { name: "k8s-1.a", source: REFERENCE("k8s-2") }],
  [{ resource_names: "k8s-1" }, { resource: { name: null } }],
];

for (const [query, item] of STRANGERS) {
  Deno.test(`readAnswer() refuses ${JSON.stringify(item)} for ${JSON.stringify(query)}`, () => {
    const text = JSON.stringify({ items: [item] });
    throws(
      () => readAnswer(text, { array: "fa-1", call: "PATCH x", isChange: true, query }),
      (error) =>
        isPsoError(error, "unavailable") &&
        /it is about .*, and .* was asked for; it may have been carried out/.test(error.message),
    );
  });
}

const ASKED: [Query, Record<string, unknown>][] = [
  [{ names: "k8s-1" }, { name: "K8S-1" }],
  [{ names: ["pod::k8s-1", "group/k8s-2"] }, { name: "group/K8s-2" }],
  [{ names_or_owner_names: "k8s-1" }, { name: "k8s-1.b", owner: REFERENCE("k8s-1") }],
  [{ source_names: "k8s-1" }, { name: "k8s-1.a", source: REFERENCE("k8s-1") }],
  [{ filter: "name='k8s-1'", limit: 500, destroyed: false }, { name: "k8s-9" }],
];

for (const [query, item] of ASKED) {
  Deno.test(`readAnswer() takes ${JSON.stringify(item)} for ${JSON.stringify(query)}`, () => {
    const text = JSON.stringify({ items: [item] });
    deepEqual(readAnswer(text, { array: "fa-1", call: "GET x", isChange: false, query }).items, []);
  });
}

Deno.test("every limit has a value above 0, what it limits, and why", () => {
  for (const { value, what, why } of Object.values(REST_LIMITS)) {
    ok(value > 0 && /^[A-Z]/.test(what) && !what.endsWith("."));
    match(why, /^[A-Z0-9].*\.$/);
  }
});
