import { maskSecrets } from "../../secret.ts";
import { counted, type Found } from "../check/found.ts";
import { levelWord, tableOf } from "./output.ts";

/** How findings are printed. */
interface ReportLook {
  colours: boolean;
  /** One line for each finding, all that is known in its columns. */
  wide: boolean;
}

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

/** The findings for people, object by object, and a last line that sums up. */
export function findingsTable(found: readonly Found[], look: ReportLook): string {
  const { fail, warn, ok } = countsOf(found);
  const objects = [...new Set(found.map(({ object }) => object))];
  const last = `${
    counted(objects.length, "object")
  } checked: ${fail} FAIL, ${warn} WARN, ${ok} OK\n`;
  return maskSecrets((look.wide ? wideTable(found, look) : groups(found, look)) + last);
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
  const width = Math.max(...found.map(({ check }) => check.length), 5);
  const lineOf = ({ level, check, what, fix }: Found) => {
    const line = `  ${levelWord(level, look)}  ${check.padEnd(width)}  ${what}\n`;
    return fix === undefined ? line : `${line}${" ".repeat(width + 10)}-> ${fix}\n`;
  };
  const byObject = Map.groupBy(found, ({ object }) => object);
  return [...byObject].map(([object, all]) => `${object}\n${all.map(lineOf).join("")}`).join("\n") +
    "\n";
}

/** A table, and below it the findings that are not `ok`. */
export function withTroubles(
  table: string,
  { findings, colours }: { findings: readonly Found[]; colours: boolean },
): string {
  const troubles = findings.filter(({ level }) => level !== "ok");
  if (troubles.length === 0) return table;
  const below = `${maskSecrets(groups(troubles, { colours }).trimEnd())}\n`;
  return table === "" ? below : `${table}\n${below}`;
}
