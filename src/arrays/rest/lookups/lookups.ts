import { Batches } from "../../../async/batches.ts";
import { noteWait } from "../../../async/waits.ts";
import { isPsoError } from "../../../errors.ts";
import { nameKey } from "../../../names.ts";
import { AnswerTooLargeError } from "../../../net/https.ts";
import { RestError } from "../refusals.ts";
import { ShapeFault } from "../shape.ts";
import { endOf } from "../unanswered.ts";

/** How objects of one resource are looked up by their names. */
interface LookupsOptions<T> {
  /** `volumes` */
  path: string;
  /** What messages call the array. */
  label: () => string;
  /** One name, for one caller. */
  one: (name: string, signal?: AbortSignal) => Promise<T>;
  /** Names that one call has at most; default `NAMES_PER_CALL`. */
  most?: number;
  /** Several names in one call; one that it leaves out is looked up alone. */
  many: (names: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, T>>;
}

/**
 * Names per call: an answer with as many objects as names may have 64 of them, and 32 names of the
 * length that this driver gives need 2 KiB of the URL.
 */
export const NAMES_PER_CALL = 32;

/**
 * Thrown by `many` when one call cannot serve all of its names, such as when an answer goes on for
 * pages: they are looked up in smaller parts then.
 */
export class TooMuchError extends Error {}

/**
 * Look-ups of one array by name. Those that many callers need at once go in one call; each caller
 * gets only what bears its own name. A call that the array refuses for what one of its names means
 * is taken apart, until only the caller of that name gets the refusal.
 */
export class Lookups<T> {
  readonly #options: LookupsOptions<T>;
  readonly #batches: Batches<T>;

  constructor(options: LookupsOptions<T>) {
    this.#options = options;
    const { one, many, most = NAMES_PER_CALL } = options;
    this.#batches = new Batches({ most, one, many, apart });
  }

  /** What the array shows of the name from now on. */
  async of(name: string, signal?: AbortSignal): Promise<T> {
    if (!signal) return await this.#batches.get(name);
    const { path, label } = this.#options;
    const method = "GET";
    const array = label();
    const waited = noteWait(signal, `array ${array} to answer ${method} ${path}`);
    try {
      return await this.#batches.get(name, signal);
    } catch (error) {
      // It left a read that goes on for others.
      if (!isPsoError(error, "timeout") || !signal.aborted) throw error;
      throw endOf({ method, path }, { array, error, last: undefined, signal });
    } finally {
      waited();
    }
  }
}

/** The items of an answer by the names that were asked for; names have no case. */
export function itemsByName<I>(
  names: readonly string[],
  items: readonly I[],
  nameOf: (item: I) => string | null | undefined,
): Map<string, I[]> {
  const byName = new Map(names.map((name): [string, I[]] => [name, []]));
  const byKey = new Map(names.map((name) => [nameKey(name), byName.get(name) ?? []]));
  for (const item of items) byKey.get(nameKey(nameOf(item) ?? ""))?.push(item);
  // Of two spellings of one name only the last one has the items: the other is looked up alone.
  for (const [name, found] of byName) {
    if (byKey.get(nameKey(name)) !== found) byName.delete(name);
  }
  return byName;
}

/**
 * The name that the array says it is about; else half of the names. `undefined` for trouble of the
 * array as a whole, which other names would meet too.
 */
function apart(error: unknown, names: readonly string[]): readonly string[] | undefined {
  if (!mayBeAboutSome(error)) return undefined;
  const context = error instanceof RestError ? nameKey(error.context) : "";
  const named = names.filter((name) => nameKey(name) === context);
  return named.length > 0 ? named : names.slice(0, names.length / 2);
}

/** Statuses of an array, or of who stands before it, that one of the names or their number explains. */
const ABOUT_SOME = [400, 413, 414, 431];

function mayBeAboutSome(error: unknown): boolean {
  if (error instanceof RestError) return ABOUT_SOME.includes(error.status);
  if (error instanceof AnswerTooLargeError || error instanceof TooMuchError) return true;
  // Of an answer that was not read whole, the others' part may be right.
  return error instanceof Error && error.cause instanceof ShapeFault;
}
