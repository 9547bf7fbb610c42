// docs/how-one-claim-travels.md follows calls through the source: what it names must be there.
import assert from "node:assert/strict";
import { exists } from "../scripts/paths.ts";
import { ROOT } from "../scripts/program.ts";

/** A function that the page names, and the file in which the page says it is. */
interface NamedFunction {
  file: string;
  name: string;
}

/**
 * The functions that a text names as `name()`. Each belongs to the file that follows it after
 * "in", else to the last file that was named before it.
 */
function functionsNamedIn(text: string): NamedFunction[] {
  const found: NamedFunction[] = [];
  let file = "";
  const span = /`(src\/[^`\s]+\.ts)`|`(#?\w+)\(\)`(?:\s+in\s+`(src\/[^`\s]+\.ts)`)?/g;
  for (const [, path, name, within] of text.matchAll(span)) {
    file = path ?? within ?? file;
    if (name !== undefined) found.push({ file, name });
  }
  return found;
}

/** Whether a source declares a function, a method or a constant of that name. */
function declares(source: string, name: string): boolean {
  return new RegExp(
    `^(export )?(async )?function\\*? ${name}\\b|^(export )?const ${name}\\b|` +
      `^  (async )?${name}(<.*>)?\\((?!.*;$)`,
    "m",
  ).test(source);
}

Deno.test("docs/how-one-claim-travels.md names functions that its files declare", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/how-one-claim-travels.md`);
  const named = functionsNamedIn(page);
  assert.ok(named.length > 20, "the functions were found");
  const wrong: string[] = [];
  for (const { file, name } of named) {
    if (!await exists(`${ROOT}/${file}`)) wrong.push(`${file} does not exist (for ${name})`);
    else if (!declares(await Deno.readTextFile(`${ROOT}/${file}`), name)) {
      wrong.push(`${file} declares no ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("functionsNamedIn() takes the file after `in`, else the last one before", () => {
  const text = "`src/a.ts` does (`one()`, `#two()` in\n`src/b.ts`), `three()`; `src/c.md`";
  assert.deepEqual(functionsNamedIn(text), [
    { file: "src/a.ts", name: "one" },
    { file: "src/b.ts", name: "#two" },
    { file: "src/b.ts", name: "three" },
  ]);
});

Deno.test("declares() knows a declaration from a call", () => {
  const source = "export async function one(\nclass A {\n  async #two(a: B): C {\n    four();\n" +
    "  }\n  three(a);\nexport const five = 5;\n";
  const names = ["one", "#two", "three", "four", "five", "on"];
  assert.deepEqual(names.filter((name) => declares(source, name)), ["one", "#two", "five"]);
});
