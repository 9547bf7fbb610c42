import { Derived, type Store, type Table } from "../../store.ts";

/** A protection group as it is stored, also while it is destroyed and not yet eradicated. */
export interface ProtectionGroupRecord {
  id: string;
  name: string;
  /** `null` while live. */
  destroyedMs: number | null;
  volumeIds: string[];
  /** Number of the next snapshot without a suffix of its own. */
  nextSnapshot: number;
}

/** A snapshot of a protection group; those of its volumes say that they belong to it. */
export interface GroupSnapshotRecord {
  id: string;
  groupId: string;
  suffix: string;
  createdMs: number;
  destroyedMs: number | null;
}

/** The protection groups of one simulated FlashArray, and their snapshots. */
export class ProtectionState {
  readonly groups: Table<ProtectionGroupRecord>;
  readonly snapshots: Table<GroupSnapshotRecord>;
  readonly #snapshotsByName: Derived<Map<string, GroupSnapshotRecord>>;

  constructor(store: Store) {
    this.groups = store.table("protection-groups", ({ name }) => name.toLowerCase());
    this.snapshots = store.table("protection-group-snapshots", ({ id }) => id);
    this.#snapshotsByName = new Derived(
      store,
      () =>
        new Map([...this.snapshots.values()].map((one) => [this.nameOf(one).toLowerCase(), one])),
    );
  }

  groupNamed(name: string): ProtectionGroupRecord | undefined {
    return this.groups.find(name.toLowerCase());
  }

  /** `GROUP.SUFFIX` */
  nameOf({ groupId, suffix }: GroupSnapshotRecord): string {
    return `${this.groups.get(groupId)?.name ?? ""}.${suffix}`;
  }

  snapshotNamed(name: string): GroupSnapshotRecord | undefined {
    return this.#snapshotsByName.get().get(name.toLowerCase());
  }

  /** Destroyed ones included. */
  snapshotsOf(groupId: string): GroupSnapshotRecord[] {
    return [...this.snapshots.values()].filter((one) => one.groupId === groupId);
  }

  /** Whether the volume is in a group, live or destroyed. */
  protects(volumeId: string): boolean {
    return [...this.groups.values()].some(({ volumeIds }) => volumeIds.includes(volumeId));
  }

  /** Takes an eradicated volume out of every group. Inside change(). */
  forgetVolume(volumeId: string): void {
    for (const group of [...this.groups.values()]) {
      if (!group.volumeIds.includes(volumeId)) continue;
      const volumeIds = group.volumeIds.filter((id) => id !== volumeId);
      this.groups.set(group.id, { ...group, volumeIds });
    }
  }

  /** Eradicates what is due; the snapshots of volumes go by their own time. */
  expire(due: (destroyedMs: number | null) => boolean): void {
    for (const { id, destroyedMs } of [...this.snapshots.values()]) {
      if (due(destroyedMs)) this.snapshots.delete(id);
    }
    for (const { id, destroyedMs } of [...this.groups.values()]) {
      if (due(destroyedMs)) this.groups.delete(id);
    }
  }
}
