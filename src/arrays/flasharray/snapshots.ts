import type { Page, Snapshot, SnapshotListOptions } from "../array.ts";
import { isRefusal } from "../rest/refusals.ts";
import {
  type ArrayContext,
  NamedObjects,
  nameFilter,
  type Resource,
  SNAPSHOTS_SEEN,
} from "../rest/named_objects.ts";
import { isOwnSnapshot, type SnapshotItem, snapshotOf } from "./wire.ts";

const SNAPSHOTS: Resource = {
  path: "volume-snapshots",
  noun: "snapshot",
  nameKey: "names",
  recovery: (name) =>
    `get it back with \`purevol recover ${name}\`, ` +
    `or free the name with \`purevol eradicate ${name}\` (its data is lost then)`,
};

/** The snapshots of volumes on one FlashArray, as StorageArray has them. */
export class VolumeSnapshots {
  readonly #context: ArrayContext;
  readonly #items: NamedObjects<SnapshotItem>;

  constructor(context: ArrayContext) {
    this.#context = context;
    this.#items = new NamedObjects(context, SNAPSHOTS);
  }

  /** As StorageArray.findSnapshot. */
  async find(name: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    const item = await this.#items.find(name, { signal });
    return item && snapshotOf(item);
  }

  /** As StorageArray.createSnapshot. */
  async create(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot> {
    const name = `${volume}.${suffix}`;
    const query = { source_names: volume };
    const call = { method: "POST", path: SNAPSHOTS.path, query, body: { suffix }, signal } as const;
    try {
      const item = (await this.#context.rest.call<SnapshotItem>(call)).items[0];
      if (item) return snapshotOf(item);
    } catch (error) {
      const missing = `volume ${volume}`;
      return snapshotOf(await this.#items.afterRefusedCreate(name, { error, missing, signal }));
    }
    throw this.#items.returnedNothing(name);
  }

  /** As StorageArray.deleteSnapshot. */
  async delete(name: string, signal?: AbortSignal): Promise<void> {
    await this.#items.destroy(name, { signal });
  }

  /** As StorageArray.listSnapshots. */
  async list(
    options: SnapshotListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Snapshot>> {
    const query = {
      destroyed: false,
      filter: nameFilter(options),
      source_names: options.volume,
    };
    try {
      const call = { path: SNAPSHOTS.path, query, signal };
      const page = await this.#context.rest.page<SnapshotItem>(call, options);
      return { ...page, items: page.items.filter(isOwnSnapshot).map(snapshotOf) };
    } catch (error) {
      const isVolumeGone = options.volume !== undefined && isRefusal(error, "missing", "destroyed");
      if (isVolumeGone) return { items: [] };
      throw error;
    }
  }

  /**
   * The first few snapshots of the volume that somebody asked for. Numbered ones and those of
   * protection groups belong to schedules and do not keep a volume from being deleted.
   */
  async keptOf(volume: string, signal?: AbortSignal): Promise<SnapshotItem[]> {
    const isNumbered = (item: SnapshotItem) => /^\d+$/.test(item.name?.split(".")[1] ?? "");
    return await this.#items.firstFew(
      { source_names: volume, destroyed: false },
      (item) => isOwnSnapshot(item) && !isNumbered(item),
      { limit: SNAPSHOTS_SEEN, signal },
    );
  }
}
