import { PsoError } from "../errors.ts";
import type { FsType } from "../file_systems.ts";
import { KiB } from "../size.ts";
import type { ReadAt } from "./block_device.ts";

/** The primary superblock of a device. */
export interface Superblock {
  type: FsType;
  uuid: string;
  /** What the file system occupies, to its last block. */
  sizeBytes: number;
  /**
   * False while mkfs has not finished (xfs says so itself; ext4 writes its primary superblock
   * last).
   */
  complete: boolean;
  /**
   * What the file system may leave unused at the end of its device, as the last group would be too
   * small.
   */
  slackBytes: number;
}

const LENGTH = 4 * KiB;
const XFS_MAGIC = 0x58465342; // XFSB
const EXT_MAGIC = 0xef53;
const EXT4_AT = 1024;
/** XFS does not grow by less than this many blocks (XFS_MIN_AG_BLOCKS). */
const XFS_SLACK_BLOCKS = 64;

function uuidAt(bytes: Uint8Array, offset: number): string {
  const hex = bytes.subarray(offset, offset + 16).toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join("-");
}

/** XFS on-disk format, superblock: big-endian; sb_inprogress at byte 126. */
function readXfs(bytes: Uint8Array): Superblock | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== XFS_MAGIC) return undefined;
  const blockBytes = view.getUint32(4);
  return {
    type: "xfs",
    uuid: uuidAt(bytes, 32),
    sizeBytes: Number(view.getBigUint64(8)) * blockBytes,
    complete: view.getUint8(126) === 0,
    slackBytes: XFS_SLACK_BLOCKS * blockBytes,
  };
}

/** Ext4 disk layout, superblock: little-endian, at byte 1024. */
function readExt4(bytes: Uint8Array): Superblock | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + EXT4_AT, bytes.byteLength - EXT4_AT);
  const le = true;
  if (view.getUint16(56, le) !== EXT_MAGIC) return undefined;
  const blockBytes = KiB << view.getUint32(24, le);
  const has64bit = (view.getUint32(96, le) & 0x80) !== 0;
  const blocks = view.getUint32(4, le) + (has64bit ? view.getUint32(0x150, le) * 2 ** 32 : 0);
  const inodeTableBlocks = Math.ceil(view.getUint32(40, le) * view.getUint16(88, le) / blockBytes);
  // resize2fs drops a last group that has no room for its own tables and 50 blocks; a group may
  // also hold 1 + 1024 blocks of descriptors.
  const slackBytes = (inodeTableBlocks + 1024 + 64) * blockBytes;
  return {
    type: "ext4",
    uuid: uuidAt(bytes, EXT4_AT + 104),
    sizeBytes: blocks * blockBytes,
    complete: true,
    slackBytes,
  };
}

/**
 * The primary superblock, if xfs or ext4 (or its older forms) is on the device. `unavailable` when
 * it cannot be read.
 */
export async function readSuperblock(readAt: ReadAt): Promise<Superblock | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readAt(0, LENGTH);
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `the first ${LENGTH} bytes of the device cannot be read: ${String(error)}`,
      { cause: error },
    );
  }
  if (bytes.length < LENGTH) {
    throw new PsoError(
      "unavailable",
      `the device gave ${bytes.length} of its first ${LENGTH} bytes`,
    );
  }
  return readXfs(bytes) ?? readExt4(bytes);
}

/**
 * UUID in what is left of a superblock at the beginning of an area: a secondary xfs or a backup
 * ext4 one, or at byte 0 a primary xfs one whose magic number wipefs has taken away (it leaves the
 * rest). `undefined` when none of them can be there.
 */
export async function readRemainingUuid(
  readAt: ReadAt,
  offset: number,
): Promise<{ type: FsType; uuid: string } | undefined> {
  const bytes = await readAt(offset, LENGTH);
  if (bytes.length < LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset === 0 || view.getUint32(0) === XFS_MAGIC) {
    return { type: "xfs", uuid: uuidAt(bytes, 32) };
  }
  // 1 KiB in when its blocks are that small
  const start = [0, KiB].find((place) => view.getUint16(place + 56, true) === EXT_MAGIC);
  return start === undefined ? undefined : { type: "ext4", uuid: uuidAt(bytes, start + 104) };
}
