import { deepEqual } from "node:assert/strict";
import { fromFileUrl } from "../paths.ts";
import { isProduct, parseSource, readSources } from "./files.ts";
import { distancesTo, importCircles, importGraph } from "./import_graph.ts";

/** The graph of made-up files, given as texts by path. */
function graphOf(files: Record<string, string>) {
  return importGraph(Object.entries(files).map(([path, text]) => parseSource(path, text)));
}

const FORMS: { name: string; text: string }[] = [
  { name: "a static import", text: `import { b } from "./b.ts"; export const a = b;` },
  { name: "a type-only import", text: `import type { B } from "./b.ts"; export type A = B;` },
  { name: "an import for its effect", text: `import "./b.ts";` },
  { name: "a re-export", text: `export { b } from "./b.ts";` },
  { name: "a re-export of all", text: `export * from "./b.ts";` },
  { name: "a dynamic import", text: `export const later = () => import("./b.ts");` },
  { name: "an import() type", text: `export type A = import("./b.ts").B;` },
  { name: "import … = require", text: `import b = require("./b.ts"); export const a = b;` },
];

for (const { name, text } of FORMS) {
  Deno.test(`importGraph() sees ${name}`, () => {
    const graph = graphOf({ "src/a.ts": text, "src/b.ts": "" });
    deepEqual(graph, new Map([["src/a.ts", ["src/b.ts"]], ["src/b.ts", []]]));
  });
}

Deno.test("importGraph() leaves out what is for types only, when asked to", () => {
  const isLeft = (text: string) => {
    const files = [parseSource("src/a.ts", text), parseSource("src/b.ts", "")];
    return importGraph(files, { withTypes: false }).get("src/a.ts")?.length === 0;
  };
  const texts = [...FORMS.map(({ text }) => text), `import { type B, b } from "./b.ts";`];
  const left = [`import { type B } from "./b.ts";`, `export type { B } from "./b.ts";`];
  deepEqual([...texts, ...left].filter(isLeft), [
    `import type { B } from "./b.ts"; export type A = B;`,
    `export type A = import("./b.ts").B;`,
    ...left,
  ]);
});

Deno.test("importGraph() leaves out packages and files that it was not given", () => {
  const text = `import ts from "typescript"; import { c } from "./c.ts"; import "../src/b.ts";`;
  deepEqual(graphOf({ "src/a.ts": text, "src/b.ts": "" }).get("src/a.ts"), ["src/b.ts"]);
});

Deno.test("importCircles() names each circle once, by the shortest way round", () => {
  const graph = new Map([
    ["main.ts", ["a.ts"]],
    ["a.ts", ["b.ts", "c.ts"]],
    ["b.ts", ["c.ts"]],
    ["c.ts", ["a.ts", "d.ts"]],
    ["d.ts", []],
    ["e.ts", ["f.ts"]],
    ["f.ts", ["e.ts"]],
    ["g.ts", ["g.ts"]],
  ]);
  deepEqual(importCircles(graph), [
    ["a.ts", "c.ts", "a.ts"],
    ["e.ts", "f.ts", "e.ts"],
    ["g.ts", "g.ts"],
  ]);
});

Deno.test("distancesTo() counts the imports that lead to a file", () => {
  const graph = new Map([
    ["a_test.ts", ["a.ts"]],
    ["b_test.ts", ["b.ts", "a.ts"]],
    ["b.ts", ["a.ts"]],
    ["c_test.ts", ["b.ts"]],
    ["d.ts", []],
    ["a.ts", ["d.ts"]],
  ]);
  deepEqual(Object.fromEntries(distancesTo("a.ts", graph)), {
    "a.ts": 0,
    "a_test.ts": 1,
    "b_test.ts": 1,
    "b.ts": 1,
    "c_test.ts": 2,
  });
});

Deno.test("product code has no circle of imports, types included", async () => {
  const root = fromFileUrl(new URL("../..", import.meta.url)).replace(/\/$/, "");
  const product = (await readSources(root)).filter(({ path }) => isProduct(path));
  deepEqual(importCircles(importGraph(product)), []);
});
