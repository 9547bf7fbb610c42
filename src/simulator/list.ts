import { type Answer, type Call, count, csv, flag } from "./call.ts";
import { parseFilter, type Row } from "./filter.ts";
import { refused, RestError } from "./rest_error.ts";

/** How one kind of array pages. */
export interface ListStyle {
  /** Items of a page at most, also when `limit` is larger or absent. */
  pageMax: number;
  /** FlashArray: `more_items_remaining` in the body. FlashBlade has none. */
  moreItemsRemaining: boolean;
  /** FlashBlade: `total_item_count` is a number on every GET; FlashArray: null unless asked for. */
  alwaysCounts: boolean;
  /** First REST 2.N with `allow_errors`: what is there is listed beside what is wrong, as 207. */
  allowsErrorsSince: number;
}

/** The sums of a list. */
interface Totals<T> {
  /** True: also when the call does not ask for `total_only`. */
  always: boolean;
  of: (items: T[]) => Row;
  /** True: `total` is one object and no list. */
  asObject?: boolean;
}

/** The objects that a list call is about. `T` is the stored form, a Row what goes over the wire. */
export interface Listed<T> {
  /** As it stands in messages: `Volume`. */
  what: string;
  all: () => Iterable<T>;
  /** The object of that name, for `names=`; absent when the resource has no names. */
  byName?: (name: string) => T | undefined;
  byId?: (id: string) => T | undefined;
  /** Default order and place of a continuation token: unique and unchanging, such as the name. */
  keyOf: (item: T) => string;
  destroyed?: (item: T) => boolean;
  /** Several rows of one object, such as samples of several times; absent: it is its own row. */
  expand?: (item: T) => T[];
  render: (item: T) => Row;
  /** What a filter may name besides the fields that are shown. */
  searched?: (item: T) => Row;
  /** One row of sums over all that matched. */
  total?: Totals<T>;
  /** Message for a name that is not there; default `<what> does not exist.` */
  missing?: string;
}

/** Items of a PATCH, POST or per-name GET answer. */
export function items(rows: Row[]): Answer {
  return { body: { items: rows } };
}

/**
 * The named objects, in the order of the names; RestError 400 with the name as context for the
 * first that is not there, or not in the state that `destroyed` asks for; with `errors` it is put
 * there, and the others are given. `undefined` when the call names none.
 */
export function named<T>(
  call: Call,
  listed: Listed<T>,
  errors?: RestError[],
): T[] | undefined {
  const names = listed.byName === undefined ? undefined : csv(call.query, "names");
  const ids = listed.byId === undefined ? undefined : csv(call.query, "ids");
  if (names !== undefined && ids !== undefined) {
    throw refused("names and ids cannot be used together.");
  }
  const wanted = names ?? ids;
  if (wanted === undefined) return undefined;
  const read = names !== undefined ? listed.byName : listed.byId;
  const state = listed.destroyed === undefined ? undefined : flag(call.query, "destroyed");
  const one = (text: string): T => {
    const item = read?.(text);
    if (item === undefined) throw refused(listed.missing ?? `${listed.what} does not exist.`, text);
    const isDestroyed = listed.destroyed?.(item);
    if (state === false && isDestroyed) throw refused(`${listed.what} has been destroyed.`, text);
    if (state === true && !isDestroyed) {
      throw refused(listed.missing ?? `${listed.what} does not exist.`, text);
    }
    return item;
  };
  return wanted.flatMap((text) => {
    try {
      return [one(text)];
    } catch (error) {
      if (errors === undefined || !(error instanceof RestError)) throw error;
      errors.push(error);
      return [];
    }
  });
}

function selected<T>(call: Call, listed: Listed<T>, errors: RestError[] | undefined): T[] {
  const byName = named(call, listed, errors);
  if (byName !== undefined) return byName;
  const state = listed.destroyed === undefined ? undefined : flag(call.query, "destroyed");
  const found = [...listed.all()];
  return state === undefined ? found : found.filter((item) => listed.destroyed?.(item) === state);
}

function filtered<T>(found: T[], source: string, { render, searched }: Listed<T>): T[] {
  const { matches, fields } = parseFilter(source);
  const [first] = found;
  if (first === undefined) return found;
  // Over the row and not copied into it: what is costly to show is computed when it is read.
  const rowOf = (item: T): Row => Object.assign(Object.create(render(item)), searched?.(item));
  const known = rowOf(first);
  const unknown = fields.find((field) => !(field in known));
  if (unknown !== undefined) throw refused(`Invalid filter: no field ${unknown}.`, source);
  return found.filter((item) => matches(rowOf(item)));
}

