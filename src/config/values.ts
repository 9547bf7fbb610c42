import { type Cidr, hasHostBits, parseCidr, parseIp } from "../net/cidr.ts";
import { splitMountOptions } from "../options/mount_options.ts";
import { hasOpenQuote, splitWords } from "../words.ts";
import type { ConfigKey } from "./keys.ts";
import { CONFIG_LIMITS } from "./model.ts";
import type { Given } from "./tree.ts";
import { type ProblemList, shown } from "./problems.ts";

/** Words that YAML 1.1 and environment variables use for a switch. */
const SWITCHES = new Map<unknown, boolean>([
  [true, true],
  [false, false],
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const),
]);

/**
 * True or false, as a switch or as the texts that PSO's charts used (`"true"`); undefined for
 * anything else.
 */
export function readSwitch(value: unknown): boolean | undefined {
  return SWITCHES.get(typeof value === "string" ? value.trim().toLowerCase() : value);
}

/** A whole number, also written as a text; undefined for anything else. */
function readInteger(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : undefined;
}

/** A text or a list of texts, each cut by `split`; undefined when something else is among them. */
function readList(
  value: unknown,
  split: (text: string) => string[] | undefined,
): string[] | undefined {
  const parts = Array.isArray(value) ? value : [value];
  const lists = parts.map((part) => typeof part === "string" ? split(part) : undefined);
  return lists.every((list) => list !== undefined) ? lists.flat() : undefined;
}

/** What a typed value of a key may be. */
export type Value = string | boolean | number | string[] | Cidr[];

/** The value as the type of its key has it, or undefined after telling `problems` what is wrong. */
export function readValue(given: Given, problems: ProblemList): Value | undefined {
  return READERS[given.key.type]?.(given, problems);
}

/** Characters of a text, or of all texts of a list with a blank between two of them. */
export function charsOf(value: unknown): number {
  const parts = Array.isArray(value) ? value : [value];
  const texts = parts.filter((part) => typeof part === "string");
  return texts.reduce((sum, text) => sum + text.length, parts.length - 1);
}

/** What is measured, and how long it may be; as every text without a limit of its own. */
interface Measured extends Pick<Given, "path" | "value"> {
  most?: number;
}

/** True after telling that the text, or the list of texts, is longer than anybody needs. */
export function isTooLong(
  { path, value, most = CONFIG_LIMITS.textChars }: Measured,
  problems: ProblemList,
): boolean {
  const characters = charsOf(value);
  if (characters <= most) return false;
  problems.error(path, { found: `has ${characters} characters`, wanted: `at most ${most}` });
  return true;
}

type Reader = (given: Given, problems: ProblemList) => Value | undefined;

const READERS: Partial<Record<ConfigKey["type"], Reader>> = {
  text: ({ path, value }, problems) => {
    if (typeof value === "string") {
      return isTooLong({ path, value }, problems) ? undefined : value.trim();
    }
    const fix = typeof value === "number" || typeof value === "boolean"
      ? "put it in quotes"
      : undefined;
    problems.error(path, { found: `is ${shown(value)}`, wanted: "a text", fix });
    return undefined;
  },
  switch: ({ path, value }, problems) => {
    const on = readSwitch(value);
    if (on === undefined) {
      problems.error(path, { found: `is ${shown(value)}`, wanted: "true or false" });
    }
    return on;
  },
  integer: ({ key, path, value }, problems) => {
    const number = readInteger(value);
    const [least, most] = key.range ?? [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    if (number !== undefined && number >= least && number <= most) return number;
    const unit = key.unit ? ` ${key.unit}` : "";
    problems.error(path, {
      found: `is ${shown(value)}`,
      wanted: key.range ? `${least} to ${most}${unit}` : "a whole number",
    });
    return undefined;
  },
  choice: ({ key, path, value }, problems) => {
    const word = typeof value === "string" ? value.trim().toLowerCase() : "";
    const found = key.values?.find((one) => one.toLowerCase() === word) ?? key.synonyms?.[word];
    if (found === undefined) {
      problems.error(path, {
        found: `is ${shown(value)}`,
        wanted: `one of ${key.values?.join(", ")}`,
      });
    }
    return found;
  },
  words: ({ path, value }, problems) => {
    if (isTooLong({ path, value }, problems)) return undefined;
    const words = readList(value, (text) => hasOpenQuote(text) ? undefined : splitWords(text));
    if (words) return words;
    problems.error(path, {
      found: `is ${shown(value)}`,
      wanted: "a text or a list of texts, with every quote closed",
    });
    return undefined;
  },
  options: ({ path, value }, problems) => {
    if (isTooLong({ path, value }, problems)) return undefined;
    const options = readList(value, splitMountOptions);
    if (options) return options;
    problems.error(path, { found: `is ${shown(value)}`, wanted: "a list of mount options" });
    return undefined;
  },
  cidrs: ({ path, value }, problems) => {
    const texts = readList(value, (text) => text.split(/[\s,]+/).filter((part) => part !== ""));
    if (texts && texts.length > CONFIG_LIMITS.cidrs) {
      problems.error(path, {
        found: `holds ${texts.length} address blocks`,
        wanted: `at most ${CONFIG_LIMITS.cidrs}`,
      });
      return undefined;
    }
    if (texts) {
      return texts.map((text) => readCidr({ path, text }, problems)).filter((cidr) =>
        cidr !== undefined
      );
    }
    problems.error(path, {
      found: `is ${shown(value)}`,
      wanted: "address blocks such as 10.1.0.0/16, parted by commas",
    });
    return undefined;
  },
};

function readCidr(
  { path, text }: { path: string; text: string },
  problems: ProblemList,
): Cidr | undefined {
  const cidr = parseCidr(text);
  if (cidr && hasHostBits(cidr)) {
    problems.warn(path, {
      found: `holds ${shown(text)}, whose address has bits below the prefix length`,
      fix: `all of its /${cidr.prefixLength} block is allowed`,
    });
  }
  if (cidr) return cidr;
  const ip = parseIp(text);
  problems.error(path, {
    found: `holds ${shown(text)}, which is no address block`,
    wanted: ip
      ? `${text}/${ip.family === 4 ? 32 : 128} for this one address`
      : "one such as 10.1.0.0/16 or fd00:1::/64",
  });
  return undefined;
}
