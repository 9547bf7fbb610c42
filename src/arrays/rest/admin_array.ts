import type { Page, StorageArray, Volume, VolumeListOptions } from "../array.ts";

/** A volume that was destroyed and is not eradicated yet. */
export interface DestroyedVolume {
  /** The array's own id of it: the name may come to mean another one. */
  id: string;
  name: string;
  sizeBytes: number;
  createdMs: number;
  /** As `Volume.serial`. */
  serial?: string;
  /** Until the array eradicates it by itself; absent when it does not say. */
  remainingMs?: number;
}

/** An array as an administrator's commands see it: what the controller does not ask comes with it. */
export interface AdminArray extends StorageArray {
  /** Volumes that are destroyed and not eradicated yet; `hosts` is not heeded. One call. */
  listDestroyed(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<DestroyedVolume>>;
  /**
   * All tags of these destroyed volumes, by the volume's name in lower case; what is eradicated by
   * now has none. A FlashBlade has no tags. One call for 100 volumes.
   */
  destroyedTags(
    volumes: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>>;
  /**
   * Makes a destroyed volume live again, by its id; one that is live already is returned as it is.
   * `conflict` when another live volume has its name, `not_found` when it is eradicated. It is
   * connected to no host (block), and served to whom its rules let in (file).
   */
  recoverVolume(
    volume: Pick<DestroyedVolume, "id" | "name">,
    signal?: AbortSignal,
  ): Promise<Volume>;
}
