import type { ArrayConfig } from "../model.ts";
import { kindOf, type ProblemList } from "../problems.ts";
import { charsOf, isTooLong } from "../values.ts";
import { ARRAY_KEYS } from "./keys.ts";

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

/** Characters that the text of a key may have. */
function charsMax(name: string): number {
  return ARRAY_KEYS.find((key) => key.name === name)?.chars ?? Infinity;
}

/**
 * The text of a key, without blanks around it; undefined when it is not set, empty, or (told) no
 * text or too long.
 */
export function optionalText({ path, values, problems }: Entry, name: string): string | undefined {
  const value = values.get(name);
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    const text = { path: `${path}.${name}`, value, most: charsMax(name) };
    return isTooLong(text, problems) || value.trim() === "" ? undefined : value.trim();
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
  return charsOf(value) > charsMax(name);
}
