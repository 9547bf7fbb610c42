import assert from "node:assert/strict";
import { hasOpenQuote, joinWords, splitWords, wrapped } from "./words.ts";

for (
  const [text, words] of [
    [`-q -L "my label"  -E 'a b'`, ["-q", "-L", "my label", "-E", "a b"]],
    [`-L"my label" --x='a "b"'`, ["-Lmy label", `--x=a "b"`]],
    [`-L ""`, ["-L", ""]],
    [`-L it's`, ["-L", "it's"]],
    [`-L "my label`, ["-L", `"my`, "label"]],
    ["  ", []],
  ] as const
) {
  Deno.test(`splitWords() makes ${words.length} words of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(splitWords(text), words);
  });
}

for (
  const [text, open] of [
    [`-L "my label"`, false],
    [`-L "it's"`, false],
    [`-L it's`, true],
    [`-L "a`, true],
  ] as const
) {
  Deno.test(`hasOpenQuote() is ${open} of ${text}`, () => assert.equal(hasOpenQuote(text), open));
}

/** How nodes of version 1 and before split the text that they find in volume_context. */
function splitByEarlierNodes(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) =>
    match[1] ?? match[2] ?? match[3] ?? ""
  );
}

for (
  const words of [
    ["-q"],
    ["-q", "-L", "my label"],
    ["-L", ""],
    ["-L", "it's"],
    ["-L", `a "good" one`],
    ["-m", "reflink=1, rmapbt=0", "-L", "\ttab"],
    [],
  ]
) {
  Deno.test(`joinWords() of ${JSON.stringify(words)} is read alike by this and earlier nodes`, () => {
    assert.deepEqual(splitWords(joinWords(words)), words);
    assert.deepEqual(splitByEarlierNodes(joinWords(words)), words);
  });
}

for (const word of [`'a' "b"`, `"'`, `'"'`, `""''`, `a"b'c d`]) {
  Deno.test(`joinWords() keeps the word ${word}, with both kinds of quotes, whole`, () => {
    assert.deepEqual(splitWords(joinWords(["-L", word, "-q"])), ["-L", word, "-q"]);
  });
}

Deno.test("wrapped() breaks between words, and leaves commands whole", () => {
  assert.equal(
    wrapped("no controller leads: no volume is made", { columns: 30, indent: 6 }),
    "no controller leads: no\n      volume is made",
  );
  assert.equal(
    wrapped("label it: kubectl label node a zone=1 --overwrite; then go on", {
      columns: 30,
      indent: 4,
    }),
    "label it:\n    kubectl label node a zone=1 --overwrite;\n    then go on",
  );
  assert.equal(wrapped("9F:".repeat(32), { columns: 20, indent: 2 }), "9F:".repeat(32));
  assert.equal(
    wrapped("run `pso-bin admin check`. Then go on", { columns: 12, indent: 0 }),
    "run\n`pso-bin admin check`.\nThen go on",
  );
  assert.equal(
    wrapped("take it away (purehost disconnect --vol a b), then go on", { columns: 20, indent: 0 }),
    "take it away\n(purehost disconnect --vol a b),\nthen go on",
  );
  assert.equal(wrapped("", { columns: 20, indent: 2 }), "");
});
