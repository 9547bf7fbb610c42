import {
  type ArrayContext,
  type Eradication,
  eradicationOf,
  type ObjectLimits,
  Turns,
} from "../array_context.ts";
import type { Answer, Call } from "../call.ts";
import type { AccessState, Chap, PlaneHost } from "../plane.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { listAnswer, type Listed, type ListStyle } from "../list.ts";
import { Containers } from "./containers/containers.ts";
import { ProtectionState } from "./protection/protection_state.ts";
import { ImageCosts } from "../space/image_costs.ts";
import { Derived, type Table } from "../store.ts";

/** Another object, with its name at the time of the reference. */
export interface Reference {
  id: string;
  name: string;
}

/** One tag of a volume. */
export interface Tag {
  namespace: string;
  key: string;
  value: string;
  copyable: boolean;
}

/** A volume as it is stored, also while it is destroyed and not yet eradicated. */
export interface VolumeRecord {
  id: string;
  name: string;
  createdMs: number;
  provisioned: number;
  serial: string;
  /** `null` while live. */
  destroyedMs: number | null;
  /** The volume it was copied from, with its name at that time. */
  source: Reference | null;
  /** The image that it was copied from last; absent: its bytes are all its own. */
  copiedFrom?: string;
  qos: { bandwidthLimit: number | null; iopsLimit: number | null };
  priority: { operator: "+" | "-" | "="; value: number };
  tags: Tag[];
  /** Number of the next snapshot without a suffix of its own. */
  nextSnapshot: number;
}

/** A volume snapshot as it is stored: `VOLUME.SUFFIX`, or `GROUP.SUFFIX.VOLUME`. */
export interface SnapshotRecord {
  id: string;
  suffix: string;
  volumeId: string;
  createdMs: number;
  provisioned: number;
  serial: string;
  destroyedMs: number | null;
  /** Destroyed because its volume was: comes back with it. */
  withVolume: boolean;
  /** The snapshot of a protection group that it is a part of; absent: it was taken alone. */
  groupSnapshotId?: string;
  /** Absent: it never had one. */
  tags?: Tag[];
}

/** A host object as it is stored. */
export interface HostRecord {
  name: string;
  iqns: string[];
  nqns: string[];
  wwns: string[];
  chap: Chap;
  personality: string | null;
  vlan: string | null;
  /** Name of its host group; absent: it is in none. */
  group?: string;
  preferredArrays?: Reference[];
}

/** A host group as it is stored; its hosts know that they are in it. */
export interface HostGroupRecord {
  name: string;
}

/**
 * A connection to a volume: as it is stored one of a host or of a host group, as it is read one for
 * each host that reaches the volume by it.
 */
export interface ConnectionRecord {
  /** Empty for a group as it is stored, and for one without hosts. */
  host: string;
  /** The host group that it came by; absent for a host's own. */
  group?: string;
  volumeId: string;
  /** LUN, or namespace id for an NVMe host. */
  lun: number;
}

/** First serial counter of an array: serials of a young array do not start at zero. */
const FIRST_SERIAL = 0x00011000;
/**
 * Two arrays do not count alike: serials differ at both ends. The number is that of the namespace
 * as well, and Linux 6.1 does not see one of millions grow (lab, kernel_plane_test).
 */
const SERIALS_APART = 0x100;
const TEBIBYTE = 1024 ** 4;
const DEFAULT_CAPACITY_BYTES = 20 * TEBIBYTE;
const DEFAULT_LIMITS: ObjectLimits = { volumes: 20_000, snapshots: 100_000, hosts: 2_000 };

/** FlashArray pages: 1,000 items, `more_items_remaining`, count only when asked. */
const FLASHARRAY_LIST: ListStyle = {
  pageMax: 1000,
  moreItemsRemaining: true,
  alwaysCounts: false,
  allowsErrorsSince: 38,
};

/**
 * The key of a stored connection, and of one that is read; names differ by more than case, and none
 * has a colon.
 */
export function connectionKey({ host, group, volumeId }: Omit<ConnectionRecord, "lun">): string {
  const holder = host === "" ? `group:${group}` : host;
  return `${holder.toLowerCase()}/${volumeId}`;
}

/** What one simulated FlashArray holds, and the rules that several resources share. */
export class FlashArrayState {
  readonly context: ArrayContext;
  readonly volumes: Table<VolumeRecord>;
  readonly containers: Containers<VolumeRecord>;
  readonly snapshots: Table<SnapshotRecord>;
  readonly hosts: Table<HostRecord>;
  readonly hostGroups: Table<HostGroupRecord>;
  readonly connections: Table<ConnectionRecord>;
  readonly protection: ProtectionState;
  readonly capacityBytes: number;
  readonly limits: ObjectLimits;
  readonly eradication: Eradication;
  /**
   * Every change takes its turn: copies of images wait, and nothing may change between a check and
   * what relies on it.
   */
  readonly turns = new Turns();
  readonly #meta: Table<{ serials: number }>;
  readonly #hostsByGroup: Derived<Map<string, HostRecord[]>>;
  readonly #reach: Derived<ConnectionRecord[]>;
  readonly #connectionsByVolume: Derived<Map<string, ConnectionRecord[]>>;
  readonly #connectionsByHost: Derived<Map<string, ConnectionRecord[]>>;
  readonly #snapshotsByVolume: Derived<Map<string, SnapshotRecord[]>>;
  readonly #snapshotsByName: Derived<Map<string, SnapshotRecord>>;
  readonly #nextEradicationMs: Derived<number>;
  readonly #costs: ImageCosts;

