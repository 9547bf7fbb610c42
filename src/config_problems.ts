import { PsoError } from "./errors.ts";

/** One fault of a configuration. Reads as a sentence: `<path> <found>, wanted <wanted>: <fix>`; never holds a secret. */
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
  return `${path} ${found}${wanted === undefined ? "" : `, wanted ${wanted}`}${fix === undefined ? "" : `: ${fix}`}`;
}

/** A configuration that cannot be used (`invalid`): the message has one line per problem, errors first. */
export class ConfigError extends PsoError {
  constructor(
    readonly problems: readonly Problem[],
    /** SHA-256 of the files that were read, so that the same bad content is reported once. */
    readonly digest: string = "",
  ) {
    const lines = (severity: Problem["severity"], prefix: string) =>
      problems.filter((problem) => problem.severity === severity).map((problem) => prefix + problemText(problem));
    super("invalid", [...lines("error", ""), ...lines("warning", "warning: ")].join("\n"));
  }
}

/** Problems in the order they were found. */
export class ProblemList {
  readonly #problems: Problem[] = [];

  error(path: string, problem: Omit<Problem, "severity" | "path">): void {
    this.#problems.push({ severity: "error", path, ...problem });
  }

  warn(path: string, problem: Omit<Problem, "severity" | "path">): void {
    this.#problems.push({ severity: "warning", path, ...problem });
  }

  get all(): readonly Problem[] {
    return this.#problems;
  }

  get hasErrors(): boolean {
    return this.#problems.some(({ severity }) => severity === "error");
  }
}

/** API tokens are UUIDs (FlashBlade writes `T-` before them); one that slipped into another key must not be printed. */
const TOKEN = /(T-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const SHOWN_LENGTH = 60;

/** A value as a message may show it: short, quoted, and with anything that looks like an API token taken out. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value === "number") return `the number ${value}`;
  if (typeof value === "object") return "a mapping";
  if (typeof value !== "string") return String(value);
  const text = value.replace(TOKEN, "[redacted]").replace(/token\s*[:=].*/is, "[redacted]");
  return JSON.stringify(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text);
}

/** The kind of a value alone, for keys whose value is secret. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return "a text";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? "a switch" : shown(value);
}
