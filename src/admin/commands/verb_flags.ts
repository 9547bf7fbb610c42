import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import { inLines, wrapped } from "../../words.ts";

/** One flag of a verb, as help and completion show it. */
export interface VerbFlag {
  /** Without the dashes. One letter means `-x`. */
  name: string;
  /** What stands for its value in the help; absent: a switch without a value. */
  value?: string;
  meaning: string;
  /** All that its value may be; absent: anything. */
  choices?: readonly string[];
  /** Without the dashes: what kubectl or Helm call it. It is not taken, and tells who types it. */
  elsewhere?: readonly string[];
}

/** What a verb is called with, and what its help says. */
export interface VerbUse {
  name: string;
  /** One line for the list of verbs. */
  meaning: string;
  /** What it does. Where its lines end does not matter; an indented one stays on its own. */
  text: string;
  /** Lines after `pso-bin admin NAME`. */
  usage: readonly string[];
  /** The only words that may stand beside flags; absent: none may. */
  words?: readonly string[];
  flags: readonly VerbFlag[];
  /** A command line that works, and what it is for. */
  example: { line: string; what: string };
  /** What stands before the exit codes; absent: nothing. */
  notes?: string;
}

/** The forms of `-o`. */
export const FORMATS = ["table", "json", "yaml"] as const;
/** How a verb prints: a table is for people, the others are for programs. */
export type Format = (typeof FORMATS)[number];

const VALUES_FLAG: VerbFlag = {
  name: "f",
  value: "FILE",
  meaning: "values.yaml with the configuration, as for Helm; - for standard input",
  elsewhere: ["values", "file", "filename"],
};
const KUBE_FLAGS: readonly VerbFlag[] = [
  {
    name: "kubeconfig",
    value: "FILE",
    meaning: "how to reach the cluster (default: KUBECONFIG, else ~/.kube/config)",
  },
  {
    name: "context",
    value: "NAME",
    meaning: "context of the kubeconfig (default: its current one)",
  },
  {
    name: "n",
    value: "NAMESPACE",
    meaning: "where the driver is installed (default: as its CSIDriver says, else the context's)",
    elsewhere: ["namespace"],
  },
];
const OUTPUT_FLAGS: readonly VerbFlag[] = [
  {
    name: "o",
    value: "FORMAT",
    meaning: "table, json or yaml (default table)",
    choices: FORMATS,
    elsewhere: ["output"],
  },
  { name: "wide", meaning: "more columns in the table" },
];
const HELP_FLAG: VerbFlag = { name: "help", meaning: "print this" };

/** Flags that several verbs have, so that each means the same everywhere. */
export const COMMON_FLAGS = {
  values: VALUES_FLAG,
  kube: KUBE_FLAGS,
  output: OUTPUT_FLAGS,
  help: HELP_FLAG,
} as const;

/** The flag as it is typed. */
export function typed({ name }: Pick<VerbFlag, "name">): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

/** The arguments of one verb, read by its table; each fault is a UsageError that names the flag. */
export class VerbFlags {
  readonly words: readonly string[];
  readonly #values: Record<string, unknown>;
  readonly #switches: readonly string[];

  constructor({ name: verb, flags, words: allowed = [] }: VerbUse, args: string[]) {
    const fedFlags = flags.filter(({ value }) => value !== undefined).map(({ name }) => name);
    const switches = flags.filter(({ value }) => value === undefined).map(({ name }) => name);
    const given = args.flatMap((word) => parted(word, fedFlags));
    const { _: words, ...values } = parseArgs(given, {
      string: fedFlags,
      boolean: switches,
    });
    const unknown = Object.keys(values).find((name) => !flags.some((flag) => flag.name === name));
    if (unknown !== undefined) throw unknownFlag(verb, { unknown, flags });
    for (const flag of flags) refuseTwice(flag, given);
    const extra = words.find((word) => !allowed.includes(String(word)));
    if (extra !== undefined) {
      const wanted = allowed.length > 0 ? `wanted ${allowed.join(", ")}; ` : "";
      throw new UsageError(
        `Unknown argument ${JSON.stringify(extra)} of admin ${verb}: ${wanted}see pso-bin admin ` +
          `${verb} --help`,
      );
    }
    const hungry = flags.find((flag) => flag.value !== undefined && isHungry(values[flag.name]));
    if (hungry !== undefined) {
      const { choices, value } = hungry;
      const wanted = choices ? `one of ${choices.join(", ")}` : `${typed(hungry)} ${value}`;
      throw new UsageError(`${typed(hungry)} needs a value: ${wanted}`);
    }
    const fed = flags.find(({ name, value }) =>
      value === undefined && typeof values[name] === "string"
    );
    if (fed !== undefined) {
      throw new UsageError(`${typed(fed)} is ${JSON.stringify(values[fed.name])}, wanted no value`);
    }
    this.words = words.map(String);
    this.#values = values;
    this.#switches = switches;
    for (const { name, choices } of flags) if (choices) this.choice(name, choices);
  }

