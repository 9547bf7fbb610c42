import type { FsType } from "../../file_systems.ts";
import { KiB } from "../../size.ts";

/** What the primary superblock of a device tells of its file system. */
export interface Superblock {
  type: FsType;
  uuid: string;
  /** What the file system uses of the device, to its last block. */
  sizeBytes: number;
  /**
   * False when mkfs did not finish. Xfs marks that in its superblock; mkfs.ext4 writes the primary
   * superblock last, so that an unfinished ext4 has none.
   */
  complete: boolean;
  /**
   * The most that the file system leaves unused at the end of its device, because a last group of
   * that size would be too small.
   */
  slackBytes: number;
}

/** The area of a device that parseSuperblock() reads. */
export const SUPERBLOCK_AREA = { offset: 0, length: 4 * KiB };
const XFS_MAGIC = 0x58465342; // XFSB
const EXT_MAGIC = 0xef53;
const EXT4_AT = 1024;
/** XFS adds no allocation group of fewer blocks (XFS_MIN_AG_BLOCKS of the kernel). */
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
  // resize2fs makes no last group that has no room for its inode table and 50 blocks more. A group
  // may also hold 1 + 1024 blocks of descriptors.
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
 * The primary superblock in the first SUPERBLOCK_AREA of a device: of an xfs or an ext4 (ext2 and
 * ext3 look alike); `undefined` when it holds neither.
 */
export function parseSuperblock(bytes: Uint8Array): Superblock | undefined {
  return readXfs(bytes) ?? readExt4(bytes);
}

/**
 * Type and UUID of what is left of a superblock in the `bytes` at `offset`: a copy (secondary xfs,
 * backup ext4), or at byte 0 the primary xfs superblock whose magic number wipefs has removed, as
 * it leaves the rest. By the UUID the caller recognises an interrupted format of its own.
 * `undefined` when no superblock can have been there.
 */
export function parseRemainingUuid(
  bytes: Uint8Array,
  offset: number,
): { type: FsType; uuid: string } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset === 0 || view.getUint32(0) === XFS_MAGIC) {
    return { type: "xfs", uuid: uuidAt(bytes, 32) };
  }
  // With blocks of 1 KiB, the backup superblock is in the second block of its group.
  const start = [0, KiB].find((place) => view.getUint16(place + 56, true) === EXT_MAGIC);
  return start === undefined ? undefined : { type: "ext4", uuid: uuidAt(bytes, start + 104) };
}
