import { createHash } from "node:crypto";
import type { ArrayStatus, Feature, VolumeKind } from "../../arrays/array.ts";
import {
  absentContainerFault,
  containerLimitsFault,
  containerLimitsMend,
  containerMend,
  containerRoomFault,
  containerStateFault,
  type WantedContainer,
} from "../../arrays/fleet.ts";
import type { PlacementSettings } from "../../config/model.ts";
import {
  fileProtocolsFor,
  type Protocol,
  servesBlock,
  SUBSTITUTE_PROTOCOLS,
} from "../../protocols.ts";
import { formatSize } from "../../size.ts";
import { type LabelTerm, unmetTerm } from "./label_selector.ts";
import type { Rejection } from "./rejections.ts";
import { type GroupOnArray, scoreOf, type ScorePart, scoreParts } from "./score.ts";
import type { RecentBytes } from "./recent_placements.ts";
import type { TopologyRequirement } from "../requests.ts";
import { preferenceRank, topologyFault } from "../topology.ts";
import { firstOfEachPod, withSharedRoom } from "./stretched_pods.ts";

// Placement is a published formula: docs/placement.md. Filters throw out arrays, each with a reason;
// what is left is ordered: arrays that refused the last create come last, then by the first
// preferred topology that an array serves, then arrays that keep their headroom even if all that was
// placed lately were full, then by score (score.ts), then by a hash of volume and array, so that
// equal arrays share volumes evenly and a repeat decides alike.
//
// Room: an array has room for a volume that fits into what is physically free, less the headroom.
// Volumes are thin, so the sum of all volumes may exceed the capacity; one volume never exceeds the
// room.

/** What placement takes of what an array said of itself. */
export type PlacementStatus = Pick<
  ArrayStatus,
  | "id"
  | "restVersion"
  | "capacityBytes"
  | "usedBytes"
  | "provisionedBytes"
  | "features"
  | "protocols"
  | "containers"
>;

/** What one array is to placement. */
export interface PlacementArray {
  /** What tells it apart: its id, or its address until it has answered. */
  key: string;
  /** Name for people; two arrays may have the same one. */
  label: string;
  kind: VolumeKind;
  labels: Readonly<Record<string, string>>;
  status?: PlacementStatus;
  /** The administrator wants no new volumes there. */
  suspended?: boolean;
  /** Its entry was taken out of the configuration. */
  draining?: boolean;
  /** It refused the last create: it is tried after all others. */
  refuses?: boolean;
  /** Why it cannot be used now. */
  problem?: string;
  /** Placed lately and not visible in `status` yet. */
  recent: RecentBytes;
  /** Time of an operation now as a multiple of the array's quiet time; absent when not known. */
  slowdown?: number;
  /** Our own calls there as a multiple of those that it takes at once; absent: no more than those. */
  crowding?: number;
  /** Volumes of this cluster that it holds; absent when not known. */
  volumes?: number;
  /** Volumes of the new one's group that it holds; absent when that is in none. */
  group?: GroupOnArray;
}

/** A volume that needs an array. */
export interface PlacementRequest extends WantedContainer {
  /** Name on the array; decides ties. */
  volumeName: string;
  /** For messages: the name that the caller knows. */
  requestName: string;
  sizeBytes: number;
  kind: VolumeKind;
  protocol: Protocol | "auto";
  features: readonly Feature[];
  topology?: TopologyRequirement;
  arraySelector: readonly LabelTerm[];
  /** The array's own id, in lower case, when the class names it. */
  arrayId?: string;
  /** `key` of the only array that can make it: a clone stays on the array of its source. */
  onlyArray?: string;
  rules: PlacementSettings;
}

/** An array that can take the volume. */
export interface Candidate<A extends PlacementArray = PlacementArray> {
  array: A;
  score: number;
  parts: Record<ScorePart, number>;
  /** Place of the first preferred topology that it serves. */
  preference: number;
  /** It keeps its headroom only while volumes that were placed lately are not full. */
  isTight: boolean;
}

/** What placement decided; every array is in one of the two lists. */
export interface Decision<A extends PlacementArray = PlacementArray> {
  /** Best first. */
  candidates: Candidate<A>[];
  rejected: Rejection[];
}

/**
 * Bytes of the largest volume that fits on the array: physically free less the headroom, never
 * negative.
 */
