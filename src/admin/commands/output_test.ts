import { equal } from "node:assert/strict";
import { onOneLine } from "../check/found.ts";
import { Secret } from "../../secret.ts";
import { levelWord, structured, tableOf } from "./output.ts";

Deno.test("tableOf() makes each column as wide as its longest text, colours not counted", () => {
  const colours = true;
  equal(
    tableOf(["RESULT", "NAME"], [
      [levelWord("ok", { colours }), "a"],
      [levelWord("fail", { colours }), "bb"],
    ]),
    "RESULT  NAME\n\x1b[32mOK  \x1b[0m    a\n\x1b[31mFAIL\x1b[0m    bb\n",
  );
});

Deno.test("what an array says moves no cursor", () => {
  equal(tableOf(["A"], [["6.8\x1b[2J\x07\r\nOK"]]), "A\n6.8 [2J OK\n");
  equal(onOneLine("a\r\n\x1b]0;title\x07b"), "a ]0;title b");
});

Deno.test("structured() is JSON or YAML of one value, without undefined fields and secrets", () => {
  const secret = new Secret("a-word-that-is-secret");
  const value = { a: undefined, b: "said a-word-that-is-secret", c: secret };
  equal(structured(value, "json"), '{\n  "b": "said [redacted]",\n  "c": "[redacted]"\n}\n');
  equal(structured(value, "yaml"), "b: said [redacted]\nc: '[redacted]'\n");
});
