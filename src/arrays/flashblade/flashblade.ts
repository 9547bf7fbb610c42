import { isPsoError, PsoError } from "../../errors.ts";
import type { Attachment, NodeIdentity } from "../../handoff.ts";
import { type FlashBladeFacts, servedFileProtocols } from "./ports.ts";
import type {
  ArrayStatus,
  ConnectOptions,
  CreateVolumeSpec,
  DeleteOptions,
  Feature,
  ListOptions,
  Page,
  Snapshot,
  StorageArray,
  Volume,
  VolumeKind,
} from "../array.ts";
import { loadOf, type PerformanceItem } from "../flasharray/wire.ts";
import {
  CLONE_SINCE,
  isFromSource,
  isUnfinished,
  PassingSnapshot,
  requireClone,
  settingsOf,
} from "./clone.ts";
import { Exports } from "./exports.ts";
import {
  type BladeInterfaceItem,
  type BladeItem,
  type BladeSpaceItem,
  clientsOf,
  fileSnapshotOf,
  type FileSystemItem,
  type FileSystemSnapshotItem,
  fileVolumeOf,
  isCloneSuffix,
  isScheduled,
  ownerOf,
} from "./wire.ts";
import { filterText, type Query, type RestClient } from "../rest/client.ts";
import { isRefusal, RestError } from "../rest/errors.ts";
import type { Dialect } from "../rest/session.ts";

/** /nfs-export-policies, from which `nfs.rules` behaves as it does today, came with 2.3. */
const OLDEST_MINOR = 3;
const NEWEST_MINOR = 28;

export const FLASHBLADE_DIALECT: Dialect = {
  kindName: "FlashBlade",
  versionsKey: "versions",
  loginPath: () => "/api/login",
  knows: (minor) => minor >= OLDEST_MINOR && minor <= NEWEST_MINOR,
  known: `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`,
};

/** `revision` of a simulated array: a FlashBlade has no banner. */
const SIMULATED = "pso-simulated";
/**
 * File systems asked for in one filter: with names of 63 characters it stays below the 8 KiB that
 * web servers take as a URL.
 */
const NAMES_PER_CALL = 50;

/** A FlashBlade over REST 2.x: file systems. */
export class FlashBlade implements StorageArray {
  readonly kind: VolumeKind = "file";
  readonly address: string;
  readonly #rest: RestClient;
  readonly #options: { label?: string; nfsEndpoint?: string };
  readonly #exports: Exports;
  #facts?: FlashBladeFacts;

