import { PsoError } from "../errors.ts";
import { withoutSecrets } from "./secret_looks.ts";

/**
 * One fault of a configuration. Reads as a sentence: `<path> <found>, wanted <wanted>: <fix>`;
 * never holds a secret.
 */
export interface Problem {
  /** `error` stops the start, `warning` is logged. */
  severity: "error" | "warning";
  /** The key, as the file writes it, or the file itself. */
  path: string;
  /** What is there, as the rest of a sentence: `is missing`, `is "BOGUS"`. */
  found: string;
  /** What would be right. */
  wanted?: string;
  /** What to do about it. */
  fix?: string;
}

/** The problem as one line for people. */
export function problemText({ path, found, wanted, fix }: Problem): string {
  return `${path} ${found}${wanted === undefined ? "" : `, wanted ${wanted}`}${
    fix === undefined ? "" : `: ${fix}`
  }`;
}

/**
 * A configuration that cannot be used (`invalid`): the message has one line per problem, errors
 * first.
 */
export class ConfigError extends PsoError {
  constructor(
    readonly problems: readonly Problem[],
    /** SHA-256 of the files that were read, so that the same bad content is reported once. */
    readonly digest: string = "",
  ) {
    const lines = (severity: Problem["severity"], prefix: string) =>
      problems.filter((problem) => problem.severity === severity).map((problem) =>
        prefix + problemText(problem)
      );
    super("invalid", [...lines("error", ""), ...lines("warning", "warning: ")].join("\n"));
  }
}

/** API tokens are UUIDs (FlashBlade writes `T-` before them). */
const TOKEN = /(T-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

/**
 * True when the whole text is an API token, so that it stands in the wrong place where a path is
 * wanted.
 */
export function isToken(text: string): boolean {
  return text !== "" && text.replace(TOKEN, "") === "";
}

/** Problems that are told; the others are counted. */
export const PROBLEMS_MAX = 100;
/** Characters of a key's path, and of each other part of a problem. */
const PATH_CHARS_MAX = 200;
const PART_CHARS_MAX = 1000;

/**
 * Problems in the order they were found. A token that slipped into another key, or even a key's
 * name, is taken out.
 */
export class ProblemList {
  readonly #problems: Problem[] = [];
  #untold = 0;
  #hasErrors = false;

  error(path: string, problem: Omit<Problem, "severity" | "path">): void {
    this.#add({ severity: "error", path, ...problem });
  }

  warn(path: string, problem: Omit<Problem, "severity" | "path">): void {
    this.#add({ severity: "warning", path, ...problem });
  }

  #add({ severity, path, found, wanted, fix }: Problem): void {
    this.#hasErrors ||= severity === "error";
    if (this.isFull) {
      this.#untold++;
      return;
    }
    this.#problems.push({
      severity,
      path: cut(withoutSecrets(path), PATH_CHARS_MAX),
      found: cut(withoutSecrets(found), PART_CHARS_MAX),
      wanted: wanted && cut(withoutSecrets(wanted), PART_CHARS_MAX),
      fix: fix && cut(withoutSecrets(fix), PART_CHARS_MAX),
    });
  }

  /** True when nothing more is told: advice for a further problem is not worth its time. */
  get isFull(): boolean {
    return this.#problems.length >= PROBLEMS_MAX;
  }

  /** All that are told, and how many are not. */
  get all(): readonly Problem[] {
    if (this.#untold === 0) return this.#problems;
    const found = `has ${this.#untold} more problems`;
    return [...this.#problems, {
      severity: this.#hasErrors ? "error" : "warning",
      path: "the configuration",
      found,
      fix: "repair these first",
    }];
  }

  get hasErrors(): boolean {
    return this.#hasErrors;
  }
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

const SHOWN_LENGTH = 60;

/**
 * A value as a message may show it: short, quoted, with API tokens taken out (before the cut, which
 * could leave half of one).
 */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value === "number") return `the number ${value}`;
  if (typeof value === "object") return "a mapping";
  if (typeof value !== "string") return String(value);
  const text = withoutSecrets(value);
  return JSON.stringify(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text);
}

/** The kind of a value alone, for keys whose value is secret. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return "a text";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? "a switch" : shown(value);
}
