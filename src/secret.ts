/** Shorter ones are no secrets: a mask of them would only spoil texts. */
const MASKED_CHARS_MIN = 8;
const MASK = "[redacted]";

/** Every value of a living Secret, and how many of them have it. */
const known = new Map<string, number>();
/** What finds any of them in a text; made anew when it is next needed after a change. */
let pattern: RegExp | undefined;
let longest = 0;

function learn(value: string): void {
  known.set(value, (known.get(value) ?? 0) + 1);
  if (known.get(value) === 1) pattern = undefined;
}

function forget(value: string): void {
  const left = (known.get(value) ?? 0) - 1;
  if (left > 0) known.set(value, left);
  else if (known.delete(value)) pattern = undefined;
}

const collected = new FinalizationRegistry<string>(forget);

/**
 * A value that prints as [redacted] everywhere: in logs, JSON, template strings and inspection. As
 * long as it lives, `maskSecrets` takes its value out of every other text too.
 */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
    if (value.length < MASKED_CHARS_MIN) return;
    learn(value);
    collected.register(this, value);
  }
  /** The value itself: only for the header or standard input that needs it. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return MASK;
  }
  toJSON(): string {
    return MASK;
  }
  [Symbol.for("Deno.customInspect")](): string {
    return MASK;
  }
}

/**
 * The text without the value of any Secret that lives: an array, a proxy or a tool may quote what
 * it was sent. Found in any case, also as JSON, HTML or a URL write it.
 */
export function maskSecrets(text: string): string {
  const secrets = secretPattern();
  return secrets === undefined ? text : text.replace(secrets, MASK);
}

/** The most characters that a secret takes in any form that `maskSecrets` finds. */
export function longestSecret(): number {
  secretPattern();
  return longest;
}

function secretPattern(): RegExp | undefined {
  if (known.size === 0) return undefined;
  if (pattern !== undefined) return pattern;
  // The longest first: one may begin another.
  const forms = [...new Set([...known.keys()].flatMap(formsOf))].sort((a, b) =>
    b.length - a.length
  );
  longest = forms[0]?.length ?? 0;
  pattern = new RegExp(forms.map(RegExp.escape).join("|"), "gi");
  return pattern;
}

const HTML: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function formsOf(value: string): string[] {
  const inJson = JSON.stringify(value).slice(1, -1);
  return [
    value,
    inJson,
    JSON.stringify(inJson).slice(1, -1), // JSON that is quoted in JSON
    encodeURIComponent(value.toWellFormed()),
    value.replaceAll(/[&<>"']/g, (letter) => HTML[letter] ?? letter),
  ];
}

/**
 * What is in the name of something whose value lets somebody in: a field, a variable, a header, a
 * flag. CHAP for the node, tokens of service accounts and headers that log in are among them.
 */
export const SECRET_WORDS =
  "secret|passw|passphrase|pwd|token|chap|credential|api[-_]?key|private[-_]?key|access[-_]?key|" +
  "authorization|cookie";

const SECRET_NAME = new RegExp(SECRET_WORDS, "i");

/** Whether a value under this name is masked, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}
