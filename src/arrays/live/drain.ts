import { withDeadline } from "../../async/wait.ts";
import { isOwnVolumeName, nameKey } from "../../names.ts";
import type { StorageArray } from "../array.ts";
import type { NameIndex } from "../name_index.ts";
import { NameListing } from "../name_listing.ts";
import { REST_LIMITS } from "../rest/limits.ts";

/** How long memory is believed of an array that was taken out, before it is listed again. */
const LOOK_MS = 600_000;

/** Whose volumes keep an array. */
interface DrainOptions {
  /** This cluster's: absent = every name. */
  cluster?: string;
  now: () => number;
}

/** An array that was taken out. */
interface DrainedArray {
  array: StorageArray;
  index: NameIndex;
  /** Names of volumes that the cluster may have there. */
  meant: readonly string[];
}

/**
 * The rest of an array's time after its entry was taken out of the configuration: until it holds
 * nothing of this cluster.
 */
export class Drain {
  readonly #cluster: string | undefined;
  readonly #now: () => number;
  #lookedMs: number;
  /** Names that the last look did not find. */
  #missing = new Set<string>();

  constructor({ cluster, now }: DrainOptions) {
    this.#cluster = cluster;
    this.#now = now;
    this.#lookedMs = now();
  }

  /** How many volumes keep the array: of this cluster, or used by it under another's name. */
  left(index: NameIndex): number {
    return index.count((name) => this.#keeps(name));
  }

  /**
   * Whether the array holds nothing more, by its own answer. It is asked when memory knows of
   * nothing, and else every ten minutes: a name that two looks in a row do not find is forgotten,
   * which a person destroyed, or which a create never made. Before the array goes it is asked for
   * what the cluster may mean there: a volume that came by a PersistentVolume has any name, and
   * nobody may have used it since this process began.
   */
  async isOver(
    { array, index, meant }: DrainedArray,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const isDue = this.#now() - this.#lookedMs >= LOOK_MS;
    if (this.left(index) > 0 && !isDue) return false;
    const there = await this.#namesOn(array, signal);
    const missing = new Set<string>();
    for (const name of index.names().filter((one) => this.#keeps(one) && !there.has(one))) {
      if (await this.#isThere(array, { name, signal })) continue;
      if (this.#missing.has(name)) index.remove(name);
      else missing.add(name);
    }
    this.#missing = missing;
    this.#lookedMs = this.#now();
    for (const name of there) if (this.#keeps(name)) index.add(name);
    if (this.left(index) > 0) return false;
    for (const name of meant) {
      // It was listed, or is not there.
      if (this.#cluster !== undefined && isOwnVolumeName(this.#cluster, name)) continue;
      if (await array.findVolume(name, { signal }) === undefined) continue;
      index.add(name);
      return false;
    }
    return true;
  }

  /** Names with the prefix that are of another form are another cluster's. */
  #keeps(name: string): boolean {
    return this.#cluster === undefined || !this.#isListed(name) ||
      isOwnVolumeName(this.#cluster, name);
  }

  /** A name that a listing by prefix shows. */
  #isListed(name: string): boolean {
    return this.#cluster === undefined || name.startsWith(nameKey(`${this.#cluster}-`));
  }

  /** A name that no listing shows is asked for: an imported volume, which somebody used. */
  async #isThere(
    array: StorageArray,
    { name, signal }: { name: string; signal?: AbortSignal },
  ): Promise<boolean> {
    return !this.#isListed(name) && await array.findVolume(name, { signal }) !== undefined;
  }

  async #namesOn(array: StorageArray, signal?: AbortSignal): Promise<Set<string>> {
    const names = new Set<string>();
    // Counts, so that a list without end is refused.
    const listing = new NameListing(array.label);
    const prefix = this.#cluster === undefined ? undefined : `${this.#cluster}-`;
    const limit = REST_LIMITS.pageItems.value;
    const wait = { timeoutMs: REST_LIMITS.listingMs.value, signal };
    await withDeadline(`the last look at array ${array.label}`, wait, async (within) => {
      let token: string | undefined;
      do {
        const { items, nextToken } = await array.listVolumes({ prefix, limit, token }, within);
        listing.add("volumes", items.map(({ name }) => name));
        for (const { name } of items) names.add(nameKey(name));
        token = nextToken;
      } while (token !== undefined);
    });
    return names;
  }
}
