import type { ArrayStatus, Snapshot, Volume, VolumeKind } from "../arrays/array.ts";
import {
  arrayHintOf,
  type Fleet,
  type FleetMember,
  type Hit,
  type HomeHandle,
  isIdentityProblem,
  memberKey,
  stretchOf,
} from "../arrays/fleet.ts";
import { refuseEmptyFleet } from "../config/arrays/no_arrays.ts";
import { isPsoError, PsoError } from "../errors.ts";
import { BoundedMap } from "./bounded_map.ts";
import { type Handle, parseSnapshotId, parseVolumeId, volumeIdOf } from "./volume_id.ts";
import { isOwnVolumeName, nameKey } from "../names.ts";

/**
 * Volumes that the cluster knows by an old handle; forgetting one costs csi-attacher one needless
 * publish.
 */
const MAX_OLD_HANDLES = 20_000;

/** A live volume and the array that it is on. */
export interface LocatedVolume {
  member: FleetMember;
  volume: Volume;
  /** As `Hit.isByMaker`. */
  isByMaker?: boolean;
}

/** A live snapshot and the array that it is on. */
interface LocatedSnapshot {
  member: FleetMember;
  snapshot: Snapshot;
  /** As `Hit.isByMaker`. */
  isByMaker?: boolean;
}

/** Where a volume is, as far as its handle says: enough for a call, and not yet looked up. */
export interface VolumePlace {
  member: FleetMember;
  /** Name on the array. */
  name: string;
}

/** One string per place, for maps: the same for every spelling of the name. */
export function placeKey({ member, name }: VolumePlace): string {
  return `${memberKey(member)}\0${nameKey(name)}`;
}

/** The name in a key of placeKey(), in lower case, if the place is on that array. */
export function nameIn(member: FleetMember, key: string): string | undefined {
  const [array, name] = key.split("\0");
  return array === memberKey(member) ? name : undefined;
}

/** An array that lists go through, with what tokens and handles call it. */
export interface ListedArray {
  member: FleetMember;
  /** First 8 hex digits of `arrayId`. */
  hint: string;
  arrayId: string;
}

/** How a handle is searched for. */
interface SearchOptions {
  /** Say who the volume is connected to. */
  hosts?: boolean;
  /** As `BareOptions.complete`. */
  complete?: boolean;
  /**
   * `volume_context.backend`: an old handle then means a volume on arrays of that kind. Absent =
   * both kinds.
   */
  kind?: VolumeKind;
}

/** How the fleet is asked for what a handle means. */
interface Search<T> {
  atHome: (handle: HomeHandle) => Promise<Hit<T> | undefined>;
  /** `ambiguous` for several, where one alone is wanted. */
  byName: (names: string[]) => Promise<Hit<T>[]>;
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
   * Every place that the handle may mean, without a call and without proof that anything is there:
   * for what is remembered by place.
   */
  placesByHandle(volumeId: string): VolumePlace[] {
    const { arrayHint, names } = parseVolumeId(volumeId);
    const home = arrayHint === undefined ? undefined : this.#fleet.memberByHint(arrayHint);
    const [ours] = names;
    if (home) return ours === undefined ? [] : [{ member: home, name: ours }];
    return this.#fleet.members.flatMap((member) => names.map((name) => ({ member, name })));
  }

  /**
   * Runs `work` where the handle says that the volume is, without a look-up. If `work` answers
   * `not_found` there, a search decides whether another array has this very volume. With
   * `byPartner` so it is when the array is silent, and another one has the volume's stretched pod
   * too.
   */
  async atPlace<T>(
    volumeId: string,
    { signal, byPartner = false, ...options }: SearchOptions & {
      signal: AbortSignal;
      byPartner?: boolean;
    },
    work: (place: VolumePlace) => Promise<T>,
  ): Promise<T> {
    const place = this.placeByHandle(volumeId);
    if (!place) return await work(placeOf(await this.need(volumeId, signal, options)));
    try {
      return await work(place);
    } catch (error) {
      const isSilent = byPartner && isPsoError(error, "unavailable", "timeout") &&
        stretchOf(this.#fleet, place) !== undefined && !signal.aborted;
      if (!isSilent && !isPsoError(error, "not_found")) throw error;
      const found = await this.need(volumeId, signal, options);
      if (found.member === place.member) throw error;
      return await work(placeOf(found));
    }
  }

  /**
   * The live volume behind a handle. A handle that names its array means that array's volume and no
   * other's (see `Fleet.find`). An old handle means the one volume of its name: `ambiguous` when
   * several arrays have one. `undefined` when it is gone, `unavailable` when that cannot be told,
   * `invalid` for a handle above 128 bytes.
   */
  async find(
    volumeId: string,
    signal: AbortSignal,
    options: SearchOptions = {},
  ): Promise<LocatedVolume | undefined> {
    const { kind, ...rest } = options;
    const [hit] = await this.#search(parseVolumeId(volumeId), {
      atHome: (handle) => this.#fleet.find(handle, signal, rest),
      byName: async (names) => listOf(await this.#fleet.findOnly({ names, kind }, signal, rest)),
    });
    return hit && { member: hit.member, volume: hit.item, isByMaker: hit.isByMaker };
  }

  /** As `find`, and `not_found` when there is none. */
  async need(
    volumeId: string,
    signal: AbortSignal,
    options: SearchOptions = {},
  ): Promise<LocatedVolume> {
    const found = await this.find(volumeId, signal, options);
    if (found) return found;
    throw new PsoError(
      "not_found",
      `volume ${volumeId} does not exist: ${this.#goneText(volumeId)}`,
    );
  }

