import type { ChapCredentials } from "../chap.ts";
import { PsoError } from "../errors.ts";
import type { Attachment } from "../handoff.ts";
import type { Protocol } from "../protocols.ts";
import type { BlockDevice } from "../host/block_device.ts";
import type { Mount } from "../host/mountinfo.ts";
import type { NodeContext } from "./context.ts";
import { localBlock } from "./local/block.ts";
import { localFile } from "./local/file.ts";
import { nfsFile } from "./nfs/mount.ts";
import { nvmeBlock } from "./nvme/attach.ts";
import { scsiBlock } from "./scsi/attach.ts";
import type { StageRecord } from "./stage_record.ts";

/** Attachments that end in a block device, and those that end in a mounted folder. */
export type BlockAttachment = Extract<Attachment, { serial: string }>;
export type ScsiAttachment = Extract<BlockAttachment, { protocol: "iscsi" | "fc" }>;
export type NvmeAttachment = Extract<BlockAttachment, { nqn: string }>;
export type FileAttachment = Exclude<Attachment, BlockAttachment>;

export interface AttachOptions {
  /**
   * The record of this volume on this node; attach() fills in what it learns through `note` before
   * and after it acts.
   */
  record: StageRecord;
  note: (facts: Pick<StageRecord, "device" | "image">) => Promise<void>;
  /** True when other nodes may have the volume at the same time. */
  shared: boolean;
  /** iSCSI only: for logins to its targets now and later. */
  chap?: ChapCredentials;
}

/** How block volumes of one protocol come and go. Every method is safe to repeat. */
export interface BlockConnection {
  /**
   * Makes the device of a published volume appear and proves that it is this very volume, at least
   * as large as the array said. `not_found` when the volume is not published to this node (any
   * more), `in_use` when another user of this machine holds it.
   */
  attach(
    context: NodeContext,
    attachment: BlockAttachment,
    options: AttachOptions,
    signal?: AbortSignal,
  ): Promise<BlockDevice>;
  /**
   * Whether a device that is there shows this very volume. Throws as attach() when the volume is
   * not published to this node.
   */
  isDeviceOf(
    context: NodeContext,
    attachment: BlockAttachment,
    deviceName: string,
    signal?: AbortSignal,
  ): Promise<boolean>;
  /** Lets the device take the size that its volume has on the array now. */
  grow(context: NodeContext, deviceName: string, signal?: AbortSignal): Promise<void>;
  /**
   * Names of the devices that this node attached for the volume of a record, whether a crash kept
   * the name from being noted or not. `in_use` when it cannot be told from what is another's.
   */
  devicesOf(context: NodeContext, record: StageRecord, signal?: AbortSignal): Promise<string[]>;
  /**
   * Whether a device, found by a mount and without a record, is one that this protocol of this node
   * made.
   */
  owns(context: NodeContext, deviceName: string): Promise<boolean>;
  /**
   * Takes the device away and proves that it is gone. Only called when nothing mounts it. Gone
   * already is success.
   */
  detach(context: NodeContext, deviceName: string, signal?: AbortSignal): Promise<void>;
  /**
   * Ends what this driver made and no volume uses any more, such as sessions; after an unstage or a
   * failed stage. `others` are the records of the volumes that stay.
   */
  tidy?(context: NodeContext, others: StageRecord[], signal?: AbortSignal): Promise<void>;
}

/** How shared file systems of one protocol are mounted. */
export interface FileConnection {
  /**
   * Mounts at `target`, which holds nothing yet. `not_found` when it is not exported to this node.
   */
  mount(
    context: NodeContext,
    attachment: FileAttachment,
    place: { target: string; options: string[] },
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Whether an existing mount shows this very file system. Throws as mount() when it is not
   * exported to this node.
   */
  isMountOf(context: NodeContext, attachment: FileAttachment, mount: Mount): Promise<boolean>;
  /**
   * Whether the server says that what is mounted is no longer there (ESTALE). `unavailable` when it
   * does not answer in a few seconds.
   */
  isStale?(
    context: NodeContext,
    attachment: FileAttachment,
    mount: Mount,
    signal?: AbortSignal,
  ): Promise<boolean>;
}

const BLOCK: Partial<Record<Protocol, BlockConnection>> = {
  local: localBlock,
  iscsi: scsiBlock,
  fc: scsiBlock,
  "nvme-tcp": nvmeBlock,
  "nvme-roce": nvmeBlock,
  "nvme-fc": nvmeBlock,
};
const FILE: Partial<Record<Protocol, FileConnection>> = { local: localFile, nfs: nfsFile };

function unsupported(protocol: Protocol): PsoError {
  return new PsoError(
    "unsupported",
    `protocol ${protocol} cannot be attached by this version of the node plugin`,
  );
}

/**
 * How this protocol attaches block volumes. `unsupported` for one that this version does not have.
 */
export function blockConnection(protocol: Protocol): BlockConnection {
  const connection = BLOCK[protocol];
  if (connection) return connection;
  throw unsupported(protocol);
}

/** How this protocol mounts file systems. `unsupported` as blockConnection(). */
export function fileConnection(protocol: Protocol): FileConnection {
  const connection = FILE[protocol];
  if (connection) return connection;
  throw unsupported(protocol);
}

/**
 * The connection that made a device which is only known by its mount; `undefined` when it is none
 * of ours.
 */
export async function ownerOf(
  context: NodeContext,
  deviceName: string,
): Promise<BlockConnection | undefined> {
  for (const connection of new Set(Object.values(BLOCK))) {
    if (await connection.owns(context, deviceName)) return connection;
  }
  return undefined;
}

/** True for attachments that end in a block device. */
export function isBlock(attachment: Attachment): attachment is BlockAttachment {
  return "serial" in attachment;
}
