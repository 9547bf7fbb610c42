/**
 * What the tools make of options, written without the product's tables: getopt(3) with the letters
 * of mkfs.xfs 6.1 and mke2fs 1.47, and the ways in which tools part mount options.
 */
import type { FsType } from "../../src/file_systems.ts";

const GETOPT: Record<FsType, string> = {
  xfs: "b:c:d:i:l:L:m:n:KNp:qr:s:CfV",
  ext4: "b:ce:g:i:jl:m:no:qr:s:t:d:vC:DE:FG:I:J:KL:M:N:O:R:ST:U:Vz:",
};
const HARMLESS: Record<FsType, string> = { xfs: "KLbdilmnqs", ext4: "CDEGIJKLNObegijmqtTv" };
const HARMFUL_NAME =
  /(^|[,^+])\s*(name|file|logdev|rtdev|device|uuid|hash_seed|options|offset|root_owner|journal_dev)\b/i;

interface Parsed {
  options: { letter: string; value: string }[];
  others: string[];
}

function getopt(type: FsType, words: readonly string[]): Parsed {
  const parsed: Parsed = { options: [], others: [] };
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") return { ...parsed, others: [...parsed.others, ...words.slice(at + 1)] };
    if (word === "-" || !word.startsWith("-")) {
      parsed.others.push(word);
      continue;
    }
    for (let inWord = 1; inWord < word.length; inWord++) {
      const letter = word.charAt(inWord);
      const takesValue = GETOPT[type].includes(`${letter}:`) && letter !== ":";
      const attached = word.slice(inWord + 1);
      if (takesValue) {
        parsed.options.push({ letter, value: attached || (words[++at] ?? "") });
        break;
      }
      parsed.options.push({ letter, value: "" });
    }
  }
  return parsed;
}

/** What is harmful in these words for mkfs, with the device after them; `undefined` for nothing. */
export function mkfsHarm(type: FsType, words: readonly string[]): string | undefined {
  const { options, others } = getopt(type, [...words, "--", "DEVICE"]);
  if (others.join("\n") !== "DEVICE") return `works on ${JSON.stringify(others)}`;
  for (const { letter, value } of options) {
    if (!HARMLESS[type].includes(letter)) return `has the letter ${letter}`;
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    if (/[\x00-\x1f]/.test(value)) return `has a control character for ${letter}`;
    if (value === "--") return `takes the end of the options for the value of ${letter}`;
    // a label may be anything; a usage type is a name in a file of the host's administrator
    if (letter !== "L" && /\//.test(value)) return `has a path for ${letter}`;
    if (!"LT".includes(letter) && HARMFUL_NAME.test(value)) return `has ${value} for ${letter}`;
  }
  return undefined;
}

/** The labels that mkfs would write. */
export function labelsIn(type: FsType, words: readonly string[]): string[] {
  return getopt(type, words).options.flatMap(({ letter, value }) => letter === "L" ? [value] : []);
}

const HARMFUL_FLAGS = new Set(
  ("loop offset sizelimit bind rbind move remount shared rshared slave rslave private rprivate " +
    "unbindable runbindable user users owner group helper uhelper logdev rtdev journal_dev " +
    "journal_path addr mountaddr mounthost clientaddr bg").split(" "),
);

/** Parts at commas outside quotes; a quote after a backslash may count or not. */
function parts(text: string, { escapes }: { escapes: boolean }): string[] {
  const found: string[] = [""];
  let isQuoted = false;
  for (const [at, letter] of [...text].entries()) {
    if (letter === '"' && !(escapes && text.charAt(at - 1) === "\\")) isQuoted = !isQuoted;
    if (letter === "," && !isQuoted) found.push("");
    else found[found.length - 1] += letter;
  }
  return found;
}

/** What is harmful in `mount -o TEXT`, whichever tool parts it; `undefined` for nothing. */
export function mountHarm(text: string): string | undefined {
  const readings = [
    text.split(","),
    parts(text, { escapes: false }),
    parts(text, { escapes: true }),
  ];
  for (const option of readings.flat()) {
    const name = option.trim().split("=", 1)[0]?.toLowerCase() ?? "";
    if (HARMFUL_FLAGS.has(name) || name.startsWith("x-mount.")) return option;
  }
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  return /[\x00-\x1f]/.test(text) ? "a control character" : undefined;
}
