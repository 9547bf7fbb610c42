import { doesNotMatch, equal, match } from "node:assert/strict";
import { isPsoError, PsoError } from "./errors.ts";
import { FOREIGN_TEXT_CHARS, foreignText } from "./foreign_text.ts";
import { createLogger } from "./log.ts";
import { maskSecrets, Secret } from "./secret.ts";

const TOKEN = "11111111-2222-4333-8444-5555canary01";
const PASSWORD = `pass"<word>&/canary02`;
/** Both live as long as this file's tests. */
const SECRETS = [new Secret(TOKEN), new Secret(PASSWORD), new Secret("short")];

const QUOTED: [string, string][] = [
  ["a header", `api-token: ${TOKEN}`],
  ["a header in capitals", `API-TOKEN: ${TOKEN.toUpperCase()}`],
  ["a body", JSON.stringify({ chap: { host_password: PASSWORD } })],
  ["a body in a body", JSON.stringify(JSON.stringify({ host_password: PASSWORD }))],
  ["a page", `<p>pass&quot;&lt;word&gt;&amp;/canary02</p>`],
  ["a URL", `/login?p=${encodeURIComponent(PASSWORD)}`],
  ["both at once", `${TOKEN}${PASSWORD}`],
];

for (const [name, text] of QUOTED) {
  Deno.test(`maskSecrets() takes our secrets out of ${name}`, () => {
    match(maskSecrets(text), /\[redacted\]/);
    doesNotMatch(maskSecrets(text), /canary/i);
  });
}

Deno.test("no error and no log line shows the value of a Secret, whoever put it there", () => {
  const error = new PsoError("unavailable", `the array said ${TOKEN}`);
  equal(isPsoError(error) && error.message, "the array said [redacted]");
  const lines: string[] = [];
  for (const format of ["json", "text"] as const) {
    const log = createLogger({ format, write: (line) => lines.push(line) });
    log.warn("said", { text: PASSWORD, error: new Error(TOKEN), list: [PASSWORD] });
  }
  equal(lines.length, 2);
  doesNotMatch(lines.join(""), /canary/i);
  match(lines[0] ?? "", /"text":"\[redacted\]"/);
});

Deno.test("foreignText() cuts a text to one kilobyte on one line, and never through a secret", () => {
  equal(foreignText("a\r\n\u2028b\0c"), "a b c");
  equal(foreignText("x".repeat(FOREIGN_TEXT_CHARS)).length, FOREIGN_TEXT_CHARS);
  equal(foreignText("x".repeat(50_000_000)).length, FOREIGN_TEXT_CHARS);
  for (let before = FOREIGN_TEXT_CHARS - 80; before <= FOREIGN_TEXT_CHARS + 80; before++) {
    const text = foreignText(`${"x".repeat(before)}${TOKEN}${"y".repeat(100)}`);
    doesNotMatch(text, /1111/);
    equal(text.length <= FOREIGN_TEXT_CHARS, true);
  }
  doesNotMatch(foreignText(TOKEN.repeat(500)), /1111/);
});

Deno.test("a value of less than eight characters is not masked: it would spoil texts", () => {
  equal(SECRETS.length, 3);
  equal(maskSecrets("a short text"), "a short text");
});
