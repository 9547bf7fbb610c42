import type { ArrayStatus } from "../../arrays/array.ts";
import type { RecentBytes } from "./recent_placements.ts";

/**
 * What each part of a score counts. The parts lie between 0 and 1, more is better; `capacity` may
 * be negative. docs/placement.md has this table, and a test compares them.
 */
export const WEIGHTS = {
  capacity: 1,
  committed: 0.5,
  load: 0.5,
  turn: 0.1,
  objects: 0.25,
  group: 2,
} as const;

/** What a score is the weighted sum of. */
export type ScorePart = keyof typeof WEIGHTS;
/** The parts, in the order in which people are shown them. */
export const SCORE_PARTS = Object.keys(WEIGHTS) as ScorePart[];

/**
 * Up to this many times its quiet time an array counts as not loaded, and up to this many of our
 * own calls for each that it takes at once nobody counts as waiting: small differences between two
 * samples must not move volumes.
 */
export const CALM_FACTOR = 2;

/** How a group of volumes stands to one array. */
export interface GroupOnArray {
  /** Volumes of the group that it holds. */
  volumes: number;
  /** They belong on one array; else on as many as can be. */
  together: boolean;
}

/** What the score of an array is made of. */
interface ScoredArray {
  status: Pick<ArrayStatus, "capacityBytes" | "usedBytes" | "provisionedBytes">;
  /** Time of an operation now as a multiple of the array's quiet time; absent when not known. */
  slowdown?: number;
  /** Our own calls there as a multiple of those that it takes at once; absent: none waits. */
  crowding?: number;
  recent: RecentBytes;
  /** Volumes of this cluster that it holds; absent when not known. */
  volumes?: number;
  group?: GroupOnArray;
}

/** The parts of an array's score for a volume of `sizeBytes`, where an array takes `volumesPerArray`. */
export function scoreParts(
  { status, slowdown = 1, crowding = 1, recent, volumes = 0, group }: ScoredArray,
  { sizeBytes, volumesPerArray }: { sizeBytes: number; volumesPerArray: number },
): Record<ScorePart, number> {
  const { capacityBytes, usedBytes, provisionedBytes = usedBytes } = status;
  return {
    capacity: 1 - (usedBytes + recent.unwrittenBytes + sizeBytes) / capacityBytes,
    committed: capacityBytes /
      (capacityBytes + provisionedBytes + recent.unseenBytes + sizeBytes),
    load: Math.min(1, CALM_FACTOR / Math.max(slowdown, Number.MIN_VALUE)),
    turn: Math.min(1, CALM_FACTOR / crowding),
    objects: volumesPerArray > 0 ? Math.max(0, 1 - (volumes + 1) / volumesPerArray) : 1,
    group: groupPart(group),
  };
}

function groupPart(group: GroupOnArray | undefined): number {
  if (group === undefined) return 1;
  return group.together ? Number(group.volumes > 0) : 1 / (1 + group.volumes);
}

/** The weighted sum. */
export function scoreOf(parts: Readonly<Record<ScorePart, number>>): number {
  return SCORE_PARTS.reduce((sum, part) => sum + WEIGHTS[part] * parts[part], 0);
}
