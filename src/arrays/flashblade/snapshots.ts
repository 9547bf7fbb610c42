import { PsoError } from "../../errors.ts";
import type { Page, Snapshot, SnapshotListOptions } from "../array.ts";
import { isRefusal } from "../rest/refusals.ts";
import {
  type ArrayContext,
  NamedObjects,
  nameFilter,
  type Resource,
  SNAPSHOTS_SEEN,
} from "../rest/named_objects.ts";
import { fileSnapshotOf, type FileSystemSnapshotItem, isPassing, isScheduled } from "./wire.ts";

/** The resource of snapshots; looked up also by the name of their file system. */
export const FILE_SYSTEM_SNAPSHOTS: Resource = {
  path: "file-system-snapshots",
  noun: "snapshot",
  nameKey: "names_or_owner_names",
  recovery: () => "recover it there, or eradicate it to free the name (its data is lost then)",
};

/** The snapshots of file systems on one FlashBlade, as StorageArray has them. */
export class FileSystemSnapshots {
  readonly #context: ArrayContext;
  readonly #items: NamedObjects<FileSystemSnapshotItem>;

  constructor(context: ArrayContext) {
    this.#context = context;
    this.#items = new NamedObjects(context, FILE_SYSTEM_SNAPSHOTS);
  }

  /** As StorageArray.findSnapshot. */
  async find(name: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    const item = await this.#items.find(name, { signal });
    return item && fileSnapshotOf(item);
  }

  /** As StorageArray.createSnapshot. */
  async create(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot> {
    const name = `${volume}.${suffix}`;
    // Without a source the array takes a snapshot of every file system that it has.
    if (volume === "") throw new PsoError("invalid", `snapshot ${name} names no file system`);
    const query = { source_names: volume };
    const call = {
      method: "POST",
      path: FILE_SYSTEM_SNAPSHOTS.path,
      query,
      body: { suffix },
      signal,
    } as const;
    let item: FileSystemSnapshotItem | undefined;
    try {
      item = (await this.#context.rest.call<FileSystemSnapshotItem>(call)).items[0];
    } catch (error) {
      const missing = `file system ${volume}`;
      item = await this.#items.afterRefusedCreate(name, { error, missing, signal });
    }
    if (item) return fileSnapshotOf(item);
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
      names_or_owner_names: options.volume,
    };
    try {
      const call = { path: FILE_SYSTEM_SNAPSHOTS.path, query, signal };
      const page = await this.#context.rest.page<FileSystemSnapshotItem>(call, options);
      const items = page.items.filter((item) => !isPassing(item));
      return { ...page, items: items.map(fileSnapshotOf) };
    } catch (error) {
      const isVolumeGone = options.volume !== undefined && isRefusal(error, "missing", "destroyed");
      if (isVolumeGone) return { items: [] };
      throw error;
    }
  }

  /**
   * The first few snapshots of the file system that somebody asked for. Those of schedules, and the
   * one that only stands between a file system and its clone, do not keep it from being deleted.
   */
  async keptOf(volume: string, signal?: AbortSignal): Promise<FileSystemSnapshotItem[]> {
    return await this.#items.firstFew(
      { names_or_owner_names: volume, destroyed: false },
      (item) => !isScheduled(item) && !isPassing(item),
      { limit: SNAPSHOTS_SEEN, signal },
    );
  }
}
