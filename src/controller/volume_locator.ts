import type { ArrayStatus, Snapshot, Volume } from "../arrays/array.ts";
import { arrayHintOf, type Fleet, type FleetMember } from "../arrays/fleet.ts";
import { PsoError } from "../errors.ts";
import { BoundedMap } from "./bounded_map.ts";
import { parseSnapshotId, parseVolumeId, volumeIdOf } from "./volume_id.ts";

/**
 * Volumes that the cluster knows by an old handle; forgetting one costs csi-attacher one needless
 * publish.
 */
const MAX_OLD_HANDLES = 20_000;

/** A live volume and the array that it is on. */
export interface LocatedVolume {
  member: FleetMember;
  volume: Volume;
}

/** A live snapshot and the array that it is on. */
export interface LocatedSnapshot {
  member: FleetMember;
  snapshot: Snapshot;
}

/** Where a volume is, as far as its handle says: enough for a call, and not yet looked up. */
export interface VolumePlace {
  member: FleetMember;
  /** Name on the array. */
  name: string;
}

/** One string per place, for maps. */
export function placeKey({ member, name }: VolumePlace): string {
  return `${member.array.label}\0${name}`;
}

/** An array that lists go through, with what tokens and handles call it. */
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
   * Where the handle itself says that the volume is, without any call. `undefined` for old handles,
   * for unknown arrays, and when the array's list shows that it does not hold the name.
   */
  placeByHandle(volumeId: string): VolumePlace | undefined {
    const { arrayHint, names } = parseVolumeId(volumeId);
    const member = arrayHint === undefined ? undefined : this.#fleet.memberByHint(arrayHint);
    const name = names[0];
    if (!member || name === undefined || !this.#fleet.mayHold(member, name)) return undefined;
    return { member, name };
  }

  /**
   * Where the volume is: by its handle without a call, else by a search. `undefined` and errors as
   * `find`.
   */
  async findPlace(volumeId: string, signal: AbortSignal): Promise<VolumePlace | undefined> {
    const place = this.placeByHandle(volumeId);
    if (place) return place;
    const found = await this.find(volumeId, signal);
    return found && { member: found.member, name: found.volume.name };
  }

  /** As `findPlace`, and `not_found` when there is none. */
  async needPlace(volumeId: string, signal: AbortSignal): Promise<VolumePlace> {
    return await this.findPlace(volumeId, signal) ?? notFound(volumeId);
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
    return await this.find(volumeId, signal, options) ?? notFound(volumeId);
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

function notFound(volumeId: string): never {
  throw new PsoError(
    "not_found",
    `volume ${volumeId} does not exist: every array that could hold it was asked`,
  );
}
