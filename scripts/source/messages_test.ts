import assert from "node:assert/strict";
import { parseSource } from "./files.ts";
import { messageTemplates } from "./messages.ts";

function textsOf(...files: string[]): string[] {
  const sources = files.map((text, index) => parseSource(`src/${index}.ts`, text));
  return messageTemplates(sources, "PsoError").map(({ text }) => text);
}

Deno.test("messageTemplates() reads literals, templates, sums and both sides of a condition", () => {
  assert.deepEqual(textsOf('new PsoError("busy", "a");'), ["a"]);
  assert.deepEqual(textsOf('new PsoError("busy", a.problem ?? "b");'), ["b"]);
  assert.deepEqual(textsOf('new PsoError("busy", `a ${x ? "b" : "c"} d`);'), ["a b d", "a c d"]);
  assert.deepEqual(textsOf('new PsoError("busy", `a ${b} c ` + "d" + e() + `${f}${g}`);'), [
    "a … c d…",
  ]);
  assert.deepEqual(textsOf('new PsoError("busy", "a " + (x ? "b" : `c ${y}`));'), ["a b", "a c …"]);
});

Deno.test("messageTemplates() follows constants, parameters, members of a parameter and functions", () => {
  assert.deepEqual(textsOf('const m = `a ${b}`; new PsoError("busy", m);'), ["a …"]);
  assert.deepEqual(
    textsOf(
      'export function refuse(what: string) { throw new PsoError("busy", what); }',
      'refuse("one"); refuse(`two ${b}`);',
    ),
    ["one", "two …"],
  );
  assert.deepEqual(
    textsOf('const f = (a: A, { why: it }: B) => new PsoError("busy", it); f(1, { why: "so" });'),
    ["so"],
  );
  assert.deepEqual(
    textsOf('function w() { if (a) return "x"; return "y"; } new PsoError("busy", w());'),
    ["x", "y"],
  );
});

Deno.test("messageTemplates() takes the constant of the same block, and members of the file's tables", () => {
  assert.deepEqual(
    textsOf(
      'function a() { const m = "one"; new PsoError("busy", m); } function b() { const m = "two"; }',
    ),
    ["one"],
  );
  assert.deepEqual(
    textsOf('const T = { x: { why: "is old" } }; new PsoError("busy", `a ${T[k].why}`);'),
    ["a is old"],
  );
});

Deno.test("messageTemplates() reads what classes that extend the error give to it", () => {
  const base = "class Other extends PsoError {}\n" +
    'class Late extends PsoError { constructor(why: string) { super("busy", `late: ${why}`); } }\n' +
    'class Own extends PsoError { constructor(text: string) { super("busy", text); } }\n' +
    "class More extends Own {}\n";
  assert.deepEqual(
    textsOf(`${base}new Other("busy", "a"); new Late("b"); new Own("c"); new More("d");`).sort(),
    ["a", "c", "d", "late: …"],
  );
});

Deno.test("messageTemplates() says … of what is not written anywhere, with its place", () => {
  const source = parseSource("src/a.ts", '\nnew PsoError("busy", error.message);');
  assert.deepEqual(messageTemplates([source], "PsoError"), [
    { path: "src/a.ts", line: 2, text: "…" },
  ]);
});
