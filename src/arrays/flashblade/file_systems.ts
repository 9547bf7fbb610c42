import { allEnded } from "../../async/all_ended.ts";
import { messageOf, PsoError } from "../../errors.ts";
import { isOwnVolumeName } from "../../names.ts";
import type { DestroyedVolume } from "../rest/admin_array.ts";
import type {
  CreateVolumeSpec,
  DeleteOptions,
  FindOptions,
  Page,
  Volume,
  VolumeListOptions,
  VolumeTrace,
} from "../array.ts";
import { refuseNotOwn, refuseUntagged, RETAIN } from "../ownership.ts";
import { isRefusal } from "../rest/refusals.ts";
import {
  type ArrayContext,
  isAskedFor,
  type Lookup,
  NamedObjects,
  nameFilter,
  refuseSnapshots,
  type Resource,
} from "../rest/named_objects.ts";
import {
  finishOf,
  isFromSource,
  isUnfinished,
  PassingSnapshot,
  PROTOCOLS,
  requireClone,
  settingsOf,
} from "./clone.ts";
import type { Snapshots } from "../rest/snapshots.ts";
import {
  addressesIn,
  clientsOf,
  destroyedFileSystemOf,
  type FileSystemItem,
  fileSystemItem,
  type FileSystemSnapshotItem,
  fileVolumeOf,
} from "./wire.ts";

/**
 * File systems in one look-up: each has its export rules with it, and an answer has room for those of
 * 700 nodes for each. Larger ones are looked up in smaller parts.
 */
const FILE_SYSTEMS_PER_CALL = 16;

const FILE_SYSTEMS: Resource<FileSystemItem> = {
  path: "file-systems",
  noun: "file system",
  nameKey: "names",
  item: fileSystemItem,
  together: FILE_SYSTEMS_PER_CALL,
  recovery: () =>
    "recover it there and turn NFS v3 and v4.1 on for it, and the claim has it with its data, or " +
    "eradicate it to free the name (its data is lost then)",
};

const FILE_SYSTEM_CALL = { path: FILE_SYSTEMS.path, item: fileSystemItem };

/** What file systems need to know of their snapshots. */
interface FileSystemContext extends ArrayContext {
  snapshots: Snapshots<FileSystemSnapshotItem>;
}

/** The file systems of one FlashBlade, as StorageArray has them. */
export class FileSystems {
  readonly #context: FileSystemContext;
  readonly #items: NamedObjects<FileSystemItem>;

  constructor(context: FileSystemContext) {
    this.#context = context;
    this.#items = new NamedObjects(context, FILE_SYSTEMS);
  }

  /** The live file system as the array shows it; with `destroyed`, also a destroyed one. */
  async findItem(name: string, lookup: Lookup): Promise<FileSystemItem | undefined> {
    return await this.#items.find(name, lookup);
  }

  /** As StorageArray.findVolume; who it is exported to stands in the file system itself. */
  async find(
    name: string,
    { hosts, signal }: FindOptions,
  ): Promise<Volume | undefined> {
    const item = await this.#items.find(name, { signal });
    return item && fileVolumeOf(item, hosts);
  }

  /** As StorageArray.traceVolume. */
  async trace(name: string, signal?: AbortSignal): Promise<VolumeTrace | undefined> {
    const item = await this.#items.find(name, { signal, destroyed: true });
    return item && { isLive: !item.destroyed };
  }