  /** The value of a flag; undefined when it was not given. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  isSet(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The value of a flag, if it is one of these. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    const found = choices.find((one) => one === text);
    if (text === undefined || found !== undefined) return found;
    const isSwitch = this.#switches.includes(text);
    throw new UsageError(
      `${typed({ name })} is ${JSON.stringify(text)}, wanted one of ${choices.join(", ")}${
        isSwitch ? `; ${typed({ name: text })} is a flag of its own` : ""
      }`,
    );
  }

  format(): Format {
    return this.choice("o", FORMATS) ?? "table";
  }
}

/** A value that was forgotten: the next flag stands in its place, or nothing does. */
function isHungry(value: unknown): boolean {
  return value === true || (typeof value === "string" && (value === "" || value.startsWith("--")));
}

/** `-ojson` is `-o json`, as for kubectl. */
function parted(word: string, fedFlags: readonly string[]): string[] {
  const [, letter = "", value = ""] = /^-([a-z])([^=].*)$/s.exec(word) ?? [];
  return fedFlags.includes(letter) ? [`-${letter}`, value] : [word];
}

/** Which of the two would count is not to be guessed: Helm puts several files together. */
function refuseTwice(flag: VerbFlag, args: readonly string[]): void {
  const form = typed(flag);
  const count = args.filter((word) => word === form || word.startsWith(`${form}=`)).length;
  if (flag.value === undefined || count < 2) return;
  throw new UsageError(`${form} is given ${count} times, wanted once`);
}

function unknownFlag(
  verb: string,
  { unknown, flags }: { unknown: string; flags: readonly VerbFlag[] },
): UsageError {
  const meant = flags.find(({ elsewhere }) => elsewhere?.includes(unknown))?.name;
  const near = meant ?? nearest(unknown, flags.map(({ name }) => name));
  return new UsageError(
    `Unknown argument ${typed({ name: unknown })} of admin ${verb}: ${
      near ? `did you mean ${typed({ name: near })}? ` : ""
    }see pso-bin admin ${verb} --help`,
  );
}

/** Lines of a help have no more characters, but for a command that is longer. */
const COLUMNS_MAX = 100;
/** Where the meaning of a flag begins. */
const INDENT = 22;
/** What stays together in a line of use: a word, or what stands in brackets. */
const USAGE_PIECE = /\[(?:[^[\]]|\[[^\]]*\])*\]|\S+ [A-Z|/]+(?= |$)|\S+/g;

/**
 * What `pso-bin admin NAME --help` prints, as wide as the terminal, or 100 characters where there is
 * none or a wider one; ends with a line break.
 */
export function helpOf(
  { name, text, usage, flags, example, notes }: VerbUse,
  terminal = COLUMNS_MAX,
): string {
  const columns = Math.max(60, Math.min(terminal, COLUMNS_MAX));
  const calls = usage.map((line, at) => {
    const begin = `${at === 0 ? "Usage: " : "       "}pso-bin admin ${name}`;
    const pieces = [begin, ...line.match(USAGE_PIECE) ?? []];
    return inLines(pieces, { columns, indent: 11 });
  });
  const rows = flags.map((flag) =>
    `  ${`${typed(flag)}${flag.value ? ` ${flag.value}` : ""}`.padEnd(INDENT - 3)} ${
      wrapped(flag.meaning, { columns, indent: INDENT })
    }`
  );
  return [
    flowing(text, columns),
    "",
    ...calls,
    "",
    "Flags:",
    ...rows,
    "",
    `Example: ${example.what}`,
    `  ${example.line}`,
    ...(notes === undefined ? [] : ["", flowing(notes, columns)]),
    "",
  ].join("\n");
}

/**
 * Lines that follow each other as one text. What is indented stays on a line of its own: a command as
 * it is, a numbered item broken below its number.
 */
function flowing(text: string, columns: number): string {
  const parts: string[] = [];
  for (const line of text.split("\n")) {
    const before = parts.at(-1) ?? "";
    const isNew = line === "" || line.startsWith(" ") || before === "" || before.startsWith(" ") ||
      before.endsWith(":");
    if (isNew) parts.push(line);
    else parts[parts.length - 1] = `${before} ${line}`;
  }
  return parts.map((part) => {
    const [number = ""] = /^ +\d\. /.exec(part) ?? [];
    if (part.startsWith(" ") && number === "") return part;
    return number + wrapped(part.slice(number.length), { columns, indent: number.length });
  }).join("\n");
}
