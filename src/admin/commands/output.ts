import { stringify } from "@std/yaml";
import { maskSecrets } from "../../secret.ts";
import { type FoundLevel, onOneLine } from "../check/found.ts";
import type { Format } from "./verb_flags.ts";

/** How findings are marked in tables. */
export const LEVEL_WORDS: Readonly<Record<FoundLevel, string>> = {
  ok: "OK",
  warn: "WARN",
  fail: "FAIL",
};
const COLOURS: Readonly<Record<FoundLevel, string>> = { ok: "32", warn: "33", fail: "31" };

/** Whether the table has colours. */
interface TableLook {
  colours: boolean;
}

/** The word of a level, padded to the longest, in its colour where there are colours. */
export function levelWord(level: FoundLevel, { colours }: TableLook): string {
  const word = LEVEL_WORDS[level].padEnd(4);
  return colours ? `\x1b[${COLOURS[level]}m${word}\x1b[0m` : word;
}

/** A table of texts below their headings, each column as wide as its longest text. */
export function tableOf(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows.map((row) => row.map(cleanCell))];
  const widths = headings.map((_, at) => Math.max(...all.map((row) => lengthOf(row[at] ?? ""))));
  return all.map((row) =>
    `${
      row.map((cell, at) =>
        at === row.length - 1 ? cell : cell + " ".repeat((widths[at] ?? 0) - lengthOf(cell))
      ).join("  ").trimEnd()
    }\n`
  ).join("");
}

/** The marks of our colours; the rest of what would move a terminal's cursor goes. */
// deno-lint-ignore no-control-regex -- colours
const COLOUR_MARK = /(\x1b\[\d*m)/;

function cleanCell(cell: string): string {
  return cell.split(COLOUR_MARK).map((part) => COLOUR_MARK.test(part) ? part : onOneLine(part))
    .join("");
}

/** Without the marks of colours. */
function lengthOf(cell: string): number {
  // deno-lint-ignore no-control-regex -- colours
  return [...cell.replaceAll(/\x1b\[\d+m/g, "")].length;
}

/** The value for programs; never the value of a Secret. Ends with a line break. */
export function structured(value: unknown, format: Exclude<Format, "table">): string {
  const json = JSON.stringify(value, undefined, 2);
  // By way of JSON: fields that are undefined are left out in both.
  return maskSecrets(format === "json" ? `${json}\n` : stringify(JSON.parse(json)));
}
