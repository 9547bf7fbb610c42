import { PsoError } from "../../errors.ts";
import type { CreateVolumeSpec } from "../array.ts";
import type { RestClient } from "../rest/client.ts";
import { isRefusal, mayBeAboutName } from "../rest/refusals.ts";
import { type ArrayContext, NamedObjects } from "../rest/named_objects.ts";
import { areEqual, parseRules } from "./export_rules.ts";
import { FILE_SYSTEM_SNAPSHOTS } from "./snapshots.ts";
import {
  type FileSystemItem,
  type FileSystemSnapshotItem,
  passingSuffix,
  sourceOf,
} from "./wire.ts";

/**
 * First REST 2.N whose POST file-systems takes `include_snapshot`, the only way from a snapshot to
 * a new file system.
 */
export const CLONE_SINCE = 25;

/** Protocols by which every file system of this driver is served. */
export const PROTOCOLS = { v3_enabled: true, v4_1_enabled: true };

/**
 * What goes into the POST of a file system besides its source. Without rules the array would let
 * everybody in.
 */
export function settingsOf(spec: CreateVolumeSpec): Record<string, unknown> {
  return {
    provisioned: spec.sizeBytes,
    hard_limit_enabled: true,
    nfs: { ...PROTOCOLS, rules: spec.exportRules ?? "" },
    ...(spec.snapshotDirectory === undefined
      ? {}
      : { snapshot_directory_enabled: spec.snapshotDirectory }),
  };
}

/**
 * What goes into the PATCH that finishes a clone. It is never made smaller than its source, and one
 * that nodes may use already keeps its rules, because theirs are among them.
 */
export function finishOf(item: FileSystemItem, spec: CreateVolumeSpec): Record<string, unknown> {
  return {
    ...settingsOf(spec),
    provisioned: Math.max(spec.sizeBytes, item.provisioned ?? 0),
    ...(spec.isPublished ? { nfs: PROTOCOLS } : {}),
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
 * True while a clone is not yet what was asked for: at first it has the size, the settings and the
 * rules of its source. The rules are not judged once nodes may use it.
 */
export function isUnfinished(item: FileSystemItem, spec: CreateVolumeSpec): boolean {
  const { nfs, snapshot_directory_enabled: showsSnapshots } = item;
  return (item.provisioned ?? 0) < spec.sizeBytes || item.hard_limit_enabled !== true ||
    nfs?.v3_enabled !== true || nfs.v4_1_enabled !== true ||
    (spec.snapshotDirectory !== undefined && showsSnapshots !== spec.snapshotDirectory) ||
    (!spec.isPublished && !hasRulesOf(nfs, spec));
}

/** Whether those may mount the file system that the spec names, and nobody else. */
function hasRulesOf(nfs: FileSystemItem["nfs"], { exportRules = "" }: CreateVolumeSpec): boolean {
  return !nfs?.export_policy?.name &&
    areEqual(parseRules(nfs?.rules ?? ""), parseRules(exportRules));
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
    this.#items = new NamedObjects(context, FILE_SYSTEM_SNAPSHOTS.resource);
    this.#source = options.source;
    this.#suffix = passingSuffix(options);
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
      await this.#eradicate(signal);
      await this.#create(signal);
    }
  }

  async #eradicate(signal?: AbortSignal): Promise<void> {
    const { path } = FILE_SYSTEM_SNAPSHOTS.resource;
    try {
      await this.#rest.call({ method: "DELETE", path, query: { names: this.name }, signal });
    } catch (error) {
      if (!isRefusal(error, "safe mode")) throw error;
      throw new PsoError(
        "unavailable",
        `file system snapshot ${this.name} is destroyed, and a clone needs its name: ` +
          error.message,
        { cause: error },
      );
    }
  }

  /** Destroys the snapshot; gone already is success. */
  async drop(signal?: AbortSignal): Promise<void> {
    await this.#items.destroy(this.name, { signal });
  }

  async #create(signal?: AbortSignal): Promise<void> {
    const query = { source_names: this.#source };
    const body = { suffix: this.#suffix };
    const { path } = FILE_SYSTEM_SNAPSHOTS.resource;
    await this.#rest.call({ method: "POST", path, query, body, signal });
  }
}
