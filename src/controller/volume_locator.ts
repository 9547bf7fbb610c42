import type { ArrayStatus, Snapshot, Volume } from "../arrays/array.ts";
import { arrayHintOf, type Fleet, type FleetMember } from "../arrays/fleet.ts";
import { PsoError } from "../errors.ts";
import { BoundedMap } from "./bounded_map.ts";
import { parseSnapshotId, parseVolumeId, snapshotIdOf, volumeIdOf } from "./volume_id.ts";

/**
 * Volumes that the cluster knows by an old handle; forgetting one costs csi-attacher one needless
 * publish.
 */
const MAX_OLD_HANDLES = 20_000;

export interface LocatedVolume {
  member: FleetMember;
  volume: Volume;
}

export interface LocatedSnapshot {
  member: FleetMember;
  snapshot: Snapshot;
}

export interface ListedArray {
  member: FleetMember;
  /** First 8 hex digits of `arrayId`. */
  hint: string;
  arrayId: string;
}

/** From CSI handles to volumes on arrays and back. */
export class VolumeLocator {
  readonly #fleet: Fleet;
  /** Our handle → the one by which the cluster calls the volume. */
  readonly #oldHandles = new BoundedMap<string, string>(MAX_OLD_HANDLES);

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /**
   * The array and name that the handle itself says, without any call; `undefined` for old handles
   * and unknown arrays.
   */
  hinted(volumeId: string): { member: FleetMember; name: string } | undefined {
    const { arrayHint, names } = parseVolumeId(volumeId);
    const member = arrayHint === undefined ? undefined : this.#fleet.memberByHint(arrayHint);
    const name = names[0];
    return member && name !== undefined ? { member, name } : undefined;
  }

  /**
   * The live volume behind a handle of any form. `undefined` only when every array that could hold
   * it has answered, `unavailable` otherwise, `invalid` for a handle above 128 bytes.
   */
  async find(
    volumeId: string,
    signal: AbortSignal,
    options: { hosts?: boolean } = {},
  ): Promise<LocatedVolume | undefined> {
    const { arrayHint, names } = parseVolumeId(volumeId);
    const [ours, old] = names;
    if (arrayHint === undefined) {
      for (const name of names) {
        const found = await this.#fleet.find({ name }, signal, options);
        if (found) return found;
      }
      return undefined;
    }
    // PSO 5.0 handles began with a prefix, and one may look like an array's id: it does so only if
    // no array of ours has that id.
    if (old !== undefined && !this.#fleet.memberByHint(arrayHint)) {
      const found = await this.#fleet.find({ name: old }, signal, options);
      if (found) return found;
    }
    return ours === undefined
      ? undefined
      : await this.#fleet.find({ arrayHint, name: ours }, signal, options);
  }

  /** As `find`, and `not_found` when there is none. */
  async need(
    volumeId: string,
    signal: AbortSignal,
    options: { hosts?: boolean } = {},
  ): Promise<LocatedVolume> {
    const found = await this.find(volumeId, signal, options);
    if (found) return found;
    throw new PsoError(
      "not_found",
      `volume ${volumeId} does not exist: every array that could hold it was asked`,
    );
  }

  /** The live snapshot behind a handle, by the rules of `find`. */
  async findSnapshot(
    snapshotId: string,
    signal: AbortSignal,
  ): Promise<LocatedSnapshot | undefined> {
    const handle = parseSnapshotId(snapshotId);
    return handle && await this.#fleet.findSnapshot(handle, signal);
  }

  /** Notes by which handle the cluster calls a volume, so that lists name it so. */
  learn(volumeId: string, arrayId: string, name: string): void {
    const ours = volumeIdOf(arrayId, name);
    if (ours !== volumeId) this.#oldHandles.set(ours, volumeId);
  }

  /** The handle of a volume: the one that the cluster uses, if it showed another than ours. */
  idOf(arrayId: string, name: string): string {
    const ours = volumeIdOf(arrayId, name);
    return this.#oldHandles.get(ours) ?? ours;
  }

  snapshotIdOf(arrayId: string, name: string): string {
    return snapshotIdOf(arrayId, name);
  }

  /** What is known of an array, asked for if nothing is. */
  async statusOf(member: FleetMember, signal: AbortSignal): Promise<ArrayStatus> {
    return member.status ?? await member.array.status(signal);
  }

  /**
   * Arrays in the order in which lists go through them. `unavailable` while one has never answered:
   * a list without it would say that its volumes are gone.
   */
  listOrder(): ListedArray[] {
    const order: ListedArray[] = [];
    for (const member of this.#fleet.members) {
      const { array, status, problem } = member;
      if (!status) {
        throw problem ??
          new PsoError(
            "unavailable",
            `array ${array.label} has not answered yet: the list would not be whole`,
          );
      }
      order.push({ member, hint: arrayHintOf(status.id), arrayId: status.id });
    }
    return order.sort((a, b) => a.hint < b.hint ? -1 : 1);
  }
}