function valueAt(row: Row, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (value, step) =>
      typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined,
    row,
  );
}

function compare(left: unknown, right: unknown): number {
  if (typeof left === "number" && typeof right === "number") return left - right;
  const [a, b] = [String(left ?? ""), String(right ?? "")];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `sort=size-,name`: descending by a trailing minus. */
function sorted<T>(found: T[], sort: string[], render: (item: T) => Row): T[] {
  const keys = sort.map((key) => {
    const field = /^([a-z_]+(?:\.[a-z_]+)*)(-?)$/.exec(key);
    if (field === null) throw refused("Invalid value for sort.", key);
    return { path: field[1] ?? "", sign: field[2] === "-" ? -1 : 1 };
  });
  const [first] = found;
  const known = first === undefined ? undefined : render(first);
  const unknown = known && keys.find(({ path }) => !((path.split(".")[0] ?? "") in known));
  if (unknown !== undefined) throw refused("Invalid value for sort.", unknown.path);
  return found.map((item) => ({ item, row: render(item) })).sort((left, right) => {
    for (const { path, sign } of keys) {
      const by = compare(valueAt(left.row, path), valueAt(right.row, path));
      if (by !== 0) return by * sign;
    }
    return 0;
  }).map(({ item }) => item);
}

function encodeToken(key: string): string {
  return new TextEncoder().encode(JSON.stringify([key])).toBase64();
}

function decodeToken(token: string): string {
  try {
    const [key]: unknown[] = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(token)));
    if (typeof key === "string") return key;
  } catch {
    // falls through: not one of ours
  }
  throw refused("Invalid continuation token.", token);
}

function from<T>(call: Call, listed: Listed<T>, found: T[]): T[] {
  const token = call.query.get("continuation_token");
  if (token) {
    const after = decodeToken(token);
    const start = found.findIndex((item) => listed.keyOf(item) > after);
    return start < 0 ? [] : found.slice(start);
  }
  return found.slice(count(call.query, "offset") ?? 0);
}

/**
 * The answer of a GET on a collection: selection by names, ids, destroyed and filter, order, count
 * and page. A token is given only in the default order. The caller passes `store.stale` reading by
 * wrapping `all`.
 */
export function listAnswer<T>(call: Call, listed: Listed<T>, style: ListStyle): Answer {
  const sort = csv(call.query, "sort");
  const errors: RestError[] | undefined =
    call.minor >= style.allowsErrorsSince && flag(call.query, "allow_errors") === true
      ? []
      : undefined;
  const { expand } = listed;
  let found = selected(call, listed, errors);
  if (expand !== undefined) found = found.flatMap((item) => expand(item));
  // All of several filters must match.
  for (const filter of call.query.getAll("filter").filter((text) => text !== "")) {
    found = filtered(found, filter, listed);
  }
  if (sort !== undefined) found = sorted(found, sort, listed.render);
  else if (found.length > 1) {
    found = found.map((item) => ({ item, key: listed.keyOf(item) })).sort((a, b) =>
      compare(a.key, b.key)
    ).map(({ item }) => item);
  }

  const rest = from(call, listed, found);
  const totalOnly = flag(call.query, "total_only") === true;
  const limit = Math.min(count(call.query, "limit") ?? style.pageMax, style.pageMax);
  const page = totalOnly ? [] : rest.slice(0, limit);
  const more = !totalOnly && rest.length > page.length;
  const last = page.at(-1);
  const token = more && last !== undefined && sort === undefined
    ? encodeToken(listed.keyOf(last))
    : null;
  const counts = style.alwaysCounts || flag(call.query, "total_item_count") === true || limit === 0;
  const total = listed.total !== undefined && (listed.total.always || totalOnly)
    ? listed.total.of(found)
    : undefined;
  return {
    ...(errors && errors.length > 0 ? { status: 207 } : {}),
    body: {
      ...(errors && errors.length > 0
        ? { errors: errors.map(({ context, message }) => ({ context, message })) }
        : {}),
      continuation_token: token,
      ...(style.moreItemsRemaining ? { more_items_remaining: more } : {}),
      total_item_count: counts ? found.length : null,
      items: page.map(listed.render),
      ...(total === undefined
        ? totalOnly ? { total: [] } : {}
        : { total: listed.total?.asObject ? total : [total] }),
    },
    headers: token === null ? undefined : { "x-next-token": token },
  };
}
