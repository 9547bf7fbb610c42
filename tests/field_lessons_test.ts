// The tables of docs/field-lessons.md and tests/README.md: every rule is there, and every test that
// they name exists.
import assert from "node:assert/strict";
import { exists } from "../scripts/paths.ts";
import { ROOT } from "../scripts/program.ts";

const FACTS = 14;
const RULES = 276;
/**
 * A file and a title as the table writes them: of a test, or of a scenario in a cluster. A title
 * with backticks stands between two of them.
 */
const NAMED = /`([^`]+\.ts)`: (`{1,2})(.+?)\2(?!`)/g;

/** Of tests/README.md: promises, and findings of real clients in each of two parts. */
const PROMISES = 13;
const FINDINGS = 13;

interface Row {
  rule: string;
  held: string;
}

function rowsOf(text: string): Row[] {
  return [...text.matchAll(/^\| ((?:15\.|[ABF])?\d+) \| [^|]+ \| ([^|]+) \|$/gm)].map((
    [, rule = "", held = ""],
  ) => ({ rule, held }));
}

/** True when a whole string literal of the source is this title; it may be broken with `+`. */
function hasTitle(source: string, title: string): boolean {
  const joined = source.replaceAll(/(["'`]) \+\n\s*\1/g, "");
  return ['"', "'", "`"].some((quote) => joined.includes(`${quote}${title}${quote}`));
}

/** What is wrong with a row. */
async function faultsOf({ rule, held }: Row): Promise<string[]> {
  const faults: string[] = [];
  for (const piece of held.split("<br>")) {
    const named = [...piece.matchAll(NAMED)];
    if (named.length === 0 && !/^not (yet|applicable): \S/.test(piece)) {
      faults.push(`rule ${rule}: neither a test nor a reason: ${piece}`);
    }
    for (const [, path = "", , title = ""] of named) {
      if (!await exists(`${ROOT}/${path}`)) faults.push(`rule ${rule}: ${path} does not exist`);
      else if (!hasTitle(await Deno.readTextFile(`${ROOT}/${path}`), title)) {
        faults.push(`rule ${rule}: ${path} has no test ${title}`);
      }
    }
  }
  return faults;
}

Deno.test("docs/field-lessons.md has one row for each fact and each rule, in order", async () => {
  const rows = rowsOf(await Deno.readTextFile(`${ROOT}/docs/field-lessons.md`));
  const facts = Array.from({ length: FACTS }, (_, at) => `F${at + 1}`);
  assert.deepEqual(rows.map(({ rule }) => rule), [
    ...facts,
    ...Array.from({ length: RULES }, (_, at) => `${at + 1}`),
  ]);
});

Deno.test("docs/field-lessons.md names tests that exist, or a reason", async () => {
  const rows = rowsOf(await Deno.readTextFile(`${ROOT}/docs/field-lessons.md`));
  assert.deepEqual((await Promise.all(rows.map(faultsOf))).flat(), []);
});

Deno.test("tests/README.md has a row for each promise with a test that bears its number, and one for each finding", async () => {
  const rows = rowsOf(await Deno.readTextFile(`${ROOT}/tests/README.md`));
  const numbers = (length: number, letter = "") =>
    Array.from({ length }, (_, at) => `${letter}${at + 1}`);
  const promises = numbers(PROMISES, "15.");
  assert.deepEqual(rows.map(({ rule }) => rule), [
    ...promises,
    ...["A", "B"].flatMap((letter) => numbers(FINDINGS, letter)),
  ]);
  const unnumbered = rows.filter(({ rule, held }) =>
    promises.includes(rule) && !new RegExp(`: \`+${rule.replace(".", "\\.")}\\b`).test(held)
  );
  assert.deepEqual(unnumbered, []);
  assert.deepEqual((await Promise.all(rows.map(faultsOf))).flat(), []);
});

Deno.test("faultsOf() finds a missing file, a missing title, a part of a title and an empty reason", async () => {
  const held = [
    "`tests/no_such_test.ts`: `anything`",
    "`tests/links_test.ts`: `no such title`",
    "`tests/links_test.ts`: `every relative link`",
    "not yet: ",
  ];
  const faults = await faultsOf({ rule: "1", held: held.join("<br>") });
  assert.deepEqual(faults.map((fault) => fault.slice(0, 34)), [
    "rule 1: tests/no_such_test.ts does",
    "rule 1: tests/links_test.ts has no",
    "rule 1: tests/links_test.ts has no",
    "rule 1: neither a test nor a reaso",
  ]);
});
