import { RestError } from "./refusals.ts";

/** Parameters of a call; undefined ones are left out, a list becomes one comma-separated value. */
export type Query = Record<string, string | number | boolean | string[] | undefined>;

/**
 * `a=1&names=x,y`: lists joined by a literal comma, as the vendor's SDK writes them; undefined is
 * left out.
 */
export function queryText(query: Query): string {
  const parts = Object.entries(query).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const text = Array.isArray(value)
      ? value.map(encodeURIComponent).join(",")
      : encodeURIComponent(String(value));
    return [`${key}=${text}`];
  });
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/**
 * Answers "missing", without a call, for a name that no object can have. Names come from volume
 * handles, which anybody may write: a comma would make two names of one and destroy the volume of
 * somebody else, and an empty name means "all" to some calls.
 */
export function refuseImpossibleNames(query: Query | undefined, array: string): void {
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined || !key.endsWith("names")) continue;
    const impossible = [value].flat().find((name) => !/^[^,*\s'"\\]+$/.test(String(name)));
    if (impossible === undefined) continue;
    const message = `${
      JSON.stringify(impossible)
    } is on array ${array}: no object can have that name`;
    throw new RestError("not_found", `nothing named ${message}`, {
      refusal: "missing",
      status: 400,
      said: "",
      context: String(impossible),
      isOwn: false,
    });
  }
}

/** A string inside the expression of a `filter`: in quotes, with quotes and backslashes escaped. */
export function filterText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
