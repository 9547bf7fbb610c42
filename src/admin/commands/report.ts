import { maskSecrets } from "../../secret.ts";
import { counted, type Found } from "../check/found.ts";
import { wrapped } from "../../words.ts";
import { LEVEL_WORDS, levelWord, tableOf } from "./output.ts";

/** How findings are printed. */
interface ReportLook {
  colours: boolean;
  /** One line for each finding, all that is known in its columns. */
  wide: boolean;
  /** How wide the terminal is; absent: lines are as long as they are. */
  columns?: number;
}

/** Narrower terminals get lines of this width. */
const COLUMNS_MIN = 60;

/** How many findings there are of each level. */
export interface Counts {
  fail: number;
  warn: number;
  ok: number;
}

/** Counts findings by level. */
export function countsOf(found: readonly Found[]): Counts {
  const count = (level: Found["level"]) => found.filter((one) => one.level === level).length;
  return { fail: count("fail"), warn: count("warn"), ok: count("ok") };
}

/** The findings for people, object by object, what to do, and a last line that sums up. */
export function findingsTable(found: readonly Found[], look: ReportLook): string {
  const { fail, warn, ok } = countsOf(found);
  const objects = [...new Set(found.map(({ object }) => object))];
  const last = `${
    counted(objects.length, "object")
  } checked: ${fail} FAIL, ${warn} WARN, ${ok} OK\n`;
  return maskSecrets(
    look.wide ? wideTable(found, look) + last : `${groups(found, look)}${toDo(found, look)}${last}`,
  );
}

/** What one thing to do is for. */
interface Task extends Pick<Found, "level" | "object"> {
  advice: string;
  checks: Set<string>;
}

/** What is to be done, once more below a long report; nothing where nothing stands between. */
function toDo(found: readonly Found[], { columns }: ReportLook): string {
  const troubles = found.filter(({ level }) => level !== "ok");
  if (troubles.length === 0 || troubles.length === found.length) return "";
  // What must be done comes before what should be.
  const worstFirst = troubles.toSorted((one, other) =>
    Number(other.level === "fail") - Number(one.level === "fail")
  );
  // What is done once is told once.
  const tasks = new Map<string, Task>();
  for (const { level, object, check, what, fix } of worstFirst) {
    const advice = fix ?? adviceIn(what);
    const key = JSON.stringify([level, object, advice]);
    const task = tasks.get(key) ?? { level, object, advice, checks: new Set() };
    task.checks.add(check);
    tasks.set(key, task);
  }
  const lines = [...tasks.values()].map(({ level, object, advice, checks }) => {
    const text = `${object}, ${[...checks].join(", ")}: ${advice}`;
    return `  ${LEVEL_WORDS[level]}  ${fitted(text, { columns, indent: 8 })}\n`;
  });
  return `To do\n${lines.join("")}\n`;
}

/** A message ends with what to do, after a semicolon or else a colon. */
function adviceIn(message: string): string {
  const parts = message.includes("; ") ? message.split("; ") : message.split(": ");
  const advice = parts.at(-1) ?? message;
  // What stood in brackets as a whole.
  const isCut = advice.split(")").length > advice.split("(").length;
  return isCut ? advice.replace(/\)$/, "") : advice;
}

/** The text in lines that the terminal has room for, but of the first `indent` characters. */
export function fitted(
  text: string,
  { columns, indent }: { columns?: number; indent: number },
): string {
  return columns === undefined
    ? text
    : wrapped(text, { columns: Math.max(columns, COLUMNS_MIN), indent });
}

function wideTable(found: readonly Found[], look: ReportLook): string {
  return tableOf(
    ["RESULT", "OBJECT", "CHECK", "FOUND"],
    found.map((one) => [levelWord(one.level, look), one.object, one.check, textOf(one)]),
  );
}

function textOf({ what, fix }: Found): string {
  return fix === undefined ? what : `${what}; ${fix}`;
}

/** A heading for each object; what to do stands on a line of its own below the finding. */
function groups(found: readonly Found[], look: Omit<ReportLook, "wide">): string {
  const { columns } = look;
  const width = Math.max(...found.map(({ check }) => check.length), 5);
  const indent = width + 10;
  const lineOf = ({ level, check, what, fix }: Found) => {
    const text = fitted(what, { columns, indent });
    const line = `  ${levelWord(level, look)}  ${check.padEnd(width)}  ${text}\n`;
    if (fix === undefined) return line;
    return `${line}${" ".repeat(indent)}-> ${fitted(fix, { columns, indent: indent + 3 })}\n`;
  };
  const byObject = Map.groupBy(found, ({ object }) => object);
  return [...byObject].map(([object, all]) => `${object}\n${all.map(lineOf).join("")}`).join("\n") +
    "\n";
}

/** A table, and below it the findings that are not `ok`. */
export function withTroubles(
  table: string,
  { findings, colours, columns }: { findings: readonly Found[] } & Omit<ReportLook, "wide">,
): string {
  const troubles = findings.filter(({ level }) => level !== "ok");
  if (troubles.length === 0) return table;
  const below = `${maskSecrets(groups(troubles, { colours, columns }).trimEnd())}\n`;
  return table === "" ? below : `${table}\n${below}`;
}
