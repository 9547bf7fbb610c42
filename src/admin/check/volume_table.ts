// The cluster's volumes as the arrays and as Kubernetes know them, side by side.
import type { Volume } from "../../arrays/array.ts";
import { arrayHintOf } from "../../arrays/fleet.ts";
import { onceEach } from "../../arrays/containers/copies.ts";
import { messageOf } from "../../errors.ts";
import { nameKey } from "../../names.ts";
import type { ArrayLook } from "./array_look.ts";
import { ownVolumes } from "./prefix_look.ts";
import type { ClaimedVolume } from "./volume_look.ts";

/**
 * Whether both know a volume: `ok`; `no pv` = on an array, and no PersistentVolume means it;
 * `missing` = on no array, and all that may have it have answered; `no array` = all have answered,
 * and none is the one that its handle names; `unknown` = an array that may have it did not answer;
 * `seen` = on an array, and no cluster was asked.
 */
export type VolumeState = "ok" | "no pv" | "missing" | "no array" | "unknown" | "seen";

/** One volume, for people and programs. */
export interface VolumeFacts {
  state: VolumeState;
  /** On the array; of a volume that is on none, the likeliest. */
  name: string;
  array?: string;
  sizeBytes?: number;
  usedBytes?: number;
  serial?: string;
  /** ISO 8601 */
  created?: string;
  /** Hosts (block) or client addresses (file). */
  hosts?: readonly string[];
  pv?: string;
  phase?: string;
  claim?: string;
  storageClass?: string;
  handle?: string;
}

/** A volume that an array has. */
export interface SeenVolume {
  look: ArrayLook;
  volume: Volume;
}

/** What both sides know. */
export interface VolumeTable {
  volumes: VolumeFacts[];
  /** Lists were longer than what was read. */
  isCut: boolean;
}

/** Which volumes are read. */
interface VolumeQuestion {
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster: string;
  claimed?: readonly ClaimedVolume[];
}

/** What the arrays have of the cluster's volumes. */
export interface SeenVolumes {
  /** By name. */
  seen: SeenVolume[];
  /** Lists were longer than what was read. */
  isCut: boolean;
  /** Those whose volumes are not known. */
  silent: ReadonlySet<ArrayLook>;
}

/**
 * Reads the volumes of all arrays that answered, and puts them beside the PersistentVolumes. What
 * cannot be listed is told to the array's findings. Never throws.
 */
export async function volumeTable(
  looks: readonly ArrayLook[],
  question: VolumeQuestion,
): Promise<VolumeTable> {
  const { seen, isCut, silent } = await seenVolumes(looks, question);
  return { volumes: joined(seen, { claimed: question.claimed, looks, silent }), isCut };
}

/**
 * Reads the volumes that bear a name of ours, and those that PersistentVolumes mean. An array whose
 * list fails is told to its findings, and counts as silent. Never throws.
 */
export async function seenVolumes(
  looks: readonly ArrayLook[],
  { cluster, claimed }: VolumeQuestion,
): Promise<SeenVolumes> {
  const seen: SeenVolume[] = [];
  let isCut = false;
  const silent = new Set<ArrayLook>();
  await Promise.all(looks.map(async (look) => {
    const { array, found } = look;
    if (array === undefined) return void silent.add(look);
    try {
      const own = await ownVolumes(array, { cluster });
      isCut ||= own.isCut;
      seen.push(...own.volumes.map((volume) => ({ look, volume })));
      seen.push(...await otherVolumes(look, { claimed, own: own.volumes }));
    } catch (error) {
      silent.add(look);
      found.fail("volumes", messageOf(error));
    }
  }));
  const once = onceEach(seen, {
    shownOf: ({ look: { status }, volume: { name, serial } }) => ({ status, name, serial }),
    isMeant: (one) => claimed?.some((pv) => isMeant(pv, one)) === true,
  });
  const sorted = once.toSorted((a, b) => a.volume.name < b.volume.name ? -1 : 1);
  return { seen: sorted, isCut, silent };
}