  /** As StorageArray.createVolume. */
  async create(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume> {
    const { rest, label } = this.#context;
    if (spec.qos) {
      throw new PsoError(
        "unsupported",
        `array ${label()} has no limits of IOPS or bandwidth per file system: leave them out`,
      );
    }
    const { source } = spec;
    if (source === undefined) return fileVolumeOf(await this.#post(spec, { signal }));
    const minor = await rest.minor(signal);
    requireClone(minor, label(), "volume" in source ? source.volume : source.snapshot);
    // Looked for first: a repetition must not take a second, later snapshot of the source, nor be
    // told that a full array has no room for what is there.
    const existing = await this.#items.find(spec.name, { signal });
    if ("snapshot" in source) {
      return existing
        ? await this.#finishClone(existing, spec, signal)
        : await this.#clone(spec, source.snapshot, signal);
    }
    const passing = new PassingSnapshot(this.#context, {
      source: source.volume,
      target: spec.name,
    });
    if (!existing) await this.#makePassing(passing, source.volume, signal);
    const volume = existing
      ? await this.#finishClone(existing, spec, signal)
      : await this.#clone(spec, passing.name, signal);
    await passing.drop(signal);
    return volume;
  }

  /** `not_found` when the source is gone. */
  async #makePassing(
    passing: PassingSnapshot,
    source: string,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await passing.make(signal);
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      throw new PsoError(
        "not_found",
        `the source ${source} is not on array ${this.#context.label()}`,
        { cause: error },
      );
    }
  }

  async #clone(spec: CreateVolumeSpec, snapshot: string, signal?: AbortSignal): Promise<Volume> {
    return await this.#finishClone(await this.#post(spec, { snapshot, signal }), spec, signal);
  }

  /**
   * Gives a clone its own size, limit and rules, where the array did not take them with the source.
   * A file system that was not made from the spec's source is left as it is.
   */
  async #finishClone(
    item: FileSystemItem,
    spec: CreateVolumeSpec,
    signal?: AbortSignal,
  ): Promise<Volume> {
    if (!isFromSource(item, spec) || !isUnfinished(item, spec)) return fileVolumeOf(item);
    const body = finishOf(item, spec);
    return fileVolumeOf(await this.#change(spec.name, body, signal) ?? { ...item, ...body });
  }

  async #change(
    name: string,
    body: Record<string, unknown>,
    signal?: AbortSignal,
  ): Promise<FileSystemItem | undefined> {
    const query = { names: name };
    const call = { ...FILE_SYSTEM_CALL, method: "PATCH", query, body, signal } as const;
    return (await this.#context.rest.call<FileSystemItem>(call)).items[0];
  }

  /** The file system that was created, or that bears the name already. */
  async #post(
    spec: CreateVolumeSpec,
    { snapshot, signal }: { snapshot?: string; signal?: AbortSignal },
  ): Promise<FileSystemItem> {
    const isClone = snapshot !== undefined;
    const body = { ...settingsOf(spec), ...(isClone ? { source: { name: snapshot } } : {}) };
    const query = { names: spec.name, include_snapshot: isClone ? true : undefined };
    const call = { ...FILE_SYSTEM_CALL, query, body, signal };
    let item: FileSystemItem | undefined;
    try {
      item = (await this.#context.rest.create<FileSystemItem>(call)).items[0];
    } catch (error) {
      const missing = isClone ? `the source ${snapshot} of file system ${spec.name}` : undefined;
      return await this.#items.afterRefusedCreate(spec.name, { error, missing, signal });
    }
    if (item) return item;
    throw this.#items.returnedNothing(spec.name);
  }

  /** As StorageArray.growVolume. */
  async grow(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume> {
    // Read first: unlike a FlashArray, this array would make the file system smaller.
    const item = await this.#items.need(name, { signal });
    if ((item.provisioned ?? 0) >= sizeBytes) return fileVolumeOf(item);
    const grown = await this.#change(name, { provisioned: sizeBytes }, signal);
    return fileVolumeOf(grown ?? { ...item, provisioned: sizeBytes });
  }

  /**
   * As StorageArray.deleteVolume. The file system and its snapshots are read first, both at once:
   * what is exported to a node or has snapshots that somebody asked for is not destroyed.
   */
  async delete(name: string, options: DeleteOptions = {}): Promise<boolean> {
    const { cluster, rights, signal, isNode, publishedTo = [] } = options;
    const [item, kept] = await allEnded([
      this.#items.find(name, { signal, destroyed: true }),
      this.#context.snapshots.keptOf(name, signal),
    ]);
    if (!item || item.destroyed) return false;
    const shown = `file system ${name} on array ${this.#context.label()}`;
    const clients = clientsOf(item).filter((client) => isNode?.(client));
    // What an administrator's rules let in shows in no rule of ours: the caller knows those nodes.
    const users = publishedTo.length > 0 ? publishedTo : clients;
    if (users.length > 0) {
      throw new PsoError(
        "in_use",
        `${shown} is exported to ${users.join(", ")}: unpublish it there first`,
      );
    }
    if (options.onlyTagged) refuseUntagged({ shown, cluster, otherwise: RETAIN.volume });
    const isOwn = isOwnVolumeName(cluster, name);
    if (rights && !isOwn) {
      refuseClients(shown, addressesIn(item));
      refuseNotOwn({ shown, cluster, rights, otherwise: RETAIN.volume });
    }
    refuseSnapshots(shown, kept);
    // The protocols go off in the same call: an array may refuse to destroy what is still served.
    const changes = {
      nfs: { v3_enabled: false, v4_1_enabled: false },
      smb: { enabled: false },
      http: { enabled: false },
    };
    const eradication = isOwn ? options.eradication : undefined;
    return await this.#items.destroy(name, { id: item.id, changes, eradication, signal });
  }

  /** As StorageArray.tagsOf: there are none. */
  tags(): Promise<Map<string, string>> {
    return Promise.resolve(new Map());
  }

  /** As StorageArray.clustersOf: there are no tags. */
  clusters(): Promise<Map<string, string>> {
    return Promise.resolve(new Map());
  }

  /** As AdminArray.listDestroyed. */
  async listDestroyed(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<DestroyedVolume>> {
    const page = await this.#items.listDestroyed(options, signal);
    return { ...page, items: page.items.map(destroyedFileSystemOf) };
  }

  /** As AdminArray.destroyedTags: there are no tags. */
  destroyedTags(): Promise<Map<string, Map<string, string>>> {
    return Promise.resolve(new Map());
  }

  /** As AdminArray.recoverVolume. A delete turned the protocols off: they come back after it. */
  async recover(
    volume: Pick<DestroyedVolume, "id" | "name">,
    signal?: AbortSignal,
  ): Promise<Volume> {
    const item = await this.#items.recover(volume, signal);
    if (item.nfs?.v3_enabled || item.nfs?.v4_1_enabled) return fileVolumeOf(item);
    const query = { ids: volume.id };
    const body = { nfs: PROTOCOLS };
    const call = { ...FILE_SYSTEM_CALL, method: "PATCH", query, body, signal } as const;
    try {
      const [served] = (await this.#context.rest.call<FileSystemItem>(call)).items;
      return fileVolumeOf(served ?? item);
    } catch (error) {
      throw new PsoError(
        "unavailable",
        `file system ${volume.name} on array ${this.#context.label()} was recovered and is not ` +
          `served yet: ${messageOf(error)}; turn NFS v3 and v4.1 on for it on the array`,
        { cause: error },
      );
    }
  }

  /** As StorageArray.groupsOf: there are no tags. */
  groups(): Promise<Map<string, string>> {
    return Promise.resolve(new Map());
  }

  /** As StorageArray.listVolumes. */
  async list(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Volume>> {
    const query = { destroyed: false, filter: nameFilter(options) };
    const call = { ...FILE_SYSTEM_CALL, query, signal };
    const page = await this.#context.rest.page<FileSystemItem>(call, options);
    const asked = page.items.filter((item) => isAskedFor(item, options));
    return { ...page, items: asked.map((item) => fileVolumeOf(item, options.hosts)) };
  }
}

/**
 * `in_use` when a rule names an address: of a file system that this cluster did not make, any
 * machine may be a user. Blocks, names and `*` do not tell whether anybody uses it.
 */
function refuseClients(shown: string, addresses: readonly string[]): void {
  if (addresses.length === 0) return;
  throw new PsoError(
    "in_use",
    `${shown} was not made by this cluster and is exported to ${addresses.join(", ")}: take the ` +
      `rule out on the array if that machine does not need it, or ${RETAIN.volume}`,
  );
}
