import {
  type LabelSet,
  TOPOLOGY_PREFIX,
  topologyLabels,
} from "../config/arrays/topology_labels.ts";
import type { Topology, TopologyRequirement } from "./requests.ts";

/**
 * Where the array's volumes can be reached from: its topology labels, those that `labelKeys` names
 * too; empty = from everywhere.
 */
export function accessibleTopologyOf(labels: LabelSet, labelKeys: readonly string[]): Topology[] {
  const segments = topologyLabels(labels, labelKeys);
  return Object.keys(segments).length === 0 ? [] : [segments];
}

/** Whether the requirement says anything of where the volume must be reachable from. */
export function namesPlace(requirement: TopologyRequirement | undefined): boolean {
  const { requisite, labelKeys = [] } = requirement ?? { requisite: [] };
  return requisite.some((term) => Object.keys(topologyLabels(term, labelKeys)).length > 0);
}

/**
 * The first segment of `term` that the array does not have. Of PSO's prefix an array that has any
 * label must have every one that is asked for. Of another label only another value counts: an array
 * without it is reached from everywhere.
 */
function unmetSegment(
  labels: LabelSet,
  term: Topology,
  labelKeys: readonly string[] = [],
): string | undefined {
  const hasPrefix = Object.keys(labels).some((key) => key.startsWith(TOPOLOGY_PREFIX));
  const isBound = (key: string) => key.startsWith(TOPOLOGY_PREFIX) ? hasPrefix : key in labels;
  const unmet = Object.entries(topologyLabels(term, labelKeys))
    .find(([key, value]) => isBound(key) && labels[key] !== value);
  return unmet && `${unmet[0]}=${unmet[1]}`;
}

/**
 * Why the array cannot serve any of the requisite topologies; `undefined` when it serves one or
 * none is asked for.
 */
export function topologyFault(
  labels: LabelSet,
  requirement: TopologyRequirement | undefined,
): string | undefined {
  const requisite = requirement?.requisite ?? [];
  const unmet = requisite.map((term) => unmetSegment(labels, term, requirement?.labelKeys));
  if (requisite.length === 0 || unmet.includes(undefined)) return undefined;
  return `is not labelled ${[...new Set(unmet)].slice(0, 3).join(" or ")}`;
}

/**
 * The place of the first preferred topology that the array serves; after all of them when it serves
 * none.
 */
export function preferenceRank(
  labels: LabelSet,
  requirement: TopologyRequirement | undefined,
): number {
  const preferred = requirement?.preferred ?? [];
  const rank = preferred.findIndex((term) =>
    unmetSegment(labels, term, requirement?.labelKeys) === undefined
  );
  return rank === -1 ? preferred.length : rank;
}
