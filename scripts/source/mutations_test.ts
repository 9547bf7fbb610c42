import { deepEqual, notDeepEqual } from "node:assert/strict";
import { parseSource } from "./files.ts";
import { applyMutation, drawMutations, mutationsIn } from "./mutations.ts";
import { testSteps } from "./test_steps.ts";

const PLACES: { name: string; text: string; mutants: string[] }[] = [
  {
    name: "conditions, and guards that leave",
    text: "if (a) throw b();",
    mutants: ["if (!(a)) throw b();", ";"],
  },
  {
    name: "no guard with an else",
    text: "if (a) return; else b;",
    mutants: ["if (!(a)) return; else b;"],
  },
  {
    name: "no guard that acts",
    text: "if (a) { b = c; return; }",
    mutants: ["if (!(a)) { b = c; return; }"],
  },
  { name: "a choice", text: "a ? b : c;", mutants: ["!(a) ? b : c;"] },
  { name: "a loop", text: "while (a) b;", mutants: ["while (!(a)) b;"] },
  { name: "comparisons", text: "a < b;", mutants: ["a <= b;"] },
  { name: "equality", text: "a === b;", mutants: ["a !== b;"] },
  { name: "and", text: "a && b;", mutants: ["a || b;"] },
  { name: "calls", text: "await a(b);", mutants: [";"] },
  {
    name: "functions that give nothing back",
    text: "function a(): void { b; }",
    mutants: ["function a(): void { return; b; }"],
  },
  { name: "no function that gives something back", text: "function a(): A { b; }", mutants: [] },
  { name: "numbers, both ways", text: "a = 3;", mutants: ["a = 4;", "a = 2;"] },
  { name: "no number below zero", text: "a = 0;", mutants: ["a = 1;"] },
  { name: "no large number", text: "a = 30_000;", mutants: [] },
  { name: "words", text: `a = "xfs";`, mutants: [`a = "";`] },
  {
    name: "truth",
    text: "a = [true, false];",
    mutants: ["a = [false, false];", "a = [true, true];"],
  },
  { name: "no sentence", text: 'a = "a b"; c = `${d ? "e" : "f"} g`;', mutants: [] },
  {
    name: "no log line",
    text: `this.log.info("a", { b: 1 }); context.log.warn("a");`,
    mutants: [],
  },
  { name: "no error", text: `throw refused("a", b && c); d = new PsoError("a", 1);`, mutants: [] },
  { name: "no type", text: `type A = "a" | 1; let b: "c" = d as "e";`, mutants: [] },
  { name: "no import, no name", text: `import "a"; a = { "b": c };`, mutants: [] },
];

for (const { name, text, mutants } of PLACES) {
  Deno.test(`mutationsIn() finds ${name}`, () => {
    const found = mutationsIn(parseSource("src/a.ts", text));
    deepEqual(found.map((one) => applyMutation(text, one)), mutants);
  });
}

Deno.test("mutationsIn() says where", () => {
  const [found] = mutationsIn(parseSource("src/a.ts", "\n\n  a = 0;"));
  deepEqual(found, {
    kind: "change a number",
    path: "src/a.ts",
    line: 3,
    start: 8,
    end: 9,
    replacement: "1",
  });
});

/** Everything that a draw gives, to its end. */
function drawAll(seed: number): string[] {
  const text = `a = 5; b = 6; c = 7; if (d) return; e(); f = "g";`;
  const draw = drawMutations(mutationsIn(parseSource("src/a.ts", text)), seed);
  const drawn: string[] = [];
  for (let one = draw.next(); one; one = draw.next()) drawn.push(`${one.start} ${one.replacement}`);
  return drawn;
}

Deno.test("drawMutations() draws each place once, in an order that the seed decides", () => {
  deepEqual(drawAll(1), drawAll(1));
  notDeepEqual(drawAll(1), drawAll(2));
  deepEqual(drawAll(1).sort(), drawAll(2).sort());
  deepEqual(new Set(drawAll(1)).size, 10);
});

Deno.test("testSteps() orders the tests from near to far and leaves out the slow ones", () => {
  const distances = new Map([
    ["src/node/nvme/attach.ts", 0],
    ["src/node/node_plugin.ts", 1],
    ["src/node/nvme/attach_test.ts", 1],
    ["src/node/b_test.ts", 1],
    ["src/node/a_test.ts", 2],
    ["src/csi/node_test.ts", 3],
    ["tests/contract/arrays_test.ts", 2],
    ["tests/flow/provisioner_test.ts", 2],
    ["tests/flow/life_test.ts", 2],
    ["tests/lab/nvme_test.ts", 2],
  ]);
  deepEqual(testSteps("src/node/nvme/attach.ts", distances), [
    ["src/node/nvme/attach_test.ts"],
    ["src/node/b_test.ts"],
    ["src/node/a_test.ts"],
    ["src/csi/node_test.ts"],
    ["tests/contract/arrays_test.ts"],
    ["tests/flow/provisioner_test.ts"],
  ]);
});
