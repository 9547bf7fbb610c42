import { messageOf, PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import { REST_LIMITS } from "./limits.ts";
import type { Query } from "./query.ts";
import type { NamedCall } from "./refusals.ts";
import { flag, list, type Reader, ShapeFault, text } from "./shape.ts";
import { nameKey } from "../../names.ts";

/** The body of a 200, checked. */
export interface RestBody<T> {
  items: T[];
  /** Absent on the last page. */
  continuationToken?: string;
  /** FlashArray alone says it. */
  moreItemsRemaining?: boolean;
}

/** Which call was answered, and what is wanted of the answer. */
export interface AnsweredCall<T> extends NamedCall {
  isChange: boolean;
  query?: Query;
  /** Absent: the items are not read. */
  item?: Reader<T>;
}

/**
 * The body of a 200. `unavailable` when it is not what was asked for: no JSON, a limit exceeded, a
 * field of another type, or an object that the call did not name. After a change nothing is known
 * then.
 */
export function readAnswer<T>(answer: string, answered: AnsweredCall<T>): RestBody<T> {
  if (answer.trim() === "") return { items: [] }; // DELETE answers so
  const most = Number(answered.query?.limit ?? REST_LIMITS.namedItems.value);
  try {
    refuseExcess(answer, most);
    const body = parseObject(answer);
    const items = list(raw)(body.items ?? [], "items");
    if (items.length > most) throw new ShapeFault(`it has ${items.length} items, not ${most}`);
    for (const item of items) refuseStranger(item, answered.query);
    const { item } = answered;
    const token = body.continuation_token || undefined;
    const more = body.more_items_remaining ?? undefined;
    return {
      items: item ? list(item)(items, "items") : [],
      ...(token === undefined ? {} : { continuationToken: tokenText(token, "continuation_token") }),
      ...(more === undefined ? {} : { moreItemsRemaining: flag(more, "more_items_remaining") }),
    };
  } catch (error) {
    if (error instanceof ShapeFault) throw answerError(error, answered);
    throw error;
  }
}

const tokenText = text(REST_LIMITS.sessionChars.value);
const raw: Reader<unknown> = (value) => value;

function answerError(
  fault: ShapeFault,
  { array, call, isChange }: AnsweredCall<unknown>,
): PsoError {
  const outcome = isChange ? "it may have been carried out" : "nothing of it was used";
  return new PsoError(
    "unavailable",
    `array ${array} answered ${call} with what was not asked for: ${messageOf(fault)}; ` +
      `${outcome}; check that the address is its management endpoint and what stands before it`,
    { cause: fault },
  );
}

/** An answer's object, of which nothing is checked but its size and that it is one. */
export function parseObject(answer: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(answer);
  } catch {
    throw new ShapeFault("it is not JSON");
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return { ...body };
  throw new ShapeFault("it is no JSON object");
}

const [QUOTE, BACKSLASH, COMMA] = ['"', "\\", ","].map((one) => one.charCodeAt(0));
const OPEN = ["{", "["].map((one) => one.charCodeAt(0));
const CLOSE = ["}", "]"].map((one) => one.charCodeAt(0));

/**
 * Refuses an answer that is deeper, or has more values, than one with so many items can have.
 * Looked at before it is parsed: parsed, a page of `{}` is forty times as large.
 */
export function refuseExcess(answer: string, items: number): void {
  const mostDepth = REST_LIMITS.depth.value;
  const mostValues = REST_LIMITS.valuesPerItem.value * Math.max(items, FEW_ITEMS);
  let [depth, values, inString] = [0, 0, false];
  for (let at = 0; at < answer.length; at++) {
    const letter = answer.charCodeAt(at);
    if (inString) {
      if (letter === BACKSLASH) at++;
      else if (letter === QUOTE) inString = false;
    } else if (letter === QUOTE) inString = true;
    else if (letter === COMMA) values++;
    else if (letter === OPEN[0] || letter === OPEN[1]) {
      values++;
      if (++depth > mostDepth) throw new ShapeFault(`it is deeper than ${mostDepth} levels`);
    } else if (letter === CLOSE[0] || letter === CLOSE[1]) depth--;
    if (values > mostValues) throw new ShapeFault(`it has more than ${mostValues} values`);
  }
}

/** What an answer with one item may have beside it is counted as so many items. */
const FEW_ITEMS = 16;

type Names = (string | undefined)[];

/**
 * What an item must show of what the call named, by the parameter that named it. The array, or a
 * proxy before it, may have left the parameter out: then it answers with the first object that it
 * has, and that would be destroyed in place of another.
 */
const NAMED_BY: Record<string, (item: unknown) => Names> = {
  names: (item) => [nameIn(item)],
  names_or_owner_names: (item) => [nameIn(item), nameIn(item, "owner"), nameIn(item, "source")],
  source_names: (item) => [nameIn(item, "source") ?? nameIn(item, "owner")],
  volume_names: (item) => [nameIn(item, "volume")],
  host_names: (item) => [nameIn(item, "host")],
  host_group_names: (item) => [nameIn(item, "host_group")],
  resource_names: (item) => [nameIn(item, "resource")],
  group_names: (item) => [nameIn(item, "group")],
  member_names: (item) => [nameIn(item, "member")],
};

/** Throws for an item that is about another object than the query names. Names have no case. */
function refuseStranger(item: unknown, query: Query = {}): void {
  for (const [key, value] of Object.entries(query)) {
    const shown = NAMED_BY[key]?.(item);
    if (shown === undefined || value === undefined) continue;
    const asked = new Set([value].flat().map((one) => nameKey(String(one))));
    if (shown.some((one) => one !== undefined && asked.has(nameKey(one)))) continue;
    const found = shown.find((one) => one !== undefined);
    throw new ShapeFault(
      `it is about ${found === undefined ? "an object without a name" : shownName(found)}, and ` +
        `${[...asked].slice(0, SHOWN_NAMES).map(shownName).join(", ")} was asked for`,
    );
  }
}

/** Names of a call that a refusal shows. */
const SHOWN_NAMES = 3;

function shownName(name: string): string {
  return foreignText(name, REST_LIMITS.arrayNameChars.value);
}

/** `name` of the item, or of the reference that it has under `key`. */
function nameIn(item: unknown, key?: string): string | undefined {
  const holder = key === undefined ? item : memberOf(item, key);
  const name = memberOf(holder, "name");
  return typeof name === "string" ? name : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
