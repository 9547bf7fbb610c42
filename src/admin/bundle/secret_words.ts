// Secrets that are known by the word before them: a flag, a field, a header.
import { SECRET_WORDS } from "../../secret.ts";

/** What stands in place of a secret. */
export const MASK = "[redacted]";

/** One word of a command or one value of JSON, with its quotes, also with escaped ones. */
const VALUE = String.raw`(?:"(?:[^"\\]|\\.)*"?|'[^']*'?|\\+"[^"]*|\S+)`;
/** Bounded, as everything here: a line of a log may have two megabytes. */
const NAME = String.raw`[\w./-]{0,80}(?:${SECRET_WORDS})[\w./-]{0,80}`;

/** `"chapUser": "…"`: one field of JSON, so that the rest of the line stays. */
const FIELD = new RegExp(
  String.raw`("${NAME}"\s{0,8}:\s{0,8})(?:"(?:[^"\\]|\\.)*"|-?[\d.]+)`,
  "gi",
);
/** `--db-password …`, `-token=…` */
const FLAG = new RegExp(String.raw`(?<![\w-])(--?${NAME})(\s{1,8}|=)${VALUE}`, "gi");
/**
 * `DB_PASSWORD_OLD=…`, `secretKey: …`, `Authorization: Basic …`: the value may have blanks, so that
 * the whole rest of the line goes.
 */
const NAMED = new RegExp(
  String.raw`((?:${SECRET_WORDS})[\w./-]{0,80}[\\"']{0,8}\s{0,8}[:=])` +
    String.raw`(?![\\"'\s]{0,8}\[redacted\])(?=.*\S).*`,
  "is",
);
/** Programs that take a password by one letter. */
const PROGRAMS = [
  String.raw`\b(?:mysql\w*|mariadb[\w-]*)\b.{0,400}?\s["']?-p(?=[^\s"'])`,
  String.raw`\bsshpass\b.{0,400}?\s["']?-p\s*`,
  String.raw`\bredis-cli\b.{0,400}?\s["']?-a\s*`,
].map((program) => new RegExp(`(${program})${VALUE}`, "gi"));
/** `curl -u NAME:PASSWORD` */
const LOGIN = new RegExp(
  String.raw`((?<!\S)["']?(?:-u|--user|--proxy-user)(?:\s{1,8}|=)?)[^\s:]{1,200}:${VALUE}`,
  "g",
);

/**
 * A line without the values that stand under the name of a secret, and without those that stand
 * after a flag for one.
 */
export function withoutNamedSecrets(line: string): string {
  const fields = line.replaceAll(FIELD, `$1"${MASK}"`).replaceAll(FLAG, `$1$2${MASK}`);
  const logins = fields.replaceAll(LOGIN, `$1${MASK}`);
  const programs = PROGRAMS.reduce(
    (left, program) => left.replaceAll(program, `$1${MASK}`),
    logins,
  );
  return programs.replace(NAMED, `$1${MASK}`);
}

/** A word or a text of a command without what stands after `-p` in one piece, as mysql takes it. */
export function withoutLetterSecret(word: string): string {
  return word.replaceAll(/(?<!\S)-p(?=\S)\S+/g, `-p${MASK}`);
}

const SECRET_FLAG = new RegExp(`^--?${NAME}$`, "i");
/** A header, or a field with its colon, whose value is a word of its own. */
const SECRET_FIELD = new RegExp(`^(?:${NAME}:|(?:proxy-)?authorization|cookie)$`, "i");

/** Whether a word of a command is the secret that the word before it announces. */
export function isSecretFlag(before: string, word: string): boolean {
  if (SECRET_FLAG.test(before)) return true;
  if (SECRET_FIELD.test(before)) return true;
  if (["-p", "-a"].includes(before)) return !word.startsWith("-");
  return ["-u", "--user", "--proxy-user"].includes(before) && word.includes(":");
}
