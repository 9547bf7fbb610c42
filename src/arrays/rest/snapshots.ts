import { isOwnSnapshotSuffix, isOwnVolumeName } from "../../names.ts";
import type { DeleteScope, Page, Snapshot, SnapshotListOptions } from "../array.ts";
import { type OwnerTags, refuseNotOwn, refuseUntagged, RETAIN } from "../ownership.ts";
import {
  type ArrayContext,
  isAskedFor,
  NamedObjects,
  nameFilter,
  type Resource,
  SNAPSHOTS_SEEN,
} from "./named_objects.ts";
import { REST_LIMITS } from "./limits.ts";
import { itemsByName, Lookups, TooMuchError } from "./lookups/lookups.ts";
import { isRefusal } from "./refusals.ts";

/** What tells the snapshots of one kind of array from those of the other. */
export interface SnapshotKind<T> {
  resource: Resource<T>;
  /** The query parameter of a list that finds the snapshots of one volume. */
  ownerKey: "source_names" | "names_or_owner_names";
  /** What messages call the volume. */
  owner: string;
  shownOf: (item: T) => Snapshot;
  /** Whose a volume is by its tags, where the array has tags. */
  ownerOf?: (
    context: ArrayContext,
    volume: string,
    signal?: AbortSignal,
  ) => Promise<OwnerTags>;
  /** False for what lists leave out: it is nobody's to see. */
  isListed: (item: T) => boolean;
  /** False, of what is listed, for what a schedule made: it does not keep its volume from a delete. */
  isKept: (item: T) => boolean;
}

/** The snapshots on one array, as StorageArray has them. */
export class Snapshots<T extends { id?: string; name?: string; destroyed?: boolean }> {
  readonly #context: ArrayContext;
  readonly #kind: SnapshotKind<T>;
  readonly #items: NamedObjects<T>;
  /** Kept snapshots by their volume. */
  readonly #kept: Lookups<T[]>;

  constructor(context: ArrayContext, kind: SnapshotKind<T>) {
    this.#context = context;
    this.#kind = kind;
    this.#items = new NamedObjects(context, kind.resource);
    this.#kept = new Lookups({
      path: kind.resource.path,
      label: context.label,
      most: kind.resource.together,
      one: (volume, signal) => this.#keptOfOne(volume, signal),
      many: (volumes, signal) => this.#keptOfMany(volumes, signal),
    });
  }

  /** As StorageArray.findSnapshot. */
  async find(name: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    const item = await this.#items.find(name, { signal });
    return item && this.#kind.shownOf(item);
  }

  /**
   * As StorageArray.createSnapshot. The volume is always named: without one, a FlashBlade takes a
   * snapshot of every file system that it has.
   */
  async create(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot> {
    const { resource: { path, item: reader }, owner, shownOf } = this.#kind;
    const name = `${volume}.${suffix}`;
    const query = { source_names: volume };
    const body = { suffix };
    const call = { method: "POST", path, query, body, item: reader, signal } as const;
    try {
      const item = (await this.#context.rest.call<T>(call)).items[0];
      if (item && isAskedFor(item, { names: [name] })) return shownOf(item);
    } catch (error) {
      const missing = `${owner} ${volume}`;
      return shownOf(await this.#items.afterRefusedCreate(name, { error, missing, signal }));
    }
    throw this.#items.returnedNothing(name);
  }

  /**
   * As StorageArray.deleteSnapshot. A snapshot is the cluster's by its suffix, whosever its volume
   * is; without such a suffix, the tag of the volume tells whose it is.
   */
  async delete(
    name: string,
    { cluster, rights, onlyTagged, eradication, signal }: DeleteScope = {},
  ): Promise<void> {
    const dot = name.lastIndexOf(".");
    const isOwn = isOwnSnapshotSuffix(name.slice(dot + 1));
    const isDoubtful = rights && !isOwn;
    const volume = name.slice(0, dot);
    const isOfOwn = isOwnVolumeName(cluster, volume);
    if (onlyTagged || isDoubtful) {
      const owner = !onlyTagged && isOfOwn
        ? undefined
        : await this.#kind.ownerOf?.(this.#context, volume, signal);
      const shown = `snapshot ${name} on array ${this.#context.label()}`;
      const judged = { shown, cluster, owner, rights, otherwise: RETAIN.snapshot };
      if (onlyTagged) refuseUntagged(judged);
      if (isDoubtful) refuseNotOwn(judged);
    }
    // What cannot be had back is more than a delete: a suffix alone, which other clusters and people
    // give too, is no proof for it.
    const isKept = onlyTagged || !isOwn || !isOfOwn;
    await this.#items.destroy(name, { eradication: isKept ? undefined : eradication, signal });
  }

  /** As StorageArray.listSnapshots. */
  async list(options: SnapshotListOptions, signal?: AbortSignal): Promise<Page<Snapshot>> {
    const { resource, ownerKey, isListed, shownOf } = this.#kind;
    const { path, item } = resource;
    const { volume } = options;
    const query = { destroyed: false, filter: nameFilter(options, resource), [ownerKey]: volume };
    try {
      const page = await this.#context.rest.page<T>({ path, query, item, signal }, options);
      const asked = page.items.filter((one) => isAskedFor(one, options) && isListed(one));
      return { ...page, items: asked.map(shownOf) };
    } catch (error) {
      if (volume !== undefined && isRefusal(error, "missing", "destroyed")) return { items: [] };
      throw error;
    }
  }

  /** The first few snapshots of the volume that somebody asked for: they keep it from a delete. */
  async keptOf(volume: string, signal?: AbortSignal): Promise<T[]> {
    return this.#kind.resource.together
      ? await this.#kept.of(volume, signal)
      : await this.#keptOfOne(volume, signal);
  }

  async #keptOfOne(volume: string, signal?: AbortSignal): Promise<T[]> {
    const { ownerKey } = this.#kind;
    return await this.#items.firstFew(
      { [ownerKey]: volume, destroyed: false },
      (item) => this.#keeps(item),
      { limit: SNAPSHOTS_SEEN, signal },
    );
  }

  /** The same for several volumes that have no more than a page of snapshots all together. */
  async #keptOfMany(volumes: readonly string[], signal: AbortSignal): Promise<Map<string, T[]>> {
    const { resource: { path, item }, ownerKey, shownOf } = this.#kind;
    const query = { [ownerKey]: [...volumes], destroyed: false };
    const limit = REST_LIMITS.pageItems.value;
    const page = await this.#context.rest.page<T>({ path, query, item, signal }, { limit });
    if (page.nextToken !== undefined) throw new TooMuchError("more snapshots than one page has");
    const kept = page.items.filter((one) => this.#keeps(one));
    return itemsByName(volumes, kept, (one) => shownOf(one).volume);
  }

  #keeps(item: T): boolean {
    const { isListed, isKept } = this.#kind;
    return isListed(item) && isKept(item);
  }
}
