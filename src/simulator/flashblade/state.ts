import {
  type ArrayContext,
  type Eradication,
  eradicationOf,
  type ObjectLimits,
  Turns,
} from "../array_context.ts";
import type { Call } from "../call.ts";
import { FileSystemImages } from "../file_system_images.ts";
import type { ListStyle } from "../list.ts";
import { type ExportRule, parseRules } from "../nfs_rules.ts";
import type { PlaneFileSystem } from "../plane.ts";
import { ImageCosts } from "../space/image_costs.ts";
import { Derived, type Table } from "../store.ts";
import type { ExportRecord, QuotaRecord, ServerRecord, SnapshotPolicyRecord } from "./records.ts";

/** Another object, with its name at the time of the reference. */
interface Reference {
  id: string;
  name: string;
}

/** A file system as it is stored, also while it is destroyed and not yet eradicated. */
export interface FileSystemRecord {
  id: string;
  name: string;
  createdMs: number;
  /** `null` = unlimited. */
  provisioned: number | null;
  hardLimit: boolean;
  v3: boolean;
  v41: boolean;
  /** `nfs.rules`; `null` while an export policy rules. */
  rules: string | null;
  policyId: string | null;
  /** Of the export by that policy; absent: the file system's own id. */
  exportId?: string;
  smb: boolean;
  http: boolean;
  accessControlStyle: string;
  safeguardAcls: boolean;
  snapshotDirectory: boolean;
  fastRemoveDirectory: boolean;
  defaultUserQuota: number;
  defaultGroupQuota: number;
  writable: boolean;
  groupOwnership: string;
  /** The snapshot it was copied from, with its name at that time. */
  source: Reference | null;
  /** `null` while live. */
  destroyedMs: number | null;
  /** What `df` counts as used in this file system when it is empty. */
  blankBytes: number;
  /** Bytes of files that it held already when it was copied from `source`. */
  copiedBytes?: number;
  /** Number of the next snapshot without a suffix of its own. */
  nextSnapshot: number;
}

/** A snapshot as it is stored. Its full name is `<file system>.<suffix>`. */
export interface FileSystemSnapshotRecord {
  id: string;
  fileSystemId: string;
  suffix: string;
  createdMs: number;
  provisioned: number | null;
  /** Its own destruction; that of its file system comes on top. */
  destroyedMs: number | null;
  blankBytes: number;
}

/** One rule of an NFS export policy as it is stored. */
export interface PolicyRule {
  id: string;
  /** N of the rule's name `POLICY.N`. */
  number: number;
  client: string;
  access: string;
  permission: string;
  anonuid: string | null;
  anongid: string | null;
  atime: boolean;
  fileid32bit: boolean;
  secure: boolean;
  security: string[];
  transportSecurity: string;
}

/** An NFS export policy as it is stored. */
export interface PolicyRecord {
  id: string;
  name: string;
  enabled: boolean;
  rules: PolicyRule[];
  nextRule: number;
  /** Changes with every change of the policy. */
  version: string;
}

const DEFAULT_CAPACITY_BYTES = 100 * 1024 ** 4;
const DEFAULT_LIMITS: ObjectLimits = { volumes: 20_000, snapshots: 150_000, hosts: 0 };

/** What the image of a file system without a size gets: it needs an end. */
export const UNLIMITED_BYTES = 64 * 1024 ** 3;

/**
 * FlashBlade pages only when `limit` is sent, says nothing of items that remain, and always counts.
 */
export const FLASHBLADE_LIST: ListStyle = {
  pageMax: Number.MAX_SAFE_INTEGER,
  moreItemsRemaining: false,
  alwaysCounts: true,
  allowsErrorsSince: 17,
};

/** A policy's rule as `nfs.rules` would say it. */
function ruleOf(
  { client, permission, access, anonuid, anongid, secure, security }: PolicyRule,
): ExportRule {
  const squash = {
    "root-squash": "root_squash",
    "all-squash": "all_squash",
    "no-squash": "no_root_squash",
  }[access] ?? "root_squash";
  const options = [permission, squash, secure ? "secure" : "insecure", `sec=${security.join(":")}`];
  if (anonuid !== null) options.push(`anonuid=${anonuid}`);
  if (anongid !== null) options.push(`anongid=${anongid}`);
  return { client, options };
}

/** What one simulated FlashBlade holds, and the rules that several resources share. */
export class FlashBladeState {
  readonly context: ArrayContext;
  readonly fileSystems: Table<FileSystemRecord>;
  readonly snapshots: Table<FileSystemSnapshotRecord>;
  readonly policies: Table<PolicyRecord>;
  readonly snapshotPolicies: Table<SnapshotPolicyRecord>;
  readonly quotas: Table<QuotaRecord>;
  readonly servers: Table<ServerRecord>;
  /** All but those that a file system has by `nfs.export_policy`. */
  readonly exports: Table<ExportRecord>;
  readonly capacityBytes: number;
  readonly limits: ObjectLimits;
  readonly eradication: Eradication;
  /** The images behind the file systems; `undefined` without a data plane. */
  readonly images: FileSystemImages | undefined;
  /**
   * Every change takes its turn: copies of images wait, and nothing may change between a check and
   * what relies on it.
   */
  readonly turns = new Turns();
  readonly #snapshotsByOwner: Derived<Map<string, FileSystemSnapshotRecord[]>>;
  readonly #oldestDestroyedMs: Derived<number>;
  readonly #costs: ImageCosts;

