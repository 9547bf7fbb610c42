import type { Topology, TopologyRequirement } from "./requests.ts";

/** Only labels and segments of this prefix say where an array is (PSO 5.1 and later). */
export const TOPOLOGY_PREFIX = "topology.purestorage.com/";

function segmentsOf(labels: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(labels).filter(([key]) => key.startsWith(TOPOLOGY_PREFIX));
}

/** Where the array's volumes can be reached from: its topology labels; empty = from everywhere. */
export function accessibleTopologyOf(labels: Readonly<Record<string, string>>): Topology[] {
  const segments = segmentsOf(labels);
  return segments.length === 0 ? [] : [Object.fromEntries(segments)];
}

/** Whether the requirement says anything of where the volume must be reachable from. */
export function namesPlace(requirement: TopologyRequirement | undefined): boolean {
  return (requirement?.requisite ?? []).some((term) => segmentsOf(term).length > 0);
}

/**
 * The first segment of `term` that the array does not have; an array without topology labels is
 * reached from everywhere.
 */
function unmetSegment(
  labels: Readonly<Record<string, string>>,
  term: Topology,
): string | undefined {
  if (segmentsOf(labels).length === 0) return undefined;
  const unmet = segmentsOf(term).find(([key, value]) => labels[key] !== value);
  return unmet && `${unmet[0]}=${unmet[1]}`;
}

/**
 * Why the array cannot serve any of the requisite topologies; `undefined` when it serves one or
 * none is asked for.
 */
export function topologyFault(
  labels: Readonly<Record<string, string>>,
  requirement: TopologyRequirement | undefined,
): string | undefined {
  const requisite = requirement?.requisite ?? [];
  const unmet = requisite.map((term) => unmetSegment(labels, term));
  if (requisite.length === 0 || unmet.includes(undefined)) return undefined;
  return `is not labelled ${[...new Set(unmet)].slice(0, 3).join(" or ")}`;
}

/**
 * The place of the first preferred topology that the array serves; after all of them when it serves
 * none.
 */
export function preferenceRank(
  labels: Readonly<Record<string, string>>,
  requirement: TopologyRequirement | undefined,
): number {
  const preferred = requirement?.preferred ?? [];
  const rank = preferred.findIndex((term) => unmetSegment(labels, term) === undefined);
  return rank === -1 ? preferred.length : rank;
}
