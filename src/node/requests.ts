import type { Capability } from "../capability.ts";
import type { ChapCredentials } from "../chap.ts";
import type { Attachment } from "../handoff.ts";

// What the CSI node service asks of NodePlugin (node_plugin.ts), as plain values.

/** NodeStageVolume (CSI 1.13). */
export interface StageRequest {
  volumeId: string;
  stagingPath: string;
  capability: Capability;
  attachment: Attachment;
  /** From CreateVolume: what the class says to nodes, such as `createoptions` (options of mkfs). */
  volumeContext: Record<string, string>;
  /** Of the class's node-stage secret; used by iSCSI only. */
  chap?: ChapCredentials;
  /** A pod describes the volume itself: kubelet knows of no stage, and the unpublish unstages it. */
  inline?: true;
}

/** NodeUnstageVolume: the volume, and the path where it was staged. */
export interface UnstageRequest {
  volumeId: string;
  stagingPath: string;
}

/** NodePublishVolume: `targetPath` is in the folder of the pod, and may not be there yet. */
export interface PublishRequest {
  volumeId: string;
  stagingPath: string;
  targetPath: string;
  capability: Capability;
  readOnly: boolean;
  /** Which volume the controller has published; it must be the staged one when given. */
  attachment?: Attachment;
  /** As of the stage: a dead mount of the volume is replaced by a stage that reads it again. */
  volumeContext?: Record<string, string>;
}

/** NodeUnpublishVolume: the volume may still be published at other paths. */
export interface UnpublishRequest {
  volumeId: string;
  targetPath: string;
}

/**
 * NodeExpandVolume. `volumePath` is the staging path or a published path; `stagingPath` helps when
 * it is known.
 */
export interface ExpandRequest {
  volumeId: string;
  volumePath: string;
  stagingPath?: string;
  /**
   * What the device, and the file system on it, must at least hold. Absent: as large as the device
   * is.
   */
  requiredBytes?: number;
}

/** NodeGetVolumeStats. Only `volumePath` is looked at. */
export interface StatsRequest {
  volumeId: string;
  volumePath: string;
  stagingPath?: string;
}

/** NodeGetVolumeHealth; the paths help when the node has no record of the volume. */
export interface HealthRequest {
  volumeId: string;
  volumePath: string;
  stagingPath?: string;
}

/** Use of a mounted file system, in bytes and inodes, or the size of a raw block volume. */
export type VolumeStats =
  | { type: "mount"; bytes: Usage; inodes: Usage }
  | { type: "block"; sizeBytes: number };

/** total = used + what root keeps for itself + available. */
export interface Usage {
  total: number;
  used: number;
  available: number;
}
