import { refused } from "./rest_error.ts";

/** An object as it goes over the wire: what filters and sorts look at. */
export type Row = Record<string, unknown>;
type Predicate = (row: Row) => boolean;

/**
 * A literal of a filter. Text is kept as the pieces between its `*` wildcards, lower case: arrays
 * compare names without case.
 */
type Literal = { text: string[] } | { number: number } | { boolean: boolean };
type Token = { kind: "word" | "op" | "(" | ")" | "," | "end"; text: string } | {
  kind: "string";
  pieces: string[];
  text: string;
};

const OPERATORS = ["!=", "<=", ">=", "=", "<", ">"];

/** A text between two of the same quotes, single or double. */
function readString(source: string, start: number): { token: Token; next: number } {
  const quote = source.charAt(start);
  const pieces = [""];
  let at = start + 1;
  for (; at < source.length && source[at] !== quote; at++) {
    const letter = source.charAt(at);
    if (letter === "*") pieces.push("");
    else {
      // A backslash makes the next character plain: \' and \\ (SDK quoteString), and so \* a star.
      if (letter === "\\") at++;
      pieces.push((pieces.pop() ?? "") + source.charAt(at));
    }
  }
  if (at >= source.length) throw refused("Invalid filter: a quoted string is not closed.", source);
  return {
    token: {
      kind: "string",
      pieces: pieces.map((piece) => piece.toLowerCase()),
      text: source.slice(start, at + 1),
    },
    next: at + 1,
  };
}

function readTokens(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < source.length;) {
    const letter = source.charAt(at);
    const op = OPERATORS.find((one) => source.startsWith(one, at));
    const word = /^[A-Za-z0-9_.@-]+/.exec(source.slice(at, at + 200))?.[0];
    if (/\s/.test(letter)) at++;
    else if (letter === "'" || letter === '"') {
      const { token, next } = readString(source, at);
      tokens.push(token);
      at = next;
    } else if (letter === "(" || letter === ")" || letter === ",") {
      tokens.push({ kind: letter, text: letter });
      at++;
    } else if (op !== undefined) {
      tokens.push({ kind: "op", text: op });
      at += op.length;
    } else if (word !== undefined) {
      tokens.push({ kind: "word", text: word });
      at += word.length;
    } else throw refused(`Invalid filter: unexpected '${letter}' at position ${at + 1}.`, source);
  }
  tokens.push({ kind: "end", text: "the end" });
  return tokens;
}

/**
 * The values at a dotted path, lists flattened: a list-valued field matches if any element does.
 */
function valuesAt(row: Row, path: string): unknown[] {
  let values: unknown[] = [row];
  for (const step of path.split(".")) {
    values = values.flatMap((value) => {
      const found = typeof value === "object" && value !== null
        ? Reflect.get(value, step)
        : undefined;
      return Array.isArray(found) ? found : [found];
    });
  }
  return values.filter((value) => value !== undefined && value !== null);
}

/** False for what counts as "not set": false, an empty text, a reference with only null members. */
function exists(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "object" && value !== null) {
    return Object.values(value).some((member) => member !== null);
  }
  return value !== "";
}

