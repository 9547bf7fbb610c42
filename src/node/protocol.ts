import type { ChapCredentials } from "../chap.ts";
import type { Attachment } from "../handoff.ts";
import type { BlockDevice } from "../host/block_device.ts";
import type { FileSystemUse } from "../host/filesystem.ts";
import type { HostView } from "../host/host_view.ts";
import type { Mount } from "../host/mountinfo.ts";
import type { Protocol, ProtocolWithDevice } from "../protocols.ts";
import type { NodeContext } from "./context.ts";
import type { Condition, PathLook, StorageCondition } from "./look.ts";
import type { StageRecord } from "./stage_record.ts";

// The interface of a protocol. This file imports no implementation: registry.ts does.

/** Attachments that end in a block device. */
export type BlockAttachment = Extract<Attachment, { serial: string }>;
/** Attachments that end in a mounted folder. */
export type FileAttachment = Exclude<Attachment, BlockAttachment>;
/** The attachments of block volumes by one protocol; `never` when it has none. */
export type BlockAttachmentBy<P extends Protocol> = BlockAttachment & { protocol: P };
/** The attachments of file systems by one protocol; `never` when it has none. */
export type FileAttachmentBy<P extends Protocol> = FileAttachment & { protocol: P };
/** Attachments that end in a SCSI disk. */
export type ScsiAttachment = BlockAttachmentBy<ProtocolWithDevice<"scsi">>;
/** Attachments that end in an NVMe namespace. */
export type NvmeAttachment = BlockAttachmentBy<ProtocolWithDevice<"nvme">>;

/** A volume to attach. */
export interface AttachRequest<A extends BlockAttachment> extends AttachOptions {
  attachment: A;
}

/** What an attach may learn and note, and who else may use the volume. */
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

/** A block volume that may be attached, as a look needs it. */
export interface AttachedVolume<A extends BlockAttachment> {
  attachment: A;
  /** Kernel name of its device; absent until it is known. */
  device?: string;
}

/** A block volume, and the storage of the host at the moment of a look. */
export interface SeenVolume<A extends BlockAttachment> extends AttachedVolume<A> {
  view: HostView;
}

/** The records of this node, and the storage of the host at the same moment. */
export interface SeenRecords {
  view: HostView;
  records: StageRecord[];
}

/**
 * How block volumes with attachments of the type `A` come, are looked after and go. Every function
 * is safe to repeat.
 */
export interface BlockConnection<A extends BlockAttachment = BlockAttachment> {
  /**
   * Makes the device of a published volume appear and proves that it is this very volume, at least
   * as large as the array said. `not_found` when the volume is not published to this node (any
   * more), `in_use` when another user of this machine holds it.
   */
  attach: (
    context: NodeContext,
    request: AttachRequest<A>,
    signal?: AbortSignal,
  ) => Promise<BlockDevice>;
  /**
   * Whether a device that is there shows this very volume. Throws as attach() when the volume is
   * not published to this node.
   */
  isDeviceOf: (
    context: NodeContext,
    volume: Required<AttachedVolume<A>>,
    signal?: AbortSignal,
  ) => Promise<boolean>;
  /** Lets the device take the size that its volume has on the array now. */
  grow: (context: NodeContext, deviceName: string, signal?: AbortSignal) => Promise<void>;
  /**
   * Names of the devices that this node attached for the volume of a record, whether a crash kept
   * the name from being noted or not. What the kernel gave no name, so that nothing can use it, is
   * taken away. `in_use` when it cannot be told from what is another's.
   */
  devicesOf: (
    context: NodeContext,
    record: StageRecord<A>,
    signal?: AbortSignal,
  ) => Promise<string[]>;
  /**
   * Whether a device, found by a mount and without a record, is one that this protocol of this node
   * made.
   */
  owns: (context: NodeContext, deviceName: string) => Promise<boolean>;
  /**
   * Takes the device away and proves that it is gone. Only called when nothing mounts it. Gone
   * already is success.
   */
  detach: (context: NodeContext, deviceName: string, signal?: AbortSignal) => Promise<void>;
  /**
   * Condition, paths and missing routes of a volume that something uses, from sysfs as the view
   * shows it. Changes nothing and starts no process.
   */
  look: (context: NodeContext, volume: SeenVolume<A>) => Promise<PathLook>;
  /**
   * Does what look() named as `repair`, at a volume that is mounted, by the steps of attach().
   * Removes nothing that a volume needs. `unavailable` when something stays wrong.
   */
  repair: (context: NodeContext, record: StageRecord<A>, signal?: AbortSignal) => Promise<void>;
  /**
   * Names of the sessions or connections of ours that no volume of `records` needs and no attach is
   * about to use.
   */
  idle: (context: NodeContext, seen: SeenRecords) => Promise<string[]>;
  /**
   * Ends what idle() would name, after asking again; after an unstage or a failed stage. `others`
   * are the records of the volumes that stay. Sessions and connections of others are not touched.
   */
  tidy: (context: NodeContext, others: StageRecord[], signal?: AbortSignal) => Promise<void>;
  /**
   * Drops notes about connections of ours that somebody else has ended, so that one which others
   * make later is not taken for ours.
   */
  forgetEnded: (context: NodeContext) => Promise<void>;
  /**
   * Names of devices that came by sessions of ours, that no record names and that nothing mounts.
   * They are only counted: a lost record is no proof that nobody needs them.
   */
  unknownDevices: (seen: SeenRecords) => string[];
}

