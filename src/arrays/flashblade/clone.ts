import { createHash } from "node:crypto";
import { PsoError } from "../../errors.ts";
import type { CreateVolumeSpec } from "../array.ts";
import { type FileSystemItem, type FileSystemSnapshotItem, sourceOf } from "./wire.ts";
import type { RestClient } from "../rest/client.ts";
import { isRefusal, RestError } from "../rest/errors.ts";

/**
 * First REST 2.N with `include_snapshot`: the only way to a new file system from a snapshot
 * (reference arrays B2, B6).
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

/** `unsupported` below REST 2.25. */
export function requireClone(minor: number, label: string, source: string): void {
  if (minor >= CLONE_SINCE) return;
  throw new PsoError(
    "unsupported",
    `array ${label} cannot make a file system from ${source}: that needs REST 2.${CLONE_SINCE}, and it has 2.${minor}; update Purity//FB ` +
      `or choose a class on another array`,
  );
}

/**
 * True while a clone is not yet what was asked for: it has its source's size and rules at first.
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
 * The snapshot that stands between a file system and its clone; one per target name, so that a
 * repetition finds its own.
 */
export class PassingSnapshot {
  readonly #rest: RestClient;
  readonly #source: string;
  readonly #suffix: string;

  constructor(rest: RestClient, options: { source: string; target: string }) {
    this.#rest = rest;
    this.#source = options.source;
    this.#suffix = `clone-${
      createHash("sha256").update(options.target).digest("hex").slice(0, 16)
    }`;
  }

  get name(): string {
    return `${this.#source}.${this.#suffix}`;
  }

  /**
   * Present afterwards. One that was destroyed before is older than this clone: it is eradicated
   * first.
   */
  async make(signal?: AbortSignal): Promise<void> {
    try {
      await this.#create(signal);
    } catch (error) {
      if (
        !(error instanceof RestError) || error.status !== 400 ||
        isRefusal(error, "missing", "limit", "space")
      ) throw error;
      const query = { names_or_owner_names: this.name };
      const item = (await this.#rest.call<FileSystemSnapshotItem>({
        method: "GET",
        path: "file-system-snapshots",
        query,
        signal,
      })).items[0];
      if (item && !item.destroyed) return;
      if (!item) throw error;
      await this.#rest.call({
        method: "DELETE",
        path: "file-system-snapshots",
        query: { names: this.name },
        signal,
      });
      await this.#create(signal);
    }
  }

  /** Destroyed afterwards; gone already is success. */
  async drop(signal?: AbortSignal): Promise<void> {
    try {
      const query = { names: this.name };
      await this.#rest.call({
        method: "PATCH",
        path: "file-system-snapshots",
        query,
        body: { destroyed: true },
        signal,
      });
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
  }

  async #create(signal?: AbortSignal): Promise<void> {
    const query = { source_names: this.#source };
    await this.#rest.call({
      method: "POST",
      path: "file-system-snapshots",
      query,
      body: { suffix: this.#suffix },
      signal,
    });
  }
}