/** What else is asked for beside the volumes with a name of ours. */
interface OtherQuestion {
  claimed?: readonly ClaimedVolume[];
  own: readonly Volume[];
}

/** Names in one call. */
const NAMES = 50;

/** Volumes that a PersistentVolume means and that bear another name: imported ones, those of PSO. */
async function otherVolumes(
  look: ArrayLook,
  { claimed = [], own }: OtherQuestion,
): Promise<SeenVolume[]> {
  const { array, status } = look;
  if (array === undefined || status === undefined) return [];
  const known = new Set(own.map(({ name }) => nameKey(name)));
  const hint = arrayHintOf(status.id);
  const names = claimed.filter(({ arrayHint }) => arrayHint === undefined || arrayHint === hint)
    .flatMap(({ names }) => names).filter((name) => !known.has(nameKey(name)));
  const found: SeenVolume[] = [];
  for (let start = 0; start < names.length; start += NAMES) {
    const part = { names: names.slice(start, start + NAMES), limit: NAMES, hosts: true };
    const { items } = await array.listVolumes(part);
    found.push(...items.map((volume) => ({ look, volume })));
  }
  return found;
}

/** What a join needs beside the volumes that were seen. */
export interface JoinScope {
  claimed?: readonly ClaimedVolume[];
  looks: readonly ArrayLook[];
  silent: ReadonlySet<ArrayLook>;
}

function joined(
  seen: readonly SeenVolume[],
  { claimed, looks, silent }: JoinScope,
): VolumeFacts[] {
  const meant = new Set<SeenVolume>();
  const claims = (claimed ?? []).map((pv): VolumeFacts => {
    const found = seen.find((one) => isMeant(pv, one));
    if (found) meant.add(found);
    const state = found ? "ok" : absentState(pv, { looks, silent });
    return { state, name: pv.names[0] ?? pv.handle, ...factsOfPv(pv), ...found && factsOf(found) };
  });
  const rest = seen.filter((one) => !meant.has(one)).map((one): VolumeFacts => ({
    state: claimed ? "no pv" : "seen",
    ...factsOf(one),
  }));
  return [...claims, ...rest];
}

/** Why no array shows the volume. A handle of PSO names no array: every silent one may have it. */
export function absentState(
  { arrayHint }: ClaimedVolume,
  { looks, silent }: JoinScope,
): VolumeState {
  const isNamed = ({ status }: ArrayLook) =>
    status !== undefined && arrayHintOf(status.id) === arrayHint;
  const mayHaveIt = looks.filter((look) =>
    arrayHint === undefined || look.status === undefined || isNamed(look)
  );
  if (mayHaveIt.some((look) => silent.has(look))) return "unknown";
  return arrayHint === undefined || looks.some(isNamed) ? "missing" : "no array";
}

/** Whether the handle of the PersistentVolume names this volume, by its array and its name. */
export function isMeant(
  { names, arrayHint }: ClaimedVolume,
  { look, volume }: SeenVolume,
): boolean {
  const id = look.status?.id;
  if (arrayHint !== undefined && (id === undefined || arrayHintOf(id) !== arrayHint)) return false;
  return names.some((name) => nameKey(name) === nameKey(volume.name));
}

function factsOf({ look, volume }: SeenVolume): Omit<VolumeFacts, "state"> {
  const { name, sizeBytes, usedBytes, serial, createdMs, hosts } = volume;
  return {
    name,
    array: look.array?.label,
    sizeBytes,
    usedBytes,
    serial,
    created: createdMs > 0 ? new Date(createdMs).toISOString() : undefined,
    hosts,
  };
}

function factsOfPv(
  { pv, phase, claim, storageClass, handle }: ClaimedVolume,
): Pick<VolumeFacts, "pv" | "phase" | "claim" | "storageClass" | "handle"> {
  return { pv, phase, claim, storageClass, handle };
}