  constructor(context: ArrayContext) {
    this.context = context;
    const { store } = context;
    this.capacityBytes = context.capacityBytes ?? DEFAULT_CAPACITY_BYTES;
    this.limits = { ...DEFAULT_LIMITS, ...context.limits };
    this.eradication = eradicationOf(context);
    // Purity takes names in any case and keeps the case they were made with.
    this.volumes = store.table("volumes", (volume) => volume.name.toLowerCase());
    this.containers = new Containers(context, this.volumes);
    this.snapshots = store.table("snapshots", (snapshot) => snapshot.id);
    this.hosts = store.table("hosts", (host) => host.name.toLowerCase());
    this.hostGroups = store.table("host-groups", (group) => group.name.toLowerCase());
    this.connections = store.table("connections", (connection) => connectionKey(connection));
    this.protection = new ProtectionState(store);
    this.#meta = store.table("meta", () => "meta");
    this.#hostsByGroup = new Derived(
      store,
      () =>
        Map.groupBy(
          [...this.hosts.values()].filter(({ group }) => group !== undefined),
          ({ group = "" }) => group.toLowerCase(),
        ),
    );
    this.#reach = new Derived(
      store,
      () => [...this.connections.values()].flatMap((connection) => this.rowsOf(connection)),
    );
    this.#connectionsByVolume = new Derived(
      store,
      () => Map.groupBy(this.#reach.get(), ({ volumeId }) => volumeId),
    );
    this.#connectionsByHost = new Derived(
      store,
      () => Map.groupBy(this.#reach.get(), ({ host }) => host.toLowerCase()),
    );
    this.#snapshotsByVolume = new Derived(
      store,
      () => Map.groupBy(this.snapshots.values(), ({ volumeId }) => volumeId),
    );
    this.#snapshotsByName = new Derived(
      store,
      () =>
        new Map(
          [...this.snapshots.values()].map((
            snapshot,
          ) => [this.snapshotName(snapshot).toLowerCase(), snapshot]),
        ),
    );
    this.#costs = new ImageCosts({
      images: context.plane?.images,
      owners: () => this.volumes.values(),
      snapshotsOf: (volumeId) => this.snapshotsOf(volumeId),
    });
    this.#nextEradicationMs = new Derived(store, () => this.#findNextEradication());
  }

  /**
   * The answer of a GET: a list, or with a `stale` fault the list as it was before the last change.
   */
  list<T>(call: Call, listed: Listed<T>): Answer {
    const read = () => listAnswer(call, listed, FLASHARRAY_LIST);
    return call.stale ? this.context.store.stale(read) : read();
  }

  /**
   * A handler of changes: what it asks for beyond `modelled` is refused, and it takes its turn.
   */
  changing(
    modelled: Modelled,
    handler: (state: FlashArrayState, call: Call) => Answer | Promise<Answer>,
  ): (call: Call) => Promise<Answer> {
    return (call) =>
      this.turns.take(() => {
        requireModelled(call, modelled, this.context.name);
        return handler(this, call);
      });
  }

  volumeNamed(name: string): VolumeRecord | undefined {
    return this.volumes.find(name.toLowerCase());
  }

  hostNamed(name: string): HostRecord | undefined {
    return this.hosts.find(name.toLowerCase());
  }

  hostGroupNamed(name: string): HostGroupRecord | undefined {
    return this.hostGroups.find(name.toLowerCase());
  }

  membersOf({ name }: HostGroupRecord): HostRecord[] {
    return this.#hostsByGroup.get().get(name.toLowerCase()) ?? [];
  }

  /** A stored connection as it is read: of a group one for each of its hosts. */
  rowsOf(connection: ConnectionRecord): ConnectionRecord[] {
    const { group } = connection;
    if (group === undefined) return [connection];
    const members = this.membersOf({ name: group });
    if (members.length === 0) return [connection];
    return members.map(({ name }) => ({ ...connection, host: name }));
  }

  /** All connections, of groups one for each host. */
  reach(): ConnectionRecord[] {
    return this.#reach.get();
  }

  snapshotNamed(name: string): SnapshotRecord | undefined {
    return this.#snapshotsByName.get().get(name.toLowerCase());
  }

  snapshotName({ volumeId, suffix, groupSnapshotId = "" }: SnapshotRecord): string {
    const volume = this.volumes.get(volumeId)?.name ?? "";
    const group = this.protection.snapshots.get(groupSnapshotId);
    return group ? `${this.protection.nameOf(group)}.${volume}` : `${volume}.${suffix}`;
  }

  /** Destroyed ones included. */
  snapshotsOf(volumeId: string): SnapshotRecord[] {
    return this.#snapshotsByVolume.get().get(volumeId) ?? [];
  }

  connectionsOfVolume(volumeId: string): ConnectionRecord[] {
    return this.#connectionsByVolume.get().get(volumeId) ?? [];
  }

  connectionsOfHost(host: string): ConnectionRecord[] {
    return this.#connectionsByHost.get().get(host.toLowerCase()) ?? [];
  }

  /**
   * The host as the data plane must show it, without the connections that are about to end, by key.
   */
  planeHost(
    { name, iqns, nqns, chap, preferredArrays = [] }: HostRecord,
    ended: ReadonlySet<string> = new Set(),
  ): PlaneHost {
    const isOther = !preferredArrays.some((one) => one.name === this.context.name);
    const access: AccessState = preferredArrays.length > 0 && isOther
      ? "non-optimized"
      : "optimized";
    const connections = this.connectionsOfHost(name)
      .filter((connection) => !ended.has(connectionKey(connection)))
      .map(({ lun, volumeId }) => {
        const volume = this.volumes.get(volumeId);
        if (volume === undefined) {
          throw new Error(`volume ${volumeId} is connected to ${name} and does not exist`);
        }
        const isShared = this.containers.podOf(volume.name)?.members !== undefined;
        return {
          lun,
          volume: { id: volumeId, serial: volume.serial, sizeBytes: volume.provisioned },
          ...(isShared ? { access } : {}),
        };
      });
    return { name, iqns, nqns, chap, connections };
  }

  /** 24 upper-case hex digits, never given twice. Inside change(). */
  nextSerial(): string {
    const id = this.context.id.replaceAll("-", "");
    const first = FIRST_SERIAL + parseInt(id.slice(-2), 16) * SERIALS_APART;
    const serials = (this.#meta.get("serials")?.serials ?? first) + 1;
    this.#meta.set("serials", { serials });
    const prefix = id.slice(0, 16);
    return (prefix + serials.toString(16).padStart(8, "0")).toUpperCase();
  }

  /** What each image costs the array; a moment old at most, as Images.allocated(). */
  storedBytes(): ReadonlyMap<string, number> {
    return this.#costs.get();
  }

  /**
   * Physical bytes that are stored. A call that a `full` fault hit sees the whole capacity in use.
   */
  usedBytes(call?: Call): number {
    if (call?.full) return this.capacityBytes;
    let used = 0;
    for (const bytes of this.storedBytes().values()) used += bytes;
    return used;
  }

  /** Removes a destroyed volume for ever, with its snapshots. */
  eradicateVolume(volume: VolumeRecord): void {
    const snapshots = this.snapshotsOf(volume.id);
    this.context.store.change(() => {
      this.volumes.delete(volume.id);
      this.protection.forgetVolume(volume.id);
      for (const { id } of snapshots) this.snapshots.delete(id);
    });
    // After the state: a crash between the two leaves an image without an owner, which the next
    // start removes.
    for (const { id } of [volume, ...snapshots]) this.context.plane?.images.removeImage(id);
    this.context.plane?.images.remeasure();
  }

  eradicateSnapshot(snapshot: SnapshotRecord): void {
    this.context.store.change(() => this.snapshots.delete(snapshot.id));
    this.context.plane?.images.removeImage(snapshot.id);
    this.context.plane?.images.remeasure();
  }

  /** True when something has been destroyed for longer than the delay. */
  isExpiryDue(): boolean {
    return this.#nextEradicationMs.get() <= this.context.clock.now();
  }

  /** Eradicates what is due. */
  expire(): void {
    const now = this.context.clock.now();
    const due = (destroyedMs: number | null) =>
      destroyedMs !== null && destroyedMs + this.eradication.delayMs <= now;
    for (const volume of [...this.volumes.values()]) {
      if (due(volume.destroyedMs)) this.eradicateVolume(volume);
    }
    for (const snapshot of [...this.snapshots.values()]) {
      if (due(snapshot.destroyedMs)) this.eradicateSnapshot(snapshot);
    }
    this.context.store.change(() => this.protection.expire(due));
  }

  #findNextEradication(): number {
    const { groups, snapshots } = this.protection;
    let next = Infinity;
    for (const table of [this.volumes, this.snapshots, groups, snapshots]) {
      for (const { destroyedMs } of table.values()) {
        if (destroyedMs !== null) next = Math.min(next, destroyedMs + this.eradication.delayMs);
      }
    }
    return next;
  }
}
