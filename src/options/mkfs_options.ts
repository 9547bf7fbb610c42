// Options of mkfs that a class may give. Controller and node judge them alike: the one before it
// makes a volume, the other before it formats.

import { findFsType } from "../file_systems.ts";
import { MKFS_TABLES, type MkfsOption, type MkfsTable, type MkfsValue } from "./mkfs_tables.ts";

/** How much of an option a message shows. */
const SHOWN_LENGTH = 60;

/** Option letters as getopt(3) reads them: one of these, and what follows it in its word. */
interface Letter {
  option: MkfsOption;
  /** With its dash: `-E`. */
  name: string;
  /** What the option is given; `undefined` when the words end before it. */
  value: string | undefined;
}

/**
 * Why these options must not reach mkfs of `fsType`, as "-d is refused for ext4: …" or the like;
 * `undefined` when they may, and for a file system that this driver does not make. They are read as
 * getopt(3) reads them: letters in one word (`-qK`), values that stand in the word (`-Lname`) or
 * are the next one. Whatever the table does not know is refused, and so is a word that is neither
 * an option nor its value: mkfs would take it for a device, or for a size.
 */
export function mkfsOptionsFault(fsType: string, options: readonly string[]): string | undefined {
  const known = findFsType(fsType);
  if (known === undefined) return undefined;
  const table = MKFS_TABLES[known];
  const rest = options.values();
  for (const word of rest) {
    const fault = faultOfWord(word, rest, table);
    if (fault !== undefined) return `${fault.option} is refused for ${known}: ${fault.reason}`;
  }
  return undefined;
}

interface Fault {
  option: string;
  reason: string;
}

/** The first fault of a word; takes the value that follows it from `rest`. */
function faultOfWord(word: string, rest: Iterator<string>, table: MkfsTable): Fault | undefined {
  if (!/^-[^-]/.test(word)) {
    const reason = "only options may be given, each with one dash and one letter; a value of " +
      "several words needs quotes around all of it";
    return { option: shown(word), reason };
  }
  for (const [at, letter] of [...word].entries()) {
    if (at === 0) continue;
    const name = `-${letter}`;
    const option = Object.hasOwn(table.allowed, letter) ? table.allowed[letter] : undefined;
    if (option === undefined) return unknown(name, table);
    if (option.takes === "nothing") continue;
    const attached = [...word].slice(at + 1).join("");
    return faultOfLetter({ option, name, value: attached || rest.next().value }, table);
  }
  return undefined;
}

function faultOfLetter({ option, name, value }: Letter, table: MkfsTable): Fault | undefined {
  if (value === undefined) return { option: name, reason: "it has no value" };
  if (option.takes === "value") return faultOfValue(name, value, option.value);
  if (option.takes === "features") {
    const wrong = value.split(/[\s,]/).map((item) => item.replace(/^\^/, "")).find((item) =>
      !option.features.includes(item)
    );
    return wrong === undefined ? undefined : unknown(`${name} ${wrong}`, table);
  }
  if (option.takes === "nothing") return undefined;
  for (const item of value.split(",")) {
    const fault = faultOfSuboption(`${name} ${item}`, option.suboptions, table);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** The fault of `-d name=value`. */
function faultOfSuboption(
  text: string,
  suboptions: Readonly<Record<string, MkfsValue>>,
  table: MkfsTable,
): Fault | undefined {
  const [, option = "", name = "", equals, value = ""] = /^(-. ([^=]*))(=?)(.*)$/s.exec(text) ?? [];
  const rule = Object.hasOwn(suboptions, name) ? suboptions[name] : undefined;
  if (rule === undefined) return unknown(option, table);
  const isBare = equals === "";
  if (isBare && rule.bare !== undefined) return undefined;
  if (isBare) return { option, reason: `it has no value, wanted ${rule.says}` };
  return faultOfValue(option, value, rule);
}

function faultOfValue(option: string, value: string, rule: MkfsValue): Fault | undefined {
  const isRight = rule.bare !== "must" && rule.pattern.test(value);
  if (isRight) return undefined;
  return { option, reason: `its value is ${shown(value)}, wanted ${rule.says}` };
}

function unknown(option: string, { refused }: MkfsTable): Fault {
  const letter = option.slice(0, 2);
  const reason = [option, letter].map((name) =>
    Object.hasOwn(refused, name) ? refused[name] : undefined
  ).find((text) => text !== undefined);
  return {
    option: /^-\w( [\w-]+)?$/.test(option) ? cut(option) : shown(option),
    reason: reason ?? "it is none of those that docs/formatting-options.md lists",
  };
}

function cut(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

function shown(text: string): string {
  return JSON.stringify(cut(text));
}
