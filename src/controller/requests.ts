import type { BlockRange, VolumeKind } from "../arrays/array.ts";
import type { Capability } from "../capability.ts";
import type { ChapCredentials } from "../chap.ts";

// What Provisioner is asked and what it answers: the CSI messages as plain values. Sizes are bytes,
// times milliseconds since 1970. The wire's own checks (required fields, 128-byte names, negative
// numbers) are done by csi/ before a request gets here.

/** 0 = not given. */
export interface CapacityRange {
  requiredBytes: number;
  limitBytes: number;
}

/** CSI handle of what a new volume is made from. */
export type ContentSource = { snapshotId: string } | { volumeId: string };

/** One CSI Topology: its segments. */
export type Topology = Record<string, string>;

/** Where a new volume must be reachable from (CSI `TopologyRequirement`). */
export interface TopologyRequirement {
  /** The volume must be reachable from at least one of these; empty = from anywhere. */
  requisite: Topology[];
  /** Tried first to last. */
  preferred: Topology[];
  /** storagetopology.nodeLabels: keys that count beside those of PSO's prefix. */
  labelKeys?: readonly string[];
}

/** CreateVolume: a claim, with the parameters of its class. */
export interface CreateVolumeRequest {
  /** CSI name, at most 128 bytes. */
  name: string;
  capacityRange?: CapacityRange;
  /** At least one. */
  capabilities: Capability[];
  parameters: Record<string, string>;
  /** Of the claim's VolumeAttributesClass; they count before those of the class. */
  mutableParameters?: Record<string, string>;
  contentSource?: ContentSource;
  topology?: TopologyRequirement;
}

/** A volume as Kubernetes keeps it in a PersistentVolume. */
export interface VolumeAnswer {
  volumeId: string;
  capacityBytes: number;
  volumeContext: Record<string, string>;
  contentSource?: ContentSource;
  /** Empty = reachable from everywhere. */
  accessibleTopology: Topology[];
}

/** ControllerPublishVolume: a pod on the node wants the volume. */
export interface PublishRequest {
  volumeId: string;
  nodeId: string;
  capability: Capability;
  readOnly: boolean;
  volumeContext: Record<string, string>;
  /** Of the class's controller-publish secret; used by iSCSI only. */
  chap?: ChapCredentials;
}

/** ControllerUnpublishVolume: no pod on the node uses the volume any more. */
export interface UnpublishRequest {
  volumeId: string;
  /** Empty = from all nodes. */
  nodeId: string;
}

/** ValidateVolumeCapabilities: could the volume be used in all of these ways? */
export interface ValidateRequest {
  volumeId: string;
  /** What CreateVolume answered, or what the administrator wrote into the PersistentVolume. */
  volumeContext: Record<string, string>;
  /** At least one. */
  capabilities: Capability[];
  parameters: Record<string, string>;
  mutableParameters?: Record<string, string>;
}

/** `confirmed`, or why not, in a sentence. */
export type ValidateAnswer = { confirmed: true } | { confirmed: false; message: string };

/** Which part of a list is asked for. */
export interface ListRequest {
  /** 0 = no limit by the caller. */
  maxEntries: number;
  /** Empty = from the beginning. */
  startingToken: string;
}

/** A volume and the node_ids of the nodes that it is published to. */
export interface PublishedVolume {
  volume: VolumeAnswer;
  publishedNodeIds: string[];
}

/** One part of ListVolumes. */
export interface VolumePage {
  entries: PublishedVolume[];
  /** Empty on the last page. */
  nextToken: string;
}

/** One thing that is wrong with a volume, as the controller sees it; empty lists mean healthy. */
export interface HealthFinding {
  status: "degraded" | "inaccessible";
  /** One CamelCase word; status and reason together are unique per volume. */
  reason: string;
  message: string;
}

/** A volume and what is wrong with it. */
export interface VolumeHealth {
  volumeId: string;
  findings: HealthFinding[];
}

/** One part of ControllerListVolumeHealth: only volumes with which something is wrong. */
export interface HealthPage {
  entries: VolumeHealth[];
  /** Empty on the last page. */
  nextToken: string;
}