export function roomOf(
  { capacityBytes, usedBytes }: Pick<ArrayStatus, "capacityBytes" | "usedBytes">,
  { headroomPercent }: Pick<PlacementSettings, "headroomPercent">,
): number {
  return Math.max(0, Math.floor(capacityBytes * (100 - headroomPercent) / 100 - usedBytes));
}

type Filter = (array: PlacementArray, request: PlacementRequest) => string | undefined;

/**
 * In this order. Filters that need no answer of the array come first, so that an array that does
 * not fit anyway is never refused for being down.
 */
const FILTERS: {
  name: string;
  passing: boolean;
  fault: Filter;
  /** What an administrator may do about it on an array. */
  mend?: (request: PlacementRequest) => string | undefined;
}[] = [
  {
    name: "source",
    passing: false,
    fault: ({ key }, { onlyArray }) => sourceFault(key, onlyArray),
  },
  { name: "array", passing: false, fault: arrayFault },
  {
    name: "kind",
    passing: false,
    fault: ({ kind }, request) =>
      kind === request.kind ? undefined : `serves no ${request.kind} volumes`,
  },
  {
    name: "topology",
    passing: false,
    fault: ({ labels }, { topology }) => topologyFault(labels, topology),
  },
  {
    name: "labels",
    passing: false,
    fault: ({ labels }, { arraySelector }) => labelFault(labels, arraySelector),
  },
  {
    name: "suspension",
    passing: false,
    fault: suspensionFault,
  },
  {
    name: "container",
    passing: false,
    // Of an array that never answered nobody knows what it has: the claim waits for it.
    fault: ({ status }, wanted) => status && absentContainerFault(status.containers, wanted),
    mend: ({ container }) => container && containerMend(container),
  },
  { name: "health", passing: true, fault: healthFault },
  {
    name: "state of the container",
    passing: true,
    fault: ({ status }, { container }) =>
      container && status && containerStateFault(status.containers, container),
  },
  {
    name: "limits of the volume group",
    passing: false,
    fault: ({ status }, wanted) => status && containerLimitsFault(status.containers, wanted),
    mend: containerLimitsMend,
  },
  { name: "protocol", passing: false, fault: protocolFault },
  { name: "feature", passing: false, fault: featureFault },
  { name: "objects", passing: false, fault: objectsFault },
  { name: "room", passing: false, fault: roomFault },
  {
    name: "quota of the container",
    passing: false,
    fault: ({ status }, { container, sizeBytes }) =>
      container && status && containerRoomFault(status.containers, { container, sizeBytes }),
  },
];

function sourceFault(key: string, onlyArray: string | undefined): string | undefined {
  return onlyArray === undefined || onlyArray === key ? undefined : "does not hold the source";
}

function arrayFault(
  { status }: PlacementArray,
  { arrayId }: PlacementRequest,
): string | undefined {
  // Of an array that never answered nobody knows the id: the claim waits for it.
  if (arrayId === undefined || status === undefined) return undefined;
  return status.id.toLowerCase() === arrayId ? undefined : `is not the array ${arrayId}`;
}

function labelFault(
  labels: Readonly<Record<string, string>>,
  terms: readonly LabelTerm[],
): string | undefined {
  const unmet = unmetTerm(terms, labels);
  return unmet && `does not meet ${unmet.text}`;
}

function suspensionFault({ suspended, draining }: PlacementArray): string | undefined {
  if (draining) return "was taken out of the configuration and gets no new volumes";
  return suspended ? "is suspended and gets no new volumes" : undefined;
}

function healthFault({ status, problem }: PlacementArray): string | undefined {
  if (problem !== undefined) return `cannot be used now (${problem})`;
  return status ? undefined : "has not answered yet";
}

function protocolFault(
  { kind, status }: PlacementArray,
  { protocol }: PlacementRequest,
): string | undefined {
  if (!status || servesProtocol(status.protocols, kind, protocol)) return undefined;
  const wanted = kind === "file"
    ? fileProtocolsFor(protocol).join(" or ")
    : protocol === "auto"
    ? "any block protocol"
    : protocol;
  return `serves ${[...status.protocols].join(", ") || "no protocol"}, not ${wanted}`;
}

