import { isObject, type KubeObject } from "../../kube/client.ts";

/** The value below these keys; undefined where one of them is missing. */
export function at(object: unknown, ...path: string[]): unknown {
  let found = object;
  for (const key of path) found = isObject(found) ? found[key] : undefined;
  return found;
}

/** The text below these keys; empty for everything else. */
export function textAt(object: unknown, ...path: string[]): string {
  const value = at(object, ...path);
  return typeof value === "string" ? value : "";
}

/** The objects of the list below these keys; none for everything else. */
export function objectsAt(object: unknown, ...path: string[]): KubeObject[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The texts of the list below these keys. */
export function textsAt(object: unknown, ...path: string[]): string[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** The texts of the mapping below these keys, by name. */
export function mapAt(object: unknown, ...path: string[]): Record<string, string> {
  const value = at(object, ...path);
  const entries = isObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(
    entries.flatMap(([key, text]) => typeof text === "string" ? [[key, text]] : []),
  );
}

/** metadata.name */
export function nameOf(object: unknown): string {
  return textAt(object, "metadata", "name");
}

/** How many names a finding tells. */
const SHOWN = 5;

/** Names for a finding, the first few of many. */
export function namesText(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return names.slice(0, SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
