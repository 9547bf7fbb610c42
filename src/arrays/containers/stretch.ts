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
 * counts.
 */
export function stretchOf(
  { members }: { members: readonly FleetMember[] },
  { member, name }: Place,
): Stretch | undefined {
  const pod = podOfVolume(name);
  if (pod === undefined || member.array.kind === "file") return undefined;
  // Who takes the entry of a dead array out of the configuration says that nobody waits for it.
  const blocks = members.filter(({ array, twin, draining, problem }) =>
    array.kind === "block" && !twin && !(draining && problem)
  );
  const said = blocks.map((one) => podArrays(one, pod)).filter((arrays) =>
    arrays.some(({ id }) => id === member.id)
  );
  const arrays = new Map(said.flat().map((one) => [one.id, one]));
  if (arrays.size < 2) return undefined;
  const known = blocks.filter(({ id }) => id !== undefined && arrays.has(id));
  const ids = new Set(known.map(({ id }) => id));
  const strangers = [...arrays.values()].filter(({ id }) => !ids.has(id)).map(({ name }) => name);
  return {
    pod,
    members: known.sort((a, b) => (a.id ?? "") < (b.id ?? "") ? -1 : 1),
    strangers,
    unidentified: strangers.length === 0
      ? []
      : blocks.filter((one) => one.id === undefined && !one.joining),
  };
}

/**
 * Arrays that say, by their last check, that they have the volume's pod together with this one:
 * they show the same volume under the same name.
 */
export function partnersOf(
  { members }: { members: readonly FleetMember[] },
  place: Place,
): FleetMember[] {
  const pod = podOfVolume(place.name);
  if (pod === undefined) return [];
  return members.filter((member) =>
    member !== place.member && !member.twin &&
    podArrays(member, pod).some(({ id }) => id === place.member.id)
  );
}