/**
 * Whether an array with these protocols can serve the volume: by what is asked for, or by what it
 * has in the place of any.
 */
function servesProtocol(
  served: ReadonlySet<Protocol>,
  kind: VolumeKind,
  wanted: Protocol | "auto",
): boolean {
  if (SUBSTITUTE_PROTOCOLS.some((protocol) => served.has(protocol))) return true;
  if (kind === "file") return fileProtocolsFor(wanted).some((protocol) => served.has(protocol));
  return wanted === "auto" ? [...served].some(servesBlock) : served.has(wanted);
}

/** What an array without a feature cannot do: continues a sentence that its name begins. */
export const FEATURE_FAULTS: Readonly<Record<Feature, string>> = {
  clone: "cannot make a volume from a snapshot or a volume",
  qos: "cannot limit IOPS or bandwidth",
};

function featureFault(
  { status }: PlacementArray,
  { features }: PlacementRequest,
): string | undefined {
  const missing = features.find((feature) => !status?.features.has(feature));
  return missing && `${FEATURE_FAULTS[missing]} (REST ${status?.restVersion})`;
}

function objectsFault(
  { volumes }: PlacementArray,
  { rules: { volumesPerArray } }: PlacementRequest,
): string | undefined {
  if (volumesPerArray === 0 || volumes === undefined || volumes < volumesPerArray) return undefined;
  return `holds ${volumes} volumes of this cluster, and placement.volumesPerArray is ` +
    `${volumesPerArray}`;
}

function roomFault(
  { status }: PlacementArray,
  { sizeBytes, rules }: PlacementRequest,
): string | undefined {
  if (!status) return undefined;
  const room = roomOf(status, rules);
  return room >= sizeBytes && room > 0 ? undefined : `has ${formatSize(room)} free`;
}

/**
 * The arrays that can take the volume, best first, and why each other one cannot. Pure: the same
 * input decides the same.
 */
export function place<A extends PlacementArray>(
  request: PlacementRequest,
  arrays: readonly A[],
): Decision<A> {
  const decision: Decision<A> = { candidates: [], rejected: [] };
  for (const array of withSharedRoom(arrays, request, (status) => roomOf(status, request.rules))) {
    const rejection = rejectionOf(array, request);
    if (rejection) decision.rejected.push(rejection);
    else if (array.status) decision.candidates.push(candidateOf(array, array.status, request));
  }
  decision.candidates.sort((a, b) =>
    Number(a.array.refuses ?? false) - Number(b.array.refuses ?? false) ||
    a.preference - b.preference || Number(a.isTight) - Number(b.isTight) || b.score - a.score ||
    compare(tieBreak(b.array, request), tieBreak(a.array, request))
  );
  const { container } = request;
  const { first, others } = firstOfEachPod<A, Candidate<A>>(decision.candidates, request);
  for (const { candidate: { array: { key, label } }, by } of others) {
    const { what, name } = container ?? {};
    const reason = `has the ${what} ${name} together with ${by.array.label}, which is better`;
    decision.rejected.push({ key, array: label, reason, passing: false });
  }
  decision.candidates = first;
  return decision;
}

function rejectionOf(array: PlacementArray, request: PlacementRequest): Rejection | undefined {
  const { key, label } = array;
  for (const { passing, fault, mend } of FILTERS) {
    const reason = fault(array, request);
    if (reason === undefined) continue;
    return { key, array: label, reason, passing, ...(mend && { mend: mend(request) }) };
  }
  return undefined;
}

function candidateOf<A extends PlacementArray>(
  array: A,
  status: PlacementStatus,
  request: PlacementRequest,
): Candidate<A> {
  const { sizeBytes, rules, topology } = request;
  const parts = scoreParts({ ...array, status }, { ...rules, sizeBytes });
  return {
    array,
    score: scoreOf(parts),
    parts,
    preference: preferenceRank(array.labels, topology),
    isTight: roomOf(status, rules) < sizeBytes + array.recent.unwrittenBytes,
  };
}

/**
 * Rendezvous hash: each volume has its own order of equal arrays, and a new array changes the
 * choice only for the volumes that it wins.
 */
function tieBreak({ label, status }: PlacementArray, { volumeName }: PlacementRequest): string {
  return createHash("sha256").update(`${status?.id ?? label}\0${volumeName}`).digest("hex");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
