/** How a finding is meant: `warn` works, and a person should know. */
export type FoundLevel = "ok" | "warn" | "fail";

/** What one look found. */
export interface Found {
  level: FoundLevel;
  /** What was looked at: the entry of an array, a file, an object of Kubernetes. */
  object: string;
  /** Which look it was, in a word: `tls`, `token`, `clock`. */
  check: string;
  /** What is so, and what follows from it; it may end with what to do. */
  what: string;
  /** What to do, where `what` does not say it. */
  fix?: string;
}

/** What was found of one object, in the order of the looks. */
export class FoundList {
  readonly object: string;
  readonly all: Found[] = [];

  constructor(object: string) {
    this.object = object;
  }

  ok(check: string, what: string): void {
    this.#add("ok", { check, what });
  }

  warn(check: string, what: string, fix?: string): void {
    this.#add("warn", { check, what, fix });
  }

  fail(check: string, what: string, fix?: string): void {
    this.#add("fail", { check, what, fix });
  }

  /** Takes over what another list of the same object told so far. */
  add(...found: readonly Found[]): void {
    this.all.push(...found);
  }

  #add(level: FoundLevel, { check, what, fix }: Pick<Found, "check" | "what" | "fix">): void {
    const told = { level, object: this.object, check, what: onOneLine(what) };
    this.all.push(fix === undefined ? told : { ...told, fix: onOneLine(fix) });
  }
}

/** The worst level among these; `ok` when there is none. */
export function worstOf(found: readonly Pick<Found, "level">[]): FoundLevel {
  if (found.some(({ level }) => level === "fail")) return "fail";
  return found.some(({ level }) => level === "warn") ? "warn" : "ok";
}

/** A number with its noun: `1 array`, `2 arrays`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A text that may quote an array or a server, without what would move a terminal's cursor. */
export function onOneLine(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
