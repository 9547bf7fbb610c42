/**
 * The words of a text, as a shell parts a command line: at blanks. Quotes, double or single, keep
 * blanks inside a word and are taken away (`-L "my label"`, `-L'my label'`). Nothing is expanded.
 * A quote that is never closed counts as a letter, because volumes exist whose stored options have
 * one. Whoever reads a new text asks hasOpenQuote() first.
 */
export function splitWords(text: string): string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

/** True when a quote in `text` is not closed, so that its author and splitWords() may disagree. */
export function hasOpenQuote(text: string): boolean {
  return /["']/.test(text.replace(/"[^"]*"|'[^']*'/g, ""));
}

/**
 * One text of which splitWords() makes the same words again. A word is quoted as a whole, so that
 * nodes of earlier versions, which know no quotes in the middle of a word, read the same; only a
 * word with both kinds of quotes is beyond them.
 */
export function joinWords(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  if (/^[^\s"']+$/.test(word)) return word;
  if (!word.includes('"')) return `"${word}"`;
  if (!word.includes("'")) return `'${word}'`;
  return word.split(/("+)/).map((part) => part.startsWith('"') ? `'${part}'` : `"${part}"`).join(
    "",
  );
}

/** What is copied as a whole: a command up to its end, or a word. */
const PIECE =
  /[`(]?\b(?:kubectl|helm|pso-bin|pure(?:admin|array|host|pod|vol)) [^;`)]*[;`)]?\S*|\S+/g;

/**
 * The text in lines of at most `columns`, of which all but the first begin with `indent` blanks, and
 * the first one there already. Commands and words are not broken, so that they can be copied: they
 * may be longer.
 */
export function wrapped(text: string, room: LineRoom): string {
  return inLines(text.match(PIECE) ?? [], room);
}

/** How long lines are, and how many blanks all but the first begin with. */
interface LineRoom {
  columns: number;
  indent: number;
}

/** As wrapped(), of pieces that are not broken. */
export function inLines(pieces: readonly string[], { columns, indent }: LineRoom): string {
  const lines: string[] = [""];
  for (const piece of pieces) {
    const last = lines.at(-1) ?? "";
    const whole = last === "" ? piece : `${last} ${piece}`;
    if (last === "" || whole.length <= columns - indent) lines[lines.length - 1] = whole;
    else lines.push(piece);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}
