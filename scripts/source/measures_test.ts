import { deepEqual, equal } from "node:assert/strict";
import { countAssertions } from "./assertions.ts";
import { undocumentedExports } from "./exports.ts";
import { parseSource } from "./files.ts";
import { functionSizes, inlineBags } from "./functions.ts";
import { measure, missedBars, percentile } from "./measures.ts";

Deno.test("functionSizes() measures each function with a body in braces, for itself", () => {
  const file = parseSource(
    "src/a.ts",
    `/** Not counted: the docstring. */
export function outer(a: number, b?: number): number {
  if (a > 1 && b) return 1;
  for (const one of [1]) a += one ?? 2;
  const inner = () => {
    return a ? 1 : 2;
  };
  return inner() + [1].map((one) => one || 3).length;
}
class Volume {
  get size() { return 1; }
  grow(): void {
    switch (this.size) { case 1: break; case 2: break; default: }
    try { this.grow(); } catch { return; }
  }
}`,
  );
  deepEqual(functionSizes(file), [
    { path: "src/a.ts", line: 2, lines: 8, complexity: 6 },
    { path: "src/a.ts", line: 5, lines: 3, complexity: 2 },
    { path: "src/a.ts", line: 11, lines: 1, complexity: 1 },
    { path: "src/a.ts", line: 12, lines: 4, complexity: 4 },
  ]);
});

const PARAMETERS: { name: string; parameter: string; members: number[] }[] = [
  { name: "a named type", parameter: "size: Size", members: [] },
  { name: "no type", parameter: "size = 1", members: [] },
  { name: "an inline type", parameter: "size: { a: 1; b: 2 }", members: [2] },
  { name: "a destructured one", parameter: "{ a }: { a: 1; b: 2; c: 3 }", members: [3] },
  { name: "an array of them", parameter: "sizes: readonly { a: 1 }[]", members: [1] },
  { name: "one side of a union", parameter: "size: undefined | { a: 1 }", members: [1] },
  { name: "one in a type argument", parameter: "sizes: Map<string, { a: 1 }>", members: [] },
];

for (const { name, parameter, members } of PARAMETERS) {
  Deno.test(`inlineBags() finds ${members.length} in a parameter of ${name}`, () => {
    const file = parseSource("src/a.ts", `interface A { grow(${parameter}): void }`);
    deepEqual(inlineBags(file).map((bag) => bag.members), members);
  });
}

const EXPORTS: { name: string; text: string; undocumented: string[] }[] = [
  { name: "no docstring", text: "export const a = 1;", undocumented: ["a"] },
  { name: "a plain comment", text: "// Blocks.\nexport const a = 1;", undocumented: ["a"] },
  { name: "a promise", text: "/** Bytes of a block. */\nexport const a = 1;", undocumented: [] },
  {
    name: "only the words of its name",
    text: "/** Gets the size of the volumes. */\nexport function volumeSize() {}",
    undocumented: ["volumeSize"],
  },
  {
    name: "a unit beside the words of its name",
    text: "/** The size of a volume in MiB. */\nexport function volumeSize() {}",
    undocumented: [],
  },
  { name: "nobody outside", text: "const a = 1;\ntype B = 1;", undocumented: [] },
  { name: "an export list", text: "const a = 1;\nexport { a };", undocumented: ["a"] },
  { name: "a re-export", text: `export { a } from "./a.ts";`, undocumented: [] },
  {
    name: "an overload",
    text: "/** Refuses zero. */\nexport function a(b: 1): 1;\nexport function a(b: 2): 2;",
    undocumented: [],
  },
  {
    name: "every kind of declaration",
    text: "export class A {}\nexport interface B {}\nexport type C = 1;\nexport enum D {}\n" +
      "export const { e, f: [g] } = h;",
    undocumented: ["A", "B", "C", "D", "e", "g"],
  },
];

for (const { name, text, undocumented } of EXPORTS) {
  Deno.test(`undocumentedExports() judges an export with ${name}`, () => {
    const found = undocumentedExports(parseSource("src/a.ts", text));
    deepEqual(found.map((one) => one.name), undocumented);
  });
}

Deno.test("countAssertions() counts what node:assert gives, and assert… functions", () => {
  const file = parseSource(
    "src/a_test.ts",
    `import assert, { equal as same, ok } from "node:assert/strict";
import { other } from "./other.ts";
same(1, 1); ok(true); assert(true); assert.equal(1, 1); assertEquals(1, 1);
other.equal(1, 1); equal(1, 1); [1].forEach(ok);`,
  );
  equal(countAssertions(file), 5);
});

Deno.test("percentile() is the smallest value that so many do not exceed", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  deepEqual([0, 50, 90, 99, 100].map((one) => percentile(values, one)), [1, 100, 180, 198, 200]);
  equal(percentile([], 50), 0);
});

Deno.test("measure() takes product code apart from tests, and each suite for itself", () => {
  const long = `// ${"x".repeat(98)}`;
  const measures = measure([
    parseSource("main.ts", `import "./src/a.ts";\n`),
    parseSource("src/a.ts", `${long}\n// ${"x".repeat(97)}\nexport const a = 1;\n`),
    parseSource("src/a_test.ts", `export const b = 1;\nassert(b);\n${"\n".repeat(9)}`),
    parseSource("tests/support/host.ts", "assert(1);\n"),
    parseSource("tests/contract/arrays_test.ts", "assert(1);\nassert(2);\n"),
    parseSource("tests/links_test.ts", "assert(1);\n"),
    parseSource("tests/goaway_test.ts", "assert(1);\nassert(2);\nassert(3);\n"),
  ]);
  deepEqual(measures.longestFile, { path: "src/a.ts", lines: 3 });
  deepEqual(measures.longLines.places, [{ path: "src/a.ts", line: 1, columns: 101 }]);
  equal(measures.longLines.percent.toFixed(2), (100 / 22).toFixed(2));
  deepEqual(measures.undocumented, [{ path: "src/a.ts", line: 3, name: "a" }]);
  deepEqual([...measures.folders], [["src", 1]]);
  const { unit, links, contract, wire, flow } = Object.fromEntries(measures.assertions);
  deepEqual({ unit, links, contract, wire, flow }, {
    unit: 2,
    links: 1,
    contract: 2,
    wire: 3,
    flow: 0,
  });
});

Deno.test("missedBars() says each bar with the found and the wanted value", () => {
  const bag = "export function f(x: { a: 1; b: 2; c: 3 }) {}\n";
  const files = Array.from({ length: 19 }, (_, index) => parseSource(`src/kube/${index}.ts`, ""));
  const measures = measure([
    parseSource("src/a.ts", `import "./b.ts";\n${bag.repeat(11)}// ${"x".repeat(98)}\n`),
    parseSource("src/b.ts", `import "./a.ts";\n`),
    ...files,
  ]);
  deepEqual(missedBars(measures), [
    "import circles: found 1, wanted at most 0",
    "undocumented exports: found 1, wanted at most 0",
    "inline-typed parameters of three or more members: found 11, wanted at most 10",
    "percent of lines over 100 columns: found 3.03, wanted at most 1",
    "product files in src/kube/: found 19, wanted at most 18",
  ]);
  deepEqual(missedBars(measure([parseSource("src/a.ts", bag.replace("export ", ""))])), []);
});