  /**
   * Every volume that an old handle may mean; for a handle that names its array that volume alone.
   * Errors as `find`, but no `ambiguous` for an old handle.
   */
  async findAll(
    volumeId: string,
    signal: AbortSignal,
    options: Pick<SearchOptions, "hosts" | "complete"> = {},
  ): Promise<Hit<Volume>[]> {
    return await this.#search(parseVolumeId(volumeId), {
      atHome: (handle) => this.#fleet.find(handle, signal, options),
      byName: (names) => this.#fleet.findAll({ names }, signal, options),
    });
  }

  /** The live snapshot behind a handle, by the rules of `find`. */
  async findSnapshot(
    snapshotId: string,
    signal: AbortSignal,
    options: Pick<SearchOptions, "complete"> = {},
  ): Promise<LocatedSnapshot | undefined> {
    const [hit] = await this.#search(parseSnapshotId(snapshotId), {
      atHome: (handle) => this.#fleet.findSnapshot(handle, signal),
      byName: async (names) =>
        listOf(await this.#fleet.findOnlySnapshot({ names }, signal, options)),
    });
    return hit && { member: hit.member, snapshot: hit.item, isByMaker: hit.isByMaker };
  }

  /** As `findSnapshot`, and `not_found` when there is none. */
  async needSnapshot(snapshotId: string, signal: AbortSignal): Promise<LocatedSnapshot> {
    const found = await this.findSnapshot(snapshotId, signal);
    if (found) return found;
    throw new PsoError(
      "not_found",
      `snapshot ${snapshotId} does not exist: no array that could hold it has it`,
    );
  }

  async #search<T>(
    { arrayHint, names }: Handle,
    { atHome, byName }: Search<T>,
  ): Promise<Hit<T>[]> {
    const [ours, old] = names;
    if (ours === undefined) return [];
    if (arrayHint === undefined) return await byName(this.#likelyNames(names));
    // PSO 5.0 handles began with the cluster's prefix, which may look like an array's id. Such a
    // handle counts as an old one only if no configured array has that id, and the prefix is this
    // cluster's or an array has the volume.
    if (old !== undefined && !(await this.#fleet.identify(arrayHint))) {
      if (this.#fleet.isPrefix(arrayHint)) return await byName([old]);
      const hits = await byName([old]).catch((error) => {
        if (isPsoError(error, "unavailable")) return [];
        throw error;
      });
      if (hits.length > 0) return hits;
    }
    return listOf(await atHome({ arrayHint, name: ours }));
  }

  /**
   * `prefix/pv` of this cluster's own prefix can be PSO's form alone. No list of an array shows
   * that it lacks the other, a volume in a group, so that each silent array would be waited for.
   */
  #likelyNames(names: string[]): string[] {
    const [old, inGroup] = names;
    if (old === undefined || inGroup === undefined) return names;
    const [prefix = ""] = inGroup.split("/");
    const [volume = ""] = old.split(".");
    return this.#fleet.isPrefix(prefix) && isOwnVolumeName(prefix, volume) ? [old] : names;
  }

  /** Why a volume counts as gone, and which arrays have another one of its name. */
  #goneText(volumeId: string): string {
    const { arrayHint, names } = parseVolumeId(volumeId);
    const [name = volumeId] = names;
    if (arrayHint === undefined) return "every array that could hold it was asked";
    const home = this.#fleet.memberByHint(arrayHint)?.array.label ?? `${arrayHint}…`;
    const gone = `the array that made it, ${home}, has no live volume of that name`;
    const namesakes = this.#fleet.namesakesOf({ arrayHint, name });
    if (namesakes.length === 0) return gone;
    return `${gone}; ${namesakes.join(", ")} has one too, and that is another volume: ` +
      "to use it, make a PersistentVolume with its handle (docs/handles.md)";
  }

  /** Notes by which handle the cluster calls a volume, so that lists name it so. */
  learn(volumeId: string, arrayId: string, name: string): void {
    const ours = nameKey(volumeIdOf(arrayId, name));
    if (ours === volumeId) this.#oldHandles.delete(ours);
    else this.#oldHandles.set(ours, volumeId);
  }

  /** The handle of a volume: the one that the cluster uses, if it showed another than ours. */
  idOf(arrayId: string, name: string): string {
    const ours = volumeIdOf(arrayId, name);
    return this.#oldHandles.get(nameKey(ours)) ?? ours;
  }

  /** What is known of an array, asked for if nothing is. */
  async statusOf(member: FleetMember, signal: AbortSignal): Promise<ArrayStatus> {
    return member.status ?? await member.array.status(signal);
  }

  /**
   * Arrays in the order in which lists go through them, each once. `unavailable` while one has never
   * answered, or may be another than it seems, and while there is none: a list without it would say
   * that its volumes are gone. Nobody waits for an array that came a moment ago, or that was taken
   * out of the configuration and is unwell.
   */
  listOrder(): ListedArray[] {
    refuseEmptyFleet(this.#fleet);
    const order: ListedArray[] = [];
    for (const member of this.#fleet.members) {
      const { array, status, problem, twin, joining, draining } = member;
      if (twin || joining || (draining && problem)) continue;
      if (!status || isIdentityProblem(member)) {
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

function placeOf({ member, volume }: LocatedVolume): VolumePlace {
  return { member, name: volume.name };
}

function listOf<T>(one: T | undefined): T[] {
  return one === undefined ? [] : [one];
}