/** GetCapacity: how much room is there for a class? */
export interface CapacityRequest {
  /** May be empty: csi-provisioner sends none. */
  capabilities: Capability[];
  /** Class parameters, raw: with all csi.storage.k8s.io/ keys. */
  parameters: Record<string, string>;
  topology?: Topology;
}

/** Bytes, by the last check of each array. */
export interface CapacityAnswer {
  /** Room on all arrays that fit. */
  availableBytes: number;
  /** Room on the array that has most. */
  maximumVolumeBytes: number;
  /** The smallest volume. */
  minimumVolumeBytes: number;
}

/** CreateSnapshot: a VolumeSnapshot, with the parameters of its class. */
export interface CreateSnapshotRequest {
  /** CSI name, at most 128 bytes. */
  name: string;
  sourceVolumeId: string;
  /** Of the snapshot class. */
  parameters?: Record<string, string>;
}

/** A snapshot as Kubernetes keeps it in a VolumeSnapshotContent. */
export interface SnapshotAnswer {
  snapshotId: string;
  sourceVolumeId: string;
  sizeBytes: number;
  createdMs: number;
  /** Snapshots of both kinds of array are usable at once. */
  readyToUse: true;
  /** The group snapshot that it belongs to, and is deleted with; absent: it stands alone. */
  groupSnapshotId?: string;
}

/** CreateVolumeGroupSnapshot: a VolumeGroupSnapshot, with the parameters of its class. */
export interface CreateGroupSnapshotRequest {
  /** CSI name, at most 128 bytes. */
  name: string;
  /** At least one. */
  sourceVolumeIds: string[];
  /** Of the group snapshot class. */
  parameters?: Record<string, string>;
}

/** GetVolumeGroupSnapshot and DeleteVolumeGroupSnapshot: the group, and which snapshots it has. */
export interface GroupSnapshotRequest {
  groupSnapshotId: string;
  /** Every one of the group's. */
  snapshotIds: string[];
}

/** A group snapshot as Kubernetes keeps it in a VolumeGroupSnapshotContent. */
export interface GroupSnapshotAnswer {
  groupSnapshotId: string;
  snapshots: SnapshotAnswer[];
  createdMs: number;
  readyToUse: true;
}

/** ListSnapshots: the two filters hold together. */
export interface ListSnapshotsRequest extends ListRequest {
  /** Empty = any. */
  snapshotId: string;
  /** Empty = any. */
  sourceVolumeId: string;
}

/** One part of ListSnapshots. */
export interface SnapshotPage {
  entries: SnapshotAnswer[];
  /** Empty on the last page. */
  nextToken: string;
}

/** GetMetadataAllocated, and with a base GetMetadataDelta. */
export interface BlocksRequest {
  snapshotId: string;
  /** An older snapshot of the same volume; absent: all that holds data is asked for. */
  baseSnapshotId?: string;
  /** Where to begin; after a stream that was cut, where its last range ended. */
  startingOffset: number;
  /** The most ranges of a part; 0 = as many as suit us. */
  maxResults: number;
}

/** One part of the answer. */
export interface BlocksPart {
  /** Of the snapshot; the same in every part. */
  sizeBytes: number;
  /** In ascending order over all parts. */
  ranges: readonly BlockRange[];
}

/** ControllerExpandVolume: the claim asks for more. */
export interface ExpandRequest {
  volumeId: string;
  capacityRange: CapacityRange;
  /** As the volume is used; may be absent. */
  capability?: Capability;
}

/** ControllerModifyVolume: the claim has another VolumeAttributesClass. */
export interface ModifyRequest {
  volumeId: string;
  /** What is to be changed; what it leaves out stays. */
  mutableParameters: Record<string, string>;
}

/** What a grown volume has now, and whether its node must follow. */
export interface ExpandAnswer {
  capacityBytes: number;
  nodeExpansionRequired: boolean;
}

/**
 * Which kind of array a volume_context says that the volume is on; `undefined` when it says none,
 * as in a PersistentVolume that an administrator wrote without it.
 */
export function backendOf({ backend }: Record<string, string>): VolumeKind | undefined {
  return backend === "block" || backend === "file" ? backend : undefined;
}
