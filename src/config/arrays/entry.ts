import type { ArrayConfig } from "../model.ts";
import { kindOf, type ProblemList } from "../problems.ts";
import { isTooLong, TEXT_CHARS_MAX } from "../values.ts";

/** What reading the entries needs besides them. */
export interface ArraysContext {
  problems: ProblemList;
  /** Reads a file that an entry names. */
  readTextFile: (path: string) => Promise<string>;
}

/** One entry of `arrays`, its keys already under their right spelling. */
export interface Entry extends ArraysContext {
  kind: ArrayConfig["kind"];
  /** Where it stands: `arrays.FlashArrays[1]`. */
  path: string;
  values: ReadonlyMap<string, unknown>;
}

/** Keys whose texts have limits of their own: that of a file, of a token, of a name. */
const OWN_LIMITS = ["CACert", "APIToken", "Name"];

/**
 * The text of a key, without blanks around it; undefined when it is not set, empty, or (told) no
 * text or too long.
 */
export function optionalText({ path, values, problems }: Entry, name: string): string | undefined {
  const value = values.get(name);
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    const isRefused = !OWN_LIMITS.includes(name) &&
      isTooLong({ path: `${path}.${name}`, value }, problems);
    return isRefused || value.trim() === "" ? undefined : value.trim();
  }
  problems.error(`${path}.${name}`, {
    found: `is ${kindOf(value)}`,
    wanted: "a text",
    fix: "put it in quotes",
  });
  return undefined;
}

/** True when a key is there but optionalText() has already told what is wrong with it. */
export function isBadType({ values }: Entry, name: string): boolean {
  const value = values.get(name);
  if (typeof value !== "string") return value !== undefined;
  return !OWN_LIMITS.includes(name) && value.length > TEXT_CHARS_MAX;
}
