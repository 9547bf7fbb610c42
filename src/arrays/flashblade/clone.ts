import { createHash } from "node:crypto";
import { PsoError } from "../../errors.ts";
import type { CreateVolumeSpec } from "../array.ts";
import type { RestClient } from "../rest/client.ts";
import { isRefusal, mayBeAboutName } from "../rest/refusals.ts";
import { type ArrayContext, NamedObjects } from "../rest/named_objects.ts";
import { FILE_SYSTEM_SNAPSHOTS } from "./snapshots.ts";
import { type FileSystemItem, type FileSystemSnapshotItem, sourceOf } from "./wire.ts";

/**
 * First REST 2.N whose POST file-systems takes `include_snapshot`, the only way from a snapshot to
 * a new file system.
 */
export const CLONE_SINCE = 25;

/** What goes into POST and PATCH of a file system besides its source. */
export function settingsOf(spec: CreateVolumeSpec): Record<string, unknown> {
  return {
    provisioned: spec.sizeBytes,
    hard_limit_enabled: true,
    nfs: { v3_enabled: true, v4_1_enabled: true, rules: spec.exportRules ?? "" },
    ...(spec.snapshotDirectory === undefined
      ? {}
      : { snapshot_directory_enabled: spec.snapshotDirectory }),
  };
}

/** `unsupported` when an array with REST 2.`minor` cannot make a file system from `source`. */
export function requireClone(minor: number, label: string, source: string): void {
  if (minor >= CLONE_SINCE) return;
  throw new PsoError(
    "unsupported",
    `array ${label} cannot make a file system from ${source}: that needs REST ` +
      `2.${CLONE_SINCE}, and it has 2.${minor}; update Purity//FB or choose a class on another ` +
      "array",
  );
}

/**
 * True while a clone is not yet what was asked for: at first it has the size and the rules of its
 * source.
 */
export function isUnfinished(item: FileSystemItem, spec: CreateVolumeSpec): boolean {
  return (item.provisioned ?? 0) < spec.sizeBytes || item.hard_limit_enabled !== true ||
    item.nfs?.v4_1_enabled !== true;
}

/** Whether the file system was made from what the spec names. */
export function isFromSource(item: FileSystemItem, spec: CreateVolumeSpec): boolean {
  if (spec.source === undefined) return false;
  const from = sourceOf(item);
  if ("volume" in spec.source) return from === spec.source.volume;
  return from === spec.source.snapshot || from === spec.source.snapshot.split(".")[0];
}

/**
 * The snapshot that stands between a file system and its clone, because an array clones snapshots
 * only. Its name is made from the clone's, so that a repetition finds its own.
 */
export class PassingSnapshot {
  readonly #rest: RestClient;
  readonly #items: NamedObjects<FileSystemSnapshotItem>;
  readonly #source: string;
  readonly #suffix: string;

  constructor(context: ArrayContext, options: { source: string; target: string }) {
    this.#rest = context.rest;
    this.#items = new NamedObjects(context, FILE_SYSTEM_SNAPSHOTS);
    this.#source = options.source;
    this.#suffix = `clone-${
      createHash("sha256").update(options.target).digest("hex").slice(0, 16)
    }`;
  }

  /** Its full name, `volume.suffix`. */
  get name(): string {
    return `${this.#source}.${this.#suffix}`;
  }

  /**
   * Takes the snapshot; one that is there already is left. A destroyed one of that name is older
   * than this clone and would be cloned in its place: it is eradicated first.
   */
  async make(signal?: AbortSignal): Promise<void> {
    try {
      await this.#create(signal);
    } catch (error) {
      if (!mayBeAboutName(error) || isRefusal(error, "missing")) throw error;
      const item = await this.#items.find(this.name, { signal, destroyed: true });
      if (!item) throw error;
      if (!item.destroyed) return;
      const query = { names: this.name };
      await this.#rest.call({ method: "DELETE", path: FILE_SYSTEM_SNAPSHOTS.path, query, signal });
      await this.#create(signal);
    }
  }

  /** Destroys the snapshot; gone already is success. */
  async drop(signal?: AbortSignal): Promise<void> {
    await this.#items.destroy(this.name, { signal });
  }

  async #create(signal?: AbortSignal): Promise<void> {
    const query = { source_names: this.#source };
    const body = { suffix: this.#suffix };
    const { path } = FILE_SYSTEM_SNAPSHOTS;
    await this.#rest.call({ method: "POST", path, query, body, signal });
  }
}
