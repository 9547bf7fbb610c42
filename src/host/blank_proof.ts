import { messageOf } from "../errors.ts";
import { KiB, MiB } from "../size.ts";
import { dropCache, type ReadAt, readBlockDevice, withDevice } from "./block_device.ts";
import type { Host } from "./host.ts";
import { nameOf } from "./signatures.ts";

/**
 * The device is blank, or it is not proven to be: then `found` tells what was found or could not be
 * read, and `area` is the first area that is not zero.
 */
export type BlankProof = { blank: true } | { blank: false; found: string; area?: Area };

/** One stretch of the device that must read back as zeroes. */
export interface Area {
  offset: number;
  length: number;
}

const PROBE = 4 * KiB;
/**
 * How much is read at both ends of the device. LVM, GPT, MD, LUKS, swap, xfs, ext4, btrfs and ZFS
 * all keep a mark that near to one of them.
 */
const END = MiB;
/** How many chunks are read across the rest of the device; data in any of them forbids a format. */
const SAMPLES = 64;

/**
 * The block groups up to `last` in which ext4 keeps a backup superblock: 1 and the powers of 3, 5
 * and 7 (ext4 disk layout, sparse_super).
 */
function backupGroups(last: number): number[] {
  const groups = [1];
  for (const base of [3, 5, 7]) {
    for (let group = base; group <= last; group *= base) groups.push(group);
  }
  // With sparse_super2 the last group has one.
  return [...groups.filter((group) => group <= last), ...(last > 0 ? [last] : [])];
}

/**
 * Offsets of ext4's backup superblocks for block sizes of 1, 2, 4 and 64 KiB. A group has as many
 * blocks as a bitmap of one block has bits.
 */
function ext4Offsets(sizeBytes: number): number[] {
  return [1, 2, 4, 64].flatMap((kib) => {
    const block = kib * KiB;
    const groupBytes = block * 8 * block;
    const first = kib === 1 ? KiB : 0; // with blocks of 1 KiB, group 0 starts at block 1
    return backupGroups(Math.floor((sizeBytes - 1) / groupBytes)).map((group) =>
      group * groupBytes + first
    );
  });
}

/**
 * Offsets of xfs allocation groups as mkfs.xfs lays them out: 2 to 32 equal groups of whole 4 KiB
 * blocks, or groups of 1 TiB. Each starts with a copy of the superblock.
 */
function xfsOffsets(sizeBytes: number): number[] {
  const blocks = Math.floor(sizeBytes / PROBE);
  const equal = [2, 4, 8, 16, 32].flatMap((count) => {
    const group = Math.ceil(blocks / count) * PROBE;
    return Array.from({ length: count - 1 }, (_, index) => (index + 1) * group);
  });
  const TiB = MiB * MiB;
  const large = Array.from(
    { length: Math.min(64, Math.floor((sizeBytes - 1) / TiB)) },
    (_, index) => (index + 1) * TiB,
  );
  return [...equal, ...large];
}

/**
 * The second header of LUKS2 is at one of the first three (LUKS2 on-disk format, 2.1); btrfs keeps
 * mirrors of its superblock at 64 MiB and 256 GiB.
 */
const FIXED_OFFSETS = [...[1024, 2048, 4096].map((kib) => kib * KiB), 64 * MiB, 256 * 1024 * MiB];

/**
 * The areas of a device of this size that must read as zeroes: both ends, every place where a known
 * format keeps a copy of its superblock, and samples in between.
 */
export function areasOf(sizeBytes: number): Area[] {
  const ends = sizeBytes <= 2 * END
    ? [{ offset: 0, length: sizeBytes }]
    : [{ offset: 0, length: END }, { offset: sizeBytes - END, length: END }];
  const samples = Array.from(
    { length: SAMPLES },
    (_, index) => Math.floor((sizeBytes / PROBE) * ((index + 1) / (SAMPLES + 1))) * PROBE,
  );
  const offsets = [
    ...FIXED_OFFSETS,
    ...ext4Offsets(sizeBytes),
    ...xfsOffsets(sizeBytes),
    ...samples,
  ];
  const between = [...new Set(offsets)].filter((offset) =>
    offset >= END && offset + PROBE <= sizeBytes - END
  ).sort((a, b) => a - b);
  return [...ends, ...between.map((offset) => ({ offset, length: PROBE }))];
}

/** Compares eight bytes at a time: a callback for each byte would take longer than the read. */
function isZero(chunk: Uint8Array): boolean {
  const words = new BigUint64Array(chunk.buffer, chunk.byteOffset, Math.floor(chunk.length / 8));
  return words.every((word) => word === 0n) &&
    chunk.subarray(words.byteLength).every((value) => value === 0);
}

/**
 * Reads every area of a device of `sizeBytes` and tells whether all of them are zero. A read that
 * fails or is too short means "not blank": we would format data that we could not see.
 */
export async function proveZero(readAt: ReadAt, sizeBytes: number): Promise<BlankProof> {
  for (const { offset, length } of areasOf(sizeBytes)) {
    let chunk: Uint8Array;
    try {
      chunk = await readAt(offset, length);
    } catch (error) {
      return {
        blank: false,
        found: `${length} bytes at byte ${offset} that cannot be read: ${messageOf(error)}`,
      };
    }
    if (!isZero(chunk)) {
      return {
        blank: false,
        found: nameOf(chunk, { offset, sizeBytes }),
        area: { offset, length },
      };
    }
    if (chunk.length !== length) {
      return {
        blank: false,
        found: `a short read of ${chunk.length} of ${length} bytes at byte ${offset}`,
      };
    }
  }
  return { blank: true };
}

/**
 * Proves that a device holds nothing: its size is exactly `sizeBytes`, and all areas of areasOf()
 * read as zeroes, from the array and not from a cache. Safe to repeat; writes nothing. A device
 * that cannot be read is not blank; `unavailable` when it has gone.
 */
export async function proveBlank(
  host: Host,
  device: { name: string; sizeBytes: number },
  signal?: AbortSignal,
): Promise<BlankProof> {
  const { sizeBytes } = await readBlockDevice(host, device.name);
  if (sizeBytes !== device.sizeBytes) {
    return {
      blank: false,
      found: `a size of ${sizeBytes} bytes, and the array gives ${device.sizeBytes}`,
    };
  }
  await dropCache(host, device.name, signal);
  return await withDevice(host, device.name, (readAt) => proveZero(readAt, sizeBytes));
}
