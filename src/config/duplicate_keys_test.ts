import { deepEqual } from "node:assert/strict";
import { duplicateKeys } from "./duplicate_keys.ts";

const CASES: { name: string; text: string; found: string[] }[] = [
  { name: "at the top", text: "app: {}\nflasharray: {}\napp: {}\n", found: ["app 3"] },
  {
    name: "deep in a list",
    text: "arrays:\n  FlashArrays:\n    - Name: a\n    - Name: b\n      Labels:\n" +
      "        x: 1\n        x: 2\n",
    found: ["arrays.FlashArrays[1].Labels.x 7"],
  },
  {
    name: "in braces",
    text: "app: {debug: true, debug: false}",
    found: ["app.debug 1"],
  },
  {
    name: "in JSON",
    text: '{"FlashArrays": [{"APIToken":"a",\n"APIToken":"b"}]}',
    found: ["FlashArrays[0].APIToken 2"],
  },
  {
    name: "in quotes once",
    text: "app:\n  debug: true\n  'debug': true\n",
    found: ["app.debug 3"],
  },
  {
    name: "twice",
    text: "a:\n  b: 1\n  b: 2\na:\n  c: 1\n",
    found: ["a.b 3", "a 4"],
  },
  { name: "nowhere", text: "a: 1\nb: {a: 1}\n", found: [] },
  { name: "nowhere in a text with another fault", text: "a: [1\nb: 2\n", found: [] },
];

for (const { name, text, found } of CASES) {
  Deno.test(`duplicateKeys() gives path and line of a key that stands twice ${name}`, () => {
    deepEqual(duplicateKeys(text).map(({ path, line }) => `${path} ${line}`), found);
  });
}