/** A shared file system to mount. */
export interface MountRequest<A extends FileAttachment> {
  attachment: A;
  /** Where to; nothing is mounted there yet. */
  target: string;
  /** Mount options. */
  options: string[];
}

/** A shared file system that is mounted on this node. */
interface MountedVolume<A extends FileAttachment> {
  attachment: A;
  /** Where it is staged, as mountinfo names it. */
  target: string;
}

/** Which mounted volumes a round asks their server for. */
export interface ProbeRound<A extends FileAttachment> {
  volumes: MountedVolume<A>[];
  /** Number of the round; each volume has its turn within twenty rounds. */
  turn: number;
}

/** How shared file systems with attachments of the type `A` are mounted and looked after. */
export interface FileConnection<A extends FileAttachment = FileAttachment> {
  /**
   * Mounts the file system. `not_found` when it is not exported to this node.
   */
  mount: (context: NodeContext, request: MountRequest<A>, signal?: AbortSignal) => Promise<void>;
  /**
   * Whether an existing mount shows this very file system. Throws as mount() when it is not
   * exported to this node.
   */
  isMountOf: (
    context: NodeContext,
    volume: { attachment: A; mount: Mount },
  ) => Promise<boolean>;
  /**
   * These mounts without those of this host that file systems of this protocol are mounted from:
   * they show a volume and are no publication.
   */
  withoutSources: (context: NodeContext, mounts: Mount[]) => Promise<Mount[]>;
  /** Whether a mount without a record is one that this protocol made. */
  owns: (context: NodeContext, mount: Mount) => Promise<boolean>;
  /**
   * Whether a mount shows this file system as far as the mount itself tells, also one that is
   * exported to this node no more. Asks nobody.
   */
  shows: (context: NodeContext, volume: { attachment: A; mount: Mount }) => Promise<boolean>;
  /** What the source of a mount calls the file system; `undefined` when it tells no name. */
  fileSystemIn: (mount: Mount) => string | undefined;
  /**
   * Whether the server says that what is mounted is no longer there (ESTALE). `unavailable` when it
   * does not answer in a few seconds.
   */
  isStale: (
    context: NodeContext,
    volume: MountedVolume<A>,
    signal?: AbortSignal,
  ) => Promise<boolean>;
  /**
   * Bytes and inodes of the file system (statfs(2)). Of a server that hangs only one call waits;
   * for the others it is `unavailable` at once.
   */
  readUse: (
    context: NodeContext,
    volume: MountedVolume<A>,
    signal?: AbortSignal,
  ) => Promise<FileSystemUse>;
  /** Asks the servers of the volumes whether they answer, some volumes in each round. */
  probe: (context: NodeContext, round: ProbeRound<A>, signal?: AbortSignal) => Promise<void>;
  /** What the last probes found wrong with a volume; `target` is absent when nothing is mounted. */
  look: (
    context: NodeContext,
    volume: Partial<MountedVolume<A>> & { attachment: A },
  ) => Condition[];
  /** What is wrong with the servers themselves, by the last calls to each. */
  serverConditions: (context: NodeContext) => StorageCondition[];
}

/** True for attachments that end in a block device. */
export function isBlock(attachment: Attachment): attachment is BlockAttachment {
  return "serial" in attachment;
}

/** True for records of volumes that end in a block device. */
export function isBlockRecord(record: StageRecord): record is StageRecord<BlockAttachment> {
  return isBlock(record.attachment);
}

/**
 * One text for one volume, by whatever id it is asked for: a key of locks. Attachments of the local
 * plane that have no serial are known by their place.
 */
export function volumeKey(attachment: Attachment): string {
  if (isBlock(attachment)) {
    if (attachment.serial !== "") return `serial ${attachment.serial.toUpperCase()}`;
    const { array, host, lun } = attachment as BlockAttachmentBy<"local">;
    return `local ${array} ${host} ${lun}`;
  }
  return attachment.protocol === "nfs"
    ? `export ${attachment.address} ${attachment.path}`
    : `local ${attachment.array} ${attachment.fileSystem}`;
}
