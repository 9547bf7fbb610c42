import { PsoError } from "../errors.ts";

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

function redacted(text: string): string;
function redacted(text: string | undefined): string | undefined;
function redacted(text: string | undefined): string | undefined {
  return text?.replace(TOKEN, "[redacted]");
}

/**
 * Problems in the order they were found. A token that slipped into another key, or even a key's
 * name, is taken out.
 */
export class ProblemList {
  readonly #problems: Problem[] = [];

  error(path: string, problem: Omit<Problem, "severity" | "path">): void {
    this.#add({ severity: "error", path, ...problem });
  }

  warn(path: string, problem: Omit<Problem, "severity" | "path">): void {
    this.#add({ severity: "warning", path, ...problem });
  }

  #add({ severity, path, found, wanted, fix }: Problem): void {
    this.#problems.push({
      severity,
      path: redacted(path),
      found: redacted(found),
      wanted: redacted(wanted),
      fix: redacted(fix),
    });
  }

  get all(): readonly Problem[] {
    return this.#problems;
  }

  get hasErrors(): boolean {
    return this.#problems.some(({ severity }) => severity === "error");
  }
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
  const text = redacted(value).replace(/token\s*[:=].*/is, "[redacted]");
  return JSON.stringify(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text);
}

/** The kind of a value alone, for keys whose value is secret. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return "a text";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? "a switch" : shown(value);
}