function matchesPieces(text: string, pieces: string[]): boolean {
  const [first = "", ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function equals(value: unknown, literal: Literal): boolean {
  if ("text" in literal) return matchesPieces(String(value).toLowerCase(), literal.text);
  if ("number" in literal) return Number(value) === literal.number;
  return String(value) === String(literal.boolean);
}

/**
 * Negative, zero or positive as `value` is below, at or above the literal; NaN when the two cannot
 * be ordered.
 */
function order(value: unknown, literal: Literal): number {
  if (typeof value === "number") {
    return value -
      ("number" in literal
        ? literal.number
        : "text" in literal
        ? Number(literal.text.join("*"))
        : NaN);
  }
  const wanted = "text" in literal
    ? literal.text.join("*")
    : "number" in literal
    ? String(literal.number)
    : String(literal.boolean);
  const found = String(value).toLowerCase();
  return found < wanted ? -1 : found > wanted ? 1 : 0;
}

function comparison(field: string, op: string, literals: Literal[]): Predicate {
  const any = (row: Row, test: (value: unknown, literal: Literal) => boolean) =>
    valuesAt(row, field).some((value) => literals.some((literal) => test(value, literal)));
  switch (op) {
    case "=":
      return (row) => any(row, equals);
    case "!=":
      return (row) => !any(row, equals);
    case "<":
      return (row) => any(row, (value, literal) => order(value, literal) < 0);
    case "<=":
      return (row) => any(row, (value, literal) => order(value, literal) <= 0);
    case ">":
      return (row) => any(row, (value, literal) => order(value, literal) > 0);
    default:
      return (row) => any(row, (value, literal) => order(value, literal) >= 0);
  }
}

/** Recursive descent over the tokens: or < and < not < comparison. */
class Parser {
  readonly fields = new Set<string>();
  readonly #source: string;
  readonly #tokens: Token[];
  #at = 0;
  constructor(source: string) {
    this.#source = source;
    this.#tokens = readTokens(source);
  }

  parse(): Predicate {
    const whole = this.#or();
    if (this.#peek().kind !== "end") throw this.#unexpected("'and', 'or' or the end");
    return whole;
  }

  #or(): Predicate {
    const parts = [this.#and()];
    while (this.#takeWord("or")) parts.push(this.#and());
    return (row) => parts.some((part) => part(row));
  }

  #and(): Predicate {
    const parts = [this.#unary()];
    while (this.#takeWord("and")) parts.push(this.#unary());
    return (row) => parts.every((part) => part(row));
  }

  #unary(): Predicate {
    if (this.#takeWord("not")) {
      const inner = this.#unary();
      return (row) => !inner(row);
    }
    if (this.#peek().kind !== "(") return this.#fieldTest();
    this.#next();
    const inner = this.#or();
    this.#expect(")");
    return inner;
  }

  #fieldTest(): Predicate {
    const name = this.#peek();
    if (name.kind !== "word") throw this.#unexpected("a field");
    this.#next();
    const called = this.#peek().kind === "(" ? name.text.toLowerCase() : "";
    if (called === "contains") return this.#contains();
    if (called === "tags") return this.#tags();
    this.fields.add(name.text);
    const op = this.#peek();
    if (op.kind !== "op") return (row) => valuesAt(row, name.text).some(exists);
    this.#next();
    return comparison(name.text, op.text, this.#literals());
  }

  #contains(): Predicate {
    this.#expect("(");
    const field = this.#expect("word").text;
    this.fields.add(field);
    this.#expect(",");
    const pieces = this.#string();
    this.#expect(")");
    return comparison(field, "=", [{ text: ["", ...pieces, ""] }]);
  }

  #tags(): Predicate {
    this.#expect("(");
    const key = this.#string();
    this.#expect(",");
    const value = this.#string();
    this.#expect(")");
    this.fields.add("tags");
    return (row) =>
      valuesAt(row, "tags").some((tag) =>
        typeof tag === "object" && tag !== null &&
        matchesPieces(String(Reflect.get(tag, "key")).toLowerCase(), key) &&
        matchesPieces(String(Reflect.get(tag, "value")).toLowerCase(), value)
      );
  }

  /** One literal, or `('a','b')`, or the SDK's doubled `(('a','b'))`. */
  #literals(): Literal[] {
    if (this.#peek().kind !== "(") return [this.#literal()];
    this.#next();
    const found = this.#literals();
    while (this.#peek().kind === ",") {
      this.#next();
      found.push(...this.#literals());
    }
    this.#expect(")");
    return found;
  }

  #literal(): Literal {
    const token = this.#peek();
    if (token.kind === "string") return { text: this.#string() };
    const word = this.#expect("word").text;
    if (/^(true|false)$/i.test(word)) return { boolean: word.toLowerCase() === "true" };
    if (/^-?\d+(\.\d+)?$/.test(word)) return { number: Number(word) };
    throw refused(
      `Invalid filter: ${word} is neither a quoted string, a number, true nor false.`,
      this.#source,
    );
  }

  #string(): string[] {
    const token = this.#peek();
    if (token.kind !== "string") throw this.#unexpected("a quoted string");
    this.#next();
    return token.pieces;
  }

  #takeWord(word: string): boolean {
    const token = this.#peek();
    if (token.kind !== "word" || token.text.toLowerCase() !== word) return false;
    this.#next();
    return true;
  }

  #expect(kind: Token["kind"]): Token {
    if (this.#peek().kind !== kind) throw this.#unexpected(`'${kind}'`);
    return this.#next();
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "the end" };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #unexpected(wanted: string) {
    return refused(`Invalid filter: expected ${wanted}, found ${this.#peek().text}.`, this.#source);
  }
}

/** A compiled filter: what it tests, and the fields it names (for the check against a row). */
export interface Filter {
  matches: Predicate;
  /** First step of each path that the filter reads. */
  fields: string[];
}

/**
 * Compiles a filter expression of the arrays' list calls (FlashArray REST API 1.13 guide,
 * "Filtering"). Text compares without case. Throws RestError 400 when it cannot be read.
 */
export function parseFilter(source: string): Filter {
  const parser = new Parser(source);
  const matches = parser.parse();
  return {
    matches,
    fields: [...new Set([...parser.fields].map((field) => field.split(".")[0] ?? field))],
  };
}