  constructor(context: ArrayContext) {
    this.context = context;
    const { store, plane } = context;
    this.capacityBytes = context.capacityBytes ?? DEFAULT_CAPACITY_BYTES;
    this.limits = { ...DEFAULT_LIMITS, ...context.limits };
    this.eradication = eradicationOf(context);
    this.images = plane === undefined ? undefined : new FileSystemImages(plane.images, context.run);
    this.fileSystems = store.table("file-systems", ({ name }) => name.toLowerCase());
    this.snapshots = store.table(
      "file-system-snapshots",
      ({ fileSystemId, suffix }) => `${fileSystemId}.${suffix.toLowerCase()}`,
    );
    this.policies = store.table("nfs-export-policies", ({ name }) => name.toLowerCase());
    this.quotas = store.table("quotas", ({ id }) => id);
    this.servers = store.table("servers", ({ name }) => name.toLowerCase());
    this.exports = store.table("file-system-exports", ({ id }) => id);
    this.snapshotPolicies = store.table("snapshot-policies", ({ name }) => name.toLowerCase());
    this.#snapshotsByOwner = new Derived(
      store,
      () => Map.groupBy(this.snapshots.values(), ({ fileSystemId }) => fileSystemId),
    );
    this.#oldestDestroyedMs = new Derived(store, () => this.#findOldestDestroyed());
    this.#costs = new ImageCosts({
      images: plane?.images,
      owners: () =>
        [...this.fileSystems.values()].map(({ id, createdMs, source }) => ({
          ...{ id, createdMs, source },
          copiedFrom: source?.id,
        })),
      snapshotsOf: (id) => this.snapshotsOf(id),
    });
  }

  fileSystemNamed(name: string): FileSystemRecord | undefined {
    return this.fileSystems.find(name.toLowerCase());
  }

  policyNamed(name: string): PolicyRecord | undefined {
    return this.policies.find(name.toLowerCase());
  }

  snapshotPolicyNamed(name: string): SnapshotPolicyRecord | undefined {
    return this.snapshotPolicies.find(name.toLowerCase());
  }

  /** `FS.SUFFIX`; a suffix has no dot. */
  snapshotNamed(name: string): FileSystemSnapshotRecord | undefined {
    const dot = name.lastIndexOf(".");
    const owner = dot < 0 ? undefined : this.fileSystemNamed(name.slice(0, dot));
    return owner && this.snapshots.find(`${owner.id}.${name.slice(dot + 1).toLowerCase()}`);
  }

  ownerOf(snapshot: FileSystemSnapshotRecord): FileSystemRecord {
    const owner = this.fileSystems.get(snapshot.fileSystemId);
    if (owner === undefined) throw new Error(`snapshot ${snapshot.id} has no file system`);
    return owner;
  }

  snapshotName(snapshot: FileSystemSnapshotRecord): string {
    return `${this.ownerOf(snapshot).name}.${snapshot.suffix}`;
  }

  /** Destroyed ones included. */
  snapshotsOf(fileSystemId: string): FileSystemSnapshotRecord[] {
    return this.#snapshotsByOwner.get().get(fileSystemId) ?? [];
  }

  /** When a snapshot was destroyed, by itself or with its file system; `null` while live. */
  snapshotDestroyedMs(snapshot: FileSystemSnapshotRecord): number | null {
    return snapshot.destroyedMs ?? this.ownerOf(snapshot).destroyedMs;
  }

  /** Bytes of files, 0 for an empty file system and without a data plane. */
  writtenBytes(fileSystem: FileSystemRecord): number {
    return Math.max(0, (this.images?.usedBytes(fileSystem.id) ?? 0) - fileSystem.blankBytes);
  }

  /**
   * Bytes that nothing else shares. Files as `df` sees them, not the image's blocks: those lag
   * behind by what the host has not written back yet. Of a copy what it holds beyond its source,
   * by content or by size.
   */
  uniqueBytes(fileSystem: FileSystemRecord): number {
    const written = this.writtenBytes(fileSystem);
    const { copiedBytes, id, source } = fileSystem;
    const isAlone = source === null || this.snapshots.get(source.id) === undefined;
    if (copiedBytes === undefined || isAlone) return written;
    const differing = this.#costs.get().get(id) ?? written;
    return Math.min(written, Math.max(differing, written - copiedBytes));
  }

  /** Bytes of a file system's snapshots that neither it nor another snapshot holds. */
  snapshotBytes(fileSystemId: string): number {
    const snapshots = this.snapshotsOf(fileSystemId);
    if (snapshots.length === 0) return 0;
    const costs = this.#costs.get();
    return snapshots.reduce((sum, { id }) => sum + (costs.get(id) ?? 0), 0);
  }

  /**
   * Physical bytes that are stored. A call that a `full` fault hit sees the whole capacity in use.
   */
  usedBytes(call?: Call): number {
    if (call?.full) return this.capacityBytes;
    let used = 0;
    for (const fileSystem of this.fileSystems.values()) {
      used += this.uniqueBytes(fileSystem) + this.snapshotBytes(fileSystem.id);
    }
    return used;
  }

  /** The rules that hold for a file system now, from its own text or its policy. */
  rulesOf(fileSystem: FileSystemRecord): ExportRule[] {
    if (fileSystem.policyId === null) return parseRules(fileSystem.rules ?? "");
    const policy = this.policies.get(fileSystem.policyId);
    return policy?.enabled ? policy.rules.map(ruleOf) : [];
  }

  /**
   * The file system as the data plane must show it: it lets in nobody while it is destroyed or its
   * NFS is off.
   */
  planeFileSystem(fileSystem: FileSystemRecord): PlaneFileSystem {
    const isServed = fileSystem.destroyedMs === null && (fileSystem.v3 || fileSystem.v41);
    return {
      id: fileSystem.id,
      name: fileSystem.name,
      rules: isServed ? this.rulesOf(fileSystem) : [],
    };
  }

  /**
   * Makes what clients reach equal to what is stored for these file systems; called after each
   * change of a rule, a name or a state.
   */
  async showExports(fileSystems: FileSystemRecord[]): Promise<void> {
    for (const { id, name } of fileSystems) {
      const stored = this.fileSystems.get(id);
      await this.context.plane?.files.show(
        stored === undefined ? { id, name, rules: [] } : this.planeFileSystem(stored),
      );
    }
  }

  /** Removes a destroyed file system for ever, with its snapshots. */
  async eradicateFileSystem(fileSystem: FileSystemRecord): Promise<void> {
    const snapshots = this.snapshotsOf(fileSystem.id);
    this.context.store.change(() => {
      for (const { id } of snapshots) this.snapshots.delete(id);
      for (const table of [this.exports, this.quotas]) {
        const gone = [...table.values()].filter(({ fileSystemId: id }) => id === fileSystem.id);
        for (const { id } of gone) table.delete(id);
      }
      this.fileSystems.delete(fileSystem.id);
    });
    // After the state: a crash between the two leaves images without an owner, which the next start
    // removes.
    await this.showExports([fileSystem]);
    for (const { id } of [fileSystem, ...snapshots]) await this.images?.remove(id);
    this.context.plane?.images.remeasure();
  }

  async eradicateSnapshot(snapshot: FileSystemSnapshotRecord): Promise<void> {
    this.context.store.change(() => this.snapshots.delete(snapshot.id));
    await this.images?.remove(snapshot.id);
    this.context.plane?.images.remeasure();
  }

  /** True when something waits to be eradicated whose time has come. */
  isExpiryDue(): boolean {
    return this.#oldestDestroyedMs.get() <= this.context.clock.now() - this.eradication.delayMs;
  }

  /** Eradicates what is due. */
  async expire(): Promise<void> {
    const limit = this.context.clock.now() - this.eradication.delayMs;
    const due = (destroyedMs: number | null) => destroyedMs !== null && destroyedMs <= limit;
    for (const fileSystem of [...this.fileSystems.values()]) {
      if (due(fileSystem.destroyedMs)) await this.eradicateFileSystem(fileSystem);
    }
    for (const snapshot of [...this.snapshots.values()]) {
      if (due(snapshot.destroyedMs)) await this.eradicateSnapshot(snapshot);
    }
  }

  /** Brings the host in line with the stored state, after a start and after a crash. */
  async start(): Promise<void> {
    const { plane } = this.context;
    if (plane === undefined) return;
    const fileSystems = [...this.fileSystems.values()];
    const ids = [...fileSystems, ...this.snapshots.values()].map(({ id }) => id);
    plane.images.keepOnly(ids);
    await this.images?.reconcile(fileSystems.map(({ id }) => id));
    for (const { id, provisioned } of fileSystems) {
      await this.images?.grow(id, provisioned ?? UNLIMITED_BYTES);
    }
    await plane.files.reconcile(fileSystems.map((fileSystem) => this.planeFileSystem(fileSystem)));
  }

  /** Lets nobody in any more and unmounts everything: nobody serves them now. */
  async stop(): Promise<void> {
    try {
      await this.context.plane?.files.stop();
    } finally {
      await this.images?.stop();
    }
  }

  #findOldestDestroyed(): number {
    let oldest = Infinity;
    for (const { destroyedMs } of this.fileSystems.values()) {
      oldest = Math.min(oldest, destroyedMs ?? Infinity);
    }
    for (const { destroyedMs } of this.snapshots.values()) {
      oldest = Math.min(oldest, destroyedMs ?? Infinity);
    }
    return oldest;
  }
}
