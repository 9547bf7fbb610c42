import { type Call, csv } from "./call.ts";
import { refused } from "./rest_error.ts";

/**
 * What a change may ask for. All else is refused: a client that got 200 believes that it has what
 * it asked for.
 */
export interface Modelled {
  /** Fields of the body that the handler reads. */
  fields: readonly string[];
  /** Fields that it does not read, with the one value that is so anyway. */
  fixed?: Readonly<Record<string, unknown>>;
  /** Parameters of the query besides `context_names`. */
  query: readonly string[];
  /** Parameters that name objects of a sort that is not served, with what the array says then. */
  missing?: Readonly<Record<string, string>>;
}

/** What stands for "nothing": clients send it for fields that nobody set. */
function asksNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  // A schedule that is off, as objects are that have none.
  return typeof value === "object" && Object.values(value).every(asksNothing);
}

function contextOf({ query }: Call): string | null {
  const named = ["names", "source_names", "group_names", "host_names", "ids"];
  return named.flatMap((parameter) => csv(query, parameter) ?? [])[0] ?? null;
}

/** RestError 400 when a change asks `array` for more than is modelled. */
export function requireModelled(call: Call, modelled: Modelled, array: string): void {
  const { fields, fixed = {}, query, missing = {} } = modelled;
  const unknown = (what: string) =>
    refused(`Parameter ${what} is not supported by this array.`, contextOf(call));
  for (const [parameter, value] of call.query) {
    const text = missing[parameter];
    if (text !== undefined && value !== "") throw refused(text, value.split(",")[0]);
    if (parameter === "context_names") {
      if (value !== "" && value !== array) throw refused("Context does not exist.", value);
    } else if (!query.includes(parameter) && value !== "" && value !== "false") {
      throw unknown(parameter);
    }
  }
  const { body } = call;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return;
  for (const [field, value] of Object.entries(body)) {
    if (fields.includes(field) || asksNothing(value) || fixed[field] === value) continue;
    throw unknown(field);
  }
}