  constructor(
    rest: RestClient,
    options: { address: string; label?: string; nfsEndpoint?: string },
  ) {
    this.#rest = rest;
    this.address = options.address;
    this.#options = options;
    this.#exports = new Exports({
      rest,
      label: () => this.label,
      facts: (signal) => this.#knownFacts(signal),
      find: (name, signal) => this.#find(name, { lane: "attach", signal }),
    });
  }

  get label(): string {
    return this.#options.label ?? this.#facts?.arrayName ?? this.address;
  }

  async status(signal?: AbortSignal): Promise<ArrayStatus> {
    const minor = await this.#rest.negotiate(signal);
    const [array, space, interfaces, samples] = await Promise.all([
      this.#array(signal),
      this.#rest.call<BladeSpaceItem>({
        method: "GET",
        path: "arrays/space",
        query: { type: "array" },
        signal,
      }),
      Array.fromAsync(this.#rest.all<BladeInterfaceItem>({ path: "network-interfaces", signal })),
      this.#samples(signal),
    ]);
    const simulated = array.revision === SIMULATED;
    const data = interfaces.find((one) =>
      one.enabled !== false && (one.services ?? []).includes("data")
    )?.address;
    const dataAddress = this.#options.nfsEndpoint ?? data;
    this.#facts = {
      arrayName: array.name ?? this.address,
      simulated,
      ...(dataAddress ? { dataAddress } : {}),
    };
    const protocols = servedFileProtocols(this.#facts);
    const load = loadOf(samples);
    const used = space.items[0]?.space;
    return {
      id: array.id ?? "",
      name: array.name ?? "",
      kind: this.kind,
      version: array.version ?? "",
      restVersion: `2.${minor}`,
      capacityBytes: space.items[0]?.capacity ?? 0,
      usedBytes: used?.total_physical ?? used?.total_used ?? 0,
      features: new Set<Feature>(minor >= CLONE_SINCE ? ["clone"] : []),
      protocols,
      ...(load ? { load } : {}),
    };
  }

  async findVolume(
    name: string,
    options: { hosts?: boolean; signal?: AbortSignal } = {},
  ): Promise<Volume | undefined> {
    const item = await this.#find(name, options);
    return item && fileVolumeOf(item, options.hosts);
  }

  async createVolume(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume> {
    if (spec.qos) {
      throw new PsoError(
        "unsupported",
        `array ${this.label} has no limits of IOPS or bandwidth per file system: leave them out`,
      );
    }
    if (spec.source === undefined) return fileVolumeOf(await this.#post(spec, { signal }));
    const minor = await this.#rest.minor(signal);
    requireClone(
      minor,
      this.label,
      "volume" in spec.source ? spec.source.volume : spec.source.snapshot,
    );
    if ("snapshot" in spec.source) return await this.#clone(spec, spec.source.snapshot, signal);
    const passing = new PassingSnapshot(this.#rest, {
      source: spec.source.volume,
      target: spec.name,
    });
    // Looked for first: a repetition must not take a second, later snapshot.
    const there = await this.#find(spec.name, { signal });
    if (!there) await this.#makePassing(passing, spec.source.volume, signal);
    const volume = there
      ? await this.#finish(there, spec, signal)
      : await this.#clone(spec, passing.name, signal);
    await passing.drop(signal);
    return volume;
  }

  async #makePassing(
    passing: PassingSnapshot,
    source: string,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await passing.make(signal);
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      throw new PsoError("not_found", `the source ${source} is not on array ${this.label}`, {
        cause: error,
      });
    }
  }

  async #clone(spec: CreateVolumeSpec, snapshot: string, signal?: AbortSignal): Promise<Volume> {
    return await this.#finish(await this.#post(spec, { snapshot, signal }), spec, signal);
  }

  /**
   * Gives a clone its own size, limit and rules, where the array did not take them with the source.
   */
  async #finish(
    item: FileSystemItem,
    spec: CreateVolumeSpec,
    signal?: AbortSignal,
  ): Promise<Volume> {
    if (!isFromSource(item, spec) || !isUnfinished(item, spec)) return fileVolumeOf(item);
    const settings = {
      ...settingsOf(spec),
      provisioned: Math.max(spec.sizeBytes, item.provisioned ?? 0),
    };
    const body = await this.#rest.call<FileSystemItem>({
      method: "PATCH",
      path: "file-systems",
      query: { names: spec.name },
      body: settings,
      signal,
    });
    return fileVolumeOf(body.items[0] ?? { ...item, provisioned: settings.provisioned });
  }

  async #post(
    spec: CreateVolumeSpec,
    { snapshot, signal }: { snapshot?: string; signal?: AbortSignal },
  ): Promise<FileSystemItem> {
    const body = {
      ...settingsOf(spec),
      ...(snapshot === undefined ? {} : { source: { name: snapshot } }),
    };
    const query = { names: spec.name, include_snapshot: snapshot === undefined ? undefined : true };
    try {
      const item = (await this.#rest.call<FileSystemItem>({
        method: "POST",
        path: "file-systems",
        query,
        body,
        signal,
      })).items[0];
      if (item) return item;
      throw new PsoError(
        "unavailable",
        `array ${this.label} created file system ${spec.name} and returned nothing; try again`,
      );
    } catch (error) {
      if (
        !(error instanceof RestError) || error.status !== 400 || isRefusal(error, "limit", "space")
      ) throw error;
      // No text of FlashBlade errors is published: what is there decides.
      const item = await this.#find(spec.name, { signal, destroyed: true });
      if (item && !item.destroyed) return item;
      if (item) throw this.#nameTaken("file system", spec.name, error);
      if (snapshot === undefined || !isRefusal(error, "missing", "destroyed")) throw error;
      throw new PsoError(
        "not_found",
        `the source ${snapshot} of file system ${spec.name} is not on array ${this.label}`,
        { cause: error },
      );
    }
  }

  async growVolume(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume> {
    // Read first: unlike a FlashArray, this array would make it smaller.
    const item = await this.#find(name, { signal });
    if (!item) throw new PsoError("not_found", `file system ${name} is not on array ${this.label}`);
    if ((item.provisioned ?? 0) >= sizeBytes) return fileVolumeOf(item);
    const query = { names: name };
    const body = await this.#rest.call<FileSystemItem>({
      method: "PATCH",
      path: "file-systems",
      query,
      body: { provisioned: sizeBytes },
      signal,
    });
    return fileVolumeOf(body.items[0] ?? { ...item, provisioned: sizeBytes });
  }

  async deleteVolume(name: string, options: DeleteOptions): Promise<boolean> {
    const { signal } = options;
    const item = await this.#find(name, { signal, destroyed: true });
    if (!item || item.destroyed) return false;
    const users = clientsOf(item).filter((client) => options.isNode?.(client));
    if (users.length > 0) {
      throw new PsoError(
        "in_use",
        `file system ${name} on array ${this.label} is exported to ${
          users.join(", ")
        }: unpublish it there first`,
      );
    }
    if (options.mayHaveSnapshots || (item.space?.snapshots ?? 0) > 0) {
      await this.#refuseSnapshots(name, signal);
    }
    // The protocols go off in the same call: an array may refuse to destroy what is still served.
    const body = {
      nfs: { v3_enabled: false, v4_1_enabled: false },
      smb: { enabled: false },
      http: { enabled: false },
      destroyed: true,
    };
    try {
      await this.#rest.call({
        method: "PATCH",
        path: "file-systems",
        query: { names: name },
        body,
        signal,
      });
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      return false; // somebody else was faster
    }
    return true;
  }

  async listVolumes(
    options: ListOptions & { hosts?: boolean },
    signal?: AbortSignal,
  ): Promise<Page<Volume>> {
    const query = { destroyed: false, filter: prefixFilter(options.prefix) };
    const page = await this.#rest.page<FileSystemItem>(
      { path: "file-systems", query, signal },
      options,
    );
    return { ...page, items: page.items.map((item) => fileVolumeOf(item, options.hosts)) };
  }

  async findSnapshot(name: string, signal?: AbortSignal): Promise<Snapshot | undefined> {
    const item = await this.#findSnapshotItem(name, { signal });
    return item && (await this.#sized([item], signal))[0];
  }

  async createSnapshot(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot> {
    const name = `${volume}.${suffix}`;
    // Without a source the array takes a snapshot of every file system it has.
    if (volume === "") throw new PsoError("invalid", `snapshot ${name} names no file system`);
    let item: FileSystemSnapshotItem | undefined;
    try {
      const query = { source_names: volume };
      const body = await this.#rest.call<FileSystemSnapshotItem>({
        method: "POST",
        path: "file-system-snapshots",
        query,
        body: { suffix },
        signal,
      });
      item = body.items[0];
    } catch (error) {
      if (
        !(error instanceof RestError) || error.status !== 400 || isRefusal(error, "limit", "space")
      ) throw error;
      item = await this.#findSnapshotItem(name, { signal, destroyed: true });
      if (item?.destroyed) throw this.#nameTaken("snapshot", name, error);
      if (!item && isRefusal(error, "missing", "destroyed")) {
        throw new PsoError("not_found", `file system ${volume} is not on array ${this.label}`, {
          cause: error,
        });
      }
      if (!item) throw error;
    }
    const snapshot = item && (await this.#sized([item], signal))[0];
    if (snapshot) return snapshot;
    throw new PsoError(
      "unavailable",
      `array ${this.label} created snapshot ${name} and returned nothing; try again`,
    );
  }

  async deleteSnapshot(name: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#rest.call({
        method: "PATCH",
        path: "file-system-snapshots",
        query: { names: name },
        body: { destroyed: true },
        signal,
      });
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
  }

  async listSnapshots(
    options: ListOptions & { volume?: string },
    signal?: AbortSignal,
  ): Promise<Page<Snapshot>> {
    const query: Query = {
      destroyed: false,
      filter: prefixFilter(options.prefix),
      names_or_owner_names: options.volume,
    };
    try {
      const page = await this.#rest.page<FileSystemSnapshotItem>({
        path: "file-system-snapshots",
        query,
        signal,
      }, options);
      return {
        ...page,
        items: await this.#sized(page.items.filter((item) => !isPassing(item)), signal),
      };
    } catch (error) {
      if (options.volume !== undefined && isRefusal(error, "missing", "destroyed")) {
        return { items: [] };
      }
      throw error;
    }
  }

  async connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions & { signal?: AbortSignal },
  ): Promise<Attachment> {
    return await this.#exports.connect(volume, node, options);
  }

  async disconnect(
    volume: string,
    node: NodeIdentity | "all",
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#exports.disconnect(volume, node, signal);
  }

  async #find(name: string, options: Lookup): Promise<FileSystemItem | undefined> {
    return await this.#lookUp<FileSystemItem>("file-systems", { names: name }, options);
  }

  async #findSnapshotItem(
    name: string,
    options: Lookup,
  ): Promise<FileSystemSnapshotItem | undefined> {
    return await this.#lookUp<FileSystemSnapshotItem>("file-system-snapshots", {
      names_or_owner_names: name,
    }, options);
  }

  async #lookUp<T>(
    path: string,
    name: Record<string, string>,
    { signal, destroyed, lane }: Lookup,
  ): Promise<T | undefined> {
    const query = { ...name, destroyed: destroyed ? undefined : false };
    try {
      return (await this.#rest.call<T>({ method: "GET", path, query, lane, signal })).items[0];
    } catch (error) {
      const aboutName = error instanceof RestError && error.status === 400 &&
        Object.values(name).includes(error.context);
      if (aboutName || isRefusal(error, "missing", "destroyed")) return undefined;
      throw error;
    }
  }

  /** Snapshots with the sizes of their file systems: one call per fifty of these. */
  async #sized(items: FileSystemSnapshotItem[], signal?: AbortSignal): Promise<Snapshot[]> {
    const owners = [...new Set(items.map(ownerOf))];
    const sizes = new Map<string, number>();
    for (let start = 0; start < owners.length; start += NAMES_PER_CALL) {
      const names = owners.slice(start, start + NAMES_PER_CALL);
      const filter = names.map((name) => `name=${filterText(name)}`).join(" or ");
      const query = names.length === 1 ? { names } : { filter };
      try {
        for await (
          const item of this.#rest.all<FileSystemItem>({ path: "file-systems", query, signal })
        ) {
          sizes.set(item.name ?? "", item.provisioned ?? 0);
        }
      } catch (error) {
        // gone since: its size is not known
        if (!isRefusal(error, "missing", "destroyed")) throw error;
      }
    }
    return items.map((item) => fileSnapshotOf(item, sizes.get(ownerOf(item)) ?? 0));
  }

  async #refuseSnapshots(volume: string, signal?: AbortSignal): Promise<void> {
    const found: string[] = [];
    const query = { names_or_owner_names: volume, destroyed: false };
    try {
      for await (
        const item of this.#rest.all<FileSystemSnapshotItem>({
          path: "file-system-snapshots",
          query,
          signal,
        })
      ) {
        if (!isScheduled(item) && !isPassing(item)) found.push(item.name ?? "");
        if (found.length === 4) break;
      }
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
    if (found.length === 0) return;
    const names = found.slice(0, 3).join(", ") + (found.length > 3 ? " and more" : "");
    throw new PsoError(
      "in_use",
      `file system ${volume} on array ${this.label} has snapshots: ${names}; delete them first`,
    );
  }

  #nameTaken(what: string, name: string, cause: unknown): PsoError {
    return new PsoError(
      "conflict",
      `${what} ${name} on array ${this.label} was destroyed and still holds its name: recover it there, or eradicate it to free the name ` +
        `(its data is lost then)`,
      { cause },
    );
  }

  async #knownFacts(signal?: AbortSignal): Promise<FlashBladeFacts> {
    if (!this.#facts) await this.status(signal);
    if (this.#facts) return this.#facts;
    throw new PsoError("unavailable", `array ${this.label} gives no facts about itself`);
  }

  async #array(signal?: AbortSignal): Promise<BladeItem> {
    const item =
      (await this.#rest.call<BladeItem>({ method: "GET", path: "arrays", signal })).items[0];
    if (item?.id && item.name) return item;
    throw new PsoError(
      "unavailable",
      `array ${this.label} does not say who it is: GET arrays returned no id and name`,
    );
  }

  /** The load is welcome, not needed. */
  async #samples(signal?: AbortSignal): Promise<PerformanceItem[]> {
    try {
      return (await this.#rest.call<PerformanceItem>({
        method: "GET",
        path: "arrays/performance",
        signal,
      })).items;
    } catch (error) {
      if (isPsoError(error, "timeout", "unavailable")) throw error;
      return [];
    }
  }
}

interface Lookup {
  signal?: AbortSignal;
  /** Also one that is destroyed. */
  destroyed?: boolean;
  lane?: "attach";
}

function isPassing(item: FileSystemSnapshotItem): boolean {
  return isCloneSuffix(item.suffix ?? item.name?.split(".")[1] ?? "");
}

function prefixFilter(prefix: string | undefined): string | undefined {
  return prefix === undefined || prefix === "" ? undefined : `name=${filterText(`${prefix}*`)}`;
}
