import { isNeverFinal, PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import type { Page, VolumeListOptions } from "../array.ts";
import type { Eradication } from "../delete_options.ts";
import type { RestClient } from "./client.ts";
import { eradicate } from "./eradication.ts";
import { filterText, type Query } from "./query.ts";
import { isRefusal, mayBeAboutName, type RestError, unclearRefusal } from "./refusals.ts";
import type { Lane } from "./limiter.ts";
import { itemsByName, Lookups } from "./lookups/lookups.ts";
import { REST_LIMITS } from "./limits.ts";
import { name, type Reader, record, text } from "./shape.ts";
import { baseNameOf, nameKey } from "../../names.ts";

/** One array, as the code of its resources sees it. */
export interface ArrayContext {
  rest: RestClient;
  /** What messages call the array. */
  label: () => string;
}

/** A reference inside an item; where nothing is referred to, its members are null. */
export interface Reference {
  id?: string | null;
  name?: string | null;
}

/** A Reference as arrays write it: an empty name is none. */
export const reference: Reader<Reference> = record({
  id: text(),
  name: (value, at) => value === "" ? "" : name(value, at),
});

/** One resource of the REST whose objects have names and can be destroyed and recovered. */
export interface Resource<T> {
  /** `volumes` */
  path: string;
  /** What messages call one object: `volume`. */
  noun: string;
  /** The query parameter that finds an object by its name. */
  nameKey: "names" | "names_or_owner_names";
  /** What each object must be. */
  item: Reader<T>;
  /** Before the name there may stand a pod (`pod::`) or a volume group (`group/`). */
  isContained?: boolean;
  /** What to do about a destroyed object that still holds its name; completes a sentence. */
  recovery: (name: string) => string;
  /**
   * So many objects that are looked for at once are looked up in one call at most: as many as an
   * answer of that many objects is surely read. Absent: each has a call of its own.
   */
  together?: number;
}

/** How an object is looked up. */
export interface Lookup {
  signal?: AbortSignal;
  /** Also an object that is destroyed and not eradicated yet. */
  destroyed?: boolean;
  lane?: Lane;
}

/** What is known of a create that the array refused. */
interface RefusedCreate {
  error: unknown;
  /** What the object is made from, for `not_found` when that is what the array misses. */
  missing?: string;
  signal?: AbortSignal;
}

/** How a destroy is sent. */
interface DestroyOptions<T> {
  /** The id of the object that was looked at before. */
  id?: string;
  /** Sent with `destroyed: true`. */
  changes?: Record<string, unknown>;
  /** Judges the live object that the array refused to destroy; may throw what says it better. */
  onRefused?: (item: T) => Promise<void>;
  /** What this call destroyed is eradicated after it. */
  eradication?: Eradication;
  signal?: AbortSignal;
}

/** Which names a list is about: these, else those with this `base`, else those that begin so. */
interface AskedNames {
  prefix?: string;
  names?: readonly string[];
  /** The whole name behind pod and volume group. */
  base?: string;
}

/**
 * A query's `filter` for the names that are asked for; undefined for all. Where names may begin with
 * a pod or volume group, the prefix is that of what comes after these.
 */
export function nameFilter(
  { prefix, names, base }: AskedNames,
  { isContained = false }: Pick<Resource<unknown>, "isContained"> = {},
): string | undefined {
  const anyOf = (texts: readonly string[]) =>
    texts.map((text) => `name=${filterText(text)}`).join(" or ");
  if (names) return anyOf(names);
  const begin = base ?? (prefix ? `${prefix}*` : undefined);
  if (begin === undefined) return undefined;
  return anyOf(isContained ? [begin, `*::${begin}`, `*/${begin}`] : [begin]);
}

/**
 * Whether an object is one that `nameFilter` asks for. An array, or a proxy before it, may not know
 * the filter: a volume that is not this cluster's must not be listed as its own.
 */
export function isAskedFor(
  { name = "" }: { name?: string },
  { prefix = "", names, base }: AskedNames,
): boolean {
  const key = nameKey(name);
  if (names) return names.some((one) => nameKey(one) === key);
  const own = baseNameOf(key);
  if (base !== undefined) return own === nameKey(base);
  return key.startsWith(nameKey(prefix)) || own.startsWith(nameKey(prefix));
}

/**
 * The objects of one resource, as both kinds of array treat them alike. What is there decides, and
 * of the texts of refusals only those that are known to say "gone": texts differ between Purity
 * releases.
 */
export class NamedObjects<T extends { id?: string; name?: string; destroyed?: boolean }> {
  readonly #context: ArrayContext;
  readonly #resource: Resource<T>;
  /** By lane: what is to be attached must not wait for others. */
  readonly #lookups: Record<Lane, Lookups<T[]>>;

  constructor(context: ArrayContext, resource: Resource<T>) {
    this.#context = context;
    this.#resource = resource;
    const lookups = (lane: Lane) =>
      new Lookups({
        path: resource.path,
        label: context.label,
        most: resource.together,
        one: (name, signal) => this.#named(name, { lane, signal }),
        many: (names, signal) => this.#several(names, { lane, signal }),
      });
    this.#lookups = { attach: lookups("attach"), provision: lookups("provision") };
  }

  /**
   * The live object of that name; with `destroyed`, also one that is destroyed. One call at most.
   * `unavailable` when the array refuses in words that do not say that the object is gone: a volume
   * in a demoted pod is not gone, and a delete must not take it for that.
   */
  async find(name: string, lookup: Lookup = {}): Promise<T | undefined> {
    const { signal, destroyed, lane = "provision" } = lookup;
    const items = this.#resource.together
      ? await this.#lookups[lane].of(name, signal)
      : await this.#named(name, { lane, signal });
    return items.find((item) => !item.destroyed) ?? (destroyed ? items[0] : undefined);
  }

  /** What bears the name, also when it is destroyed; nothing when it is gone. */
  async #named(name: string, { lane, signal }: Lookup): Promise<T[]> {
    const { path, nameKey, item: reader } = this.#resource;
    // Destroyed ones are asked for too: an item says that it is destroyed in the same way with
    // every release, and a refusal does not.
    const query = { [nameKey]: name };
    try {
      const call = { method: "GET", path, query, item: reader, lane, signal } as const;
      return (await this.#context.rest.call<T>(call)).items;
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return [];
      throw mayBeAboutName(error) ? this.#unclear(name, error) : error;
    }
  }

  /** What bears each of the names; without those that the array says nothing of. */
  async #several(names: readonly string[], { lane, signal }: Lookup): Promise<Map<string, T[]>> {
    const { path, nameKey, item: reader } = this.#resource;
    const query = { [nameKey]: [...names] };
    const call = { method: "GET", path, query, item: reader, lane, signal } as const;
    const { items } = await this.#context.rest.call<T>(call);
    const found = itemsByName(names, items, ({ name }) => name);
    return new Map([...found].filter(([, ofName]) => ofName.length > 0));
  }

  #unclear(name: string, cause: RestError): PsoError {
    return new PsoError(
      "unavailable",
      `${cause.message}; this does not say whether ${this.#resource.noun} ${name} is there: look ` +
        "at it on the array",
      { cause },
    );
  }

  /** As `find` for live objects, and `not_found` when there is none. */
  async need(name: string, lookup: { signal?: AbortSignal; cause?: unknown }): Promise<T> {
    return await this.find(name, lookup) ?? this.#missing(name, lookup.cause);
  }

  #missing(name: string, cause?: unknown): never {
    throw new PsoError(
      "not_found",
      `${this.#resource.noun} ${name} is not on array ${this.#context.label()}`,
      cause === undefined ? undefined : { cause },
    );
  }

  /**
   * The object that bears the name already, after the array refused to create it. `conflict` when a
   * destroyed object holds the name, `not_found` when what the object is made from is missing, else
   * the array's own error.
   */
  async afterRefusedCreate(name: string, refused: RefusedCreate): Promise<T> {
    const { error, missing, signal } = refused;
    if (!mayBeAboutName(error)) throw error;
    const item = await this.find(name, { signal, destroyed: true });
    if (item && !item.destroyed) return item;
    if (item) {
      const { noun, recovery } = this.#resource;
      throw new PsoError(
        "conflict",
        `${noun} ${name} on array ${this.#context.label()} was destroyed and still holds its ` +
          `name: ${recovery(name)}`,
        { cause: error },
      );
    }
    if (isNeverFinal(error)) throw error;
    if (missing !== undefined && isRefusal(error, "missing", "destroyed")) {
      const message = `${missing} is not on array ${this.#context.label()}`;
      throw new PsoError("not_found", message, { cause: error });
    }
    // It says of the call itself why nothing was made; other words fit no create whose object is
    // not there.
    throw isRefusal(error, "missing", "range") ? error : unclearRefusal(error);
  }

  /**
   * `unavailable` when the array answered a create with success and no object: it may exist, and
   * the next attempt looks.
   */
  returnedNothing(name: string): PsoError {
    return new PsoError(
      "unavailable",
      `array ${this.#context.label()} created ${this.#resource.noun} ${name} and returned ` +
        "nothing; try again",
    );
  }

  /**
   * Destroys the object. True when this call did it, false when it was gone or destroyed already:
   * after a refusal the object is read, unless the refusal can be about nothing else.
   */
  async destroy(
    name: string,
    { id, changes, onRefused, eradication, signal }: DestroyOptions<T> = {},
  ): Promise<boolean> {
    const query = { names: name };
    const body = { ...changes, destroyed: true };
    const { path, item } = this.#resource;
    try {
      const call = { method: "PATCH", path, query, body, item, signal } as const;
      const [destroyed] = (await this.#context.rest.call<T>(call)).items;
      this.#refuseOther(name, { wanted: id, found: destroyed?.id });
      if (eradication) {
        const what = `${this.#resource.noun} ${name} on array ${this.#context.label()}`;
        const { rest } = this.#context;
        await eradicate(rest, { path, what, destroyed, signal, ...eradication });
      }
      return true;
    } catch (error) {
      // With `changes`, something that they name may be what is missing.
      if (!changes && isRefusal(error, "missing", "destroyed")) return false;
      if (!mayBeAboutName(error)) throw error;
      const item = await this.find(name, { signal, destroyed: true });
      if (!item || item.destroyed) return false;
      await onRefused?.(item);
      throw error;
    }
  }

  /** The destroyed objects that `options` asks for, one page. */
  async listDestroyed(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<T>> {
    const { path, item } = this.#resource;
    const filter = nameFilter(options, this.#resource);
    const call = { path, item, query: { destroyed: true, filter }, signal };
    const page = await this.#context.rest.page<T>(call, options);
    const items = page.items.filter((one) => one.destroyed === true && isAskedFor(one, options));
    return { ...page, items };
  }

  /**
   * Makes the destroyed object of that id live again; one that is live already is given as it is.
   * `conflict` when another live object has its name, `not_found` when it is gone.
   */
  async recover(
    { id, name }: { id: string; name: string },
    signal?: AbortSignal,
  ): Promise<T> {
    const { path, item, noun } = this.#resource;
    const found = await this.find(name, { signal, destroyed: true });
    const shown = `${noun} ${name} on array ${this.#context.label()}`;
    if (found?.id !== id) this.#refuseRecovery(shown, { id, found });
    if (found.destroyed !== true) return found;
    const call = { method: "PATCH", path, query: { ids: id }, body: { destroyed: false } } as const;
    const [back] = (await this.#context.rest.call<T>({ ...call, item, signal })).items;
    if (back?.id === id && back.destroyed === false) return back;
    throw new PsoError(
      "unavailable",
      `${shown} was to be recovered, and the array does not say that it was: look at it there`,
    );
  }

  #refuseRecovery(shown: string, { id, found }: { id: string; found: T | undefined }): never {
    if (found === undefined || found.destroyed === true) {
      throw new PsoError(
        "not_found",
        `${shown} with the id ${id} is not among the destroyed ones any more: it is eradicated`,
      );
    }
    throw new PsoError(
      "conflict",
      `${shown} is live and has the id ${found.id}, and the destroyed one has ${id}: rename the ` +
        "live one on the array if you need the other",
    );
  }

  /** `unavailable` when both ids are known and differ: the name came to mean another object. */
  #refuseOther(name: string, { wanted, found }: { wanted?: string; found?: string }): void {
    if (wanted === undefined || found === undefined || wanted === found) return;
    const shown = (id: string) => foreignText(id, REST_LIMITS.arrayNameChars.value);
    throw new PsoError(
      "unavailable",
      `array ${this.#context.label()} destroyed another ${this.#resource.noun} than was looked ` +
        `at: ${name} has the id ${shown(found)}, and it had ${shown(wanted)}; look at both on ` +
        "the array, which can recover what was destroyed",
    );
  }

  /** The first objects that `query` gives and `counts` accepts; none when it names what is gone. */
  async firstFew(
    query: Query,
    counts: (item: T) => boolean,
    { limit, signal }: { limit: number; signal?: AbortSignal },
  ): Promise<T[]> {
    const found: T[] = [];
    try {
      const { path, item: reader } = this.#resource;
      for await (const item of this.#context.rest.all<T>({ path, query, item: reader, signal })) {
        if (counts(item)) found.push(item);
        if (found.length === limit) break;
      }
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
    return found;
  }
}

/** Snapshots named in a refusal; more are only said to exist. */
const NAMED_SNAPSHOTS = 3;

/**
 * `in_use` when the volume has snapshots: destroying it on the array would take them along.
 * `snapshots` are the first few that somebody asked for.
 */
export function refuseSnapshots(
  volume: string,
  snapshots: readonly { name?: string }[],
): void {
  if (snapshots.length === 0) return;
  const names = snapshots.slice(0, NAMED_SNAPSHOTS).map(({ name }) => name ?? "").join(", ");
  const more = snapshots.length > NAMED_SNAPSHOTS ? " and more" : "";
  throw new PsoError("in_use", `${volume} has snapshots: ${names}${more}; delete them first`);
}

/** How many snapshots refuseSnapshots() needs to see. */
export const SNAPSHOTS_SEEN = NAMED_SNAPSHOTS + 1;
