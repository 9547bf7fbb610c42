import { podOfVolume } from "../../names.ts";
import type { FleetMember } from "../fleet_member.ts";
import { type PodArray, podNamed } from "./container_state.ts";

/** Where a volume is: an array, and the volume's name there. */
interface Place {
  member: FleetMember;
  name: string;
}

/** A volume whose pod is stretched over several arrays: one volume with one serial on all. */
export interface Stretch {
  /** The pod, as its volumes are named. */
  pod: string;
  /** The arrays of the fleet that have it, in the order of their ids. */
  members: readonly FleetMember[];
  /** The ids of all its arrays, also of those that nobody waits for. */
  ids: ReadonlySet<string>;
  /** What arrays of the pod call themselves to which no entry leads. */
  strangers: readonly string[];
  /** Arrays that never answered, and may be one of the `strangers`. */
  unidentified: readonly FleetMember[];
}

/** The arrays over which a member says its pod is stretched; none for a pod on it alone. */
export function podArrays({ status }: FleetMember, pod: string): readonly PodArray[] {
  return podNamed(status?.containers, pod)?.arrays ?? [];
}

/**
 * How the pod of a volume is stretched, by the last word of every array that has the pod with this
 * one; undefined for a volume in no such pod. What an array said before it went silent still
 * counts, also when its entry was taken out of the configuration since: it is one of the strangers
 * then.
 */
export function stretchOf(
  { members }: { members: readonly FleetMember[] },
  { member, name }: Place,
): Stretch | undefined {
  const pod = podOfVolume(name);
  if (pod === undefined || member.array.kind === "file") return undefined;
  const all = members.filter(({ array, twin }) => array.kind === "block" && !twin);
  const said = all.map((one) => podArrays(one, pod)).filter((arrays) =>
    arrays.some(({ id }) => id === member.id)
  );
  // Who takes the entry of a dead array out of the configuration says that nobody waits for it.
  const blocks = all.filter(({ draining, problem }) => !(draining && problem));
  const arrays = new Map(said.flat().map((one) => [one.id, one]));
  if (arrays.size < 2) return undefined;
  const known = blocks.filter(({ id }) => id !== undefined && arrays.has(id));
  if (known.length === 0) return undefined;
  const ids = new Set(known.map(({ id }) => id));
  const strangers = [...arrays.values()].filter(({ id }) => !ids.has(id)).map(({ name }) => name);
  return {
    pod,
    ids: new Set(arrays.keys()),
    members: known.sort((a, b) => (a.id ?? "") < (b.id ?? "") ? -1 : 1),
    strangers,
    unidentified: strangers.length === 0
      ? []
      : blocks.filter((one) => one.id === undefined && !one.joining),
  };
}

/** Arrays that share a pod with one that is silent. */
interface Partners {
  /** They say, by their last check, that they have the pod together with it. */
  now: readonly FleetMember[];
  /** It said so itself before it went silent; they say that they have the pod without it. */
  before: readonly FleetMember[];
}

/** The arrays that show the volume of a place under the same name, when that one is silent. */
export function partnersOf(
  { members }: { members: readonly FleetMember[] },
  { member: silent, name }: Place,
): Partners {
  const pod = podOfVolume(name);
  if (pod === undefined) return { now: [], before: [] };
  const others = members.filter((member) => member !== silent && !member.twin);
  const now = others.filter((member) => podArrays(member, pod).some(({ id }) => id === silent.id));
  const said = new Set(podArrays(silent, pod).map(({ id }) => id));
  const before = others.filter((member) =>
    !now.includes(member) && member.id !== undefined && said.has(member.id) &&
    podNamed(member.status?.containers, pod) !== undefined
  );
  return { now, before };
}
