import { messageOf } from "../errors.ts";
import { KiB, MiB } from "../size.ts";
import { dropCache, type ReadAt, readBlockDevice, withDevice } from "./block_device.ts";
import type { Host } from "./host.ts";
import { nameOf } from "./signatures.ts";

/**
 * Blank, or not proven to be: then why, with what was found, or what could not be read. `area` is
 * the first that was not zero.
 */
export type BlankProof = { blank: true } | { blank: false; found: string; area?: Area };

/** One stretch of the device that must read back as zeroes. */
export interface Area {
  offset: number;
  length: number;
}

const PROBE = 4 * KiB;
/**
 * Ends of the device: everything that keeps its mark near one of them (LVM, GPT, MD, LUKS, swap,
 * xfs, ext4, btrfs, ZFS).
 */
const END = MiB;
/**
 * Chunks spread over the rest of the device: cheap, and any data that one meets forbids a format.
 */
const SAMPLES = 64;

/**
 * Groups in which ext4 keeps a backup superblock: 1 and the powers of 3, 5 and 7 (ext4 disk layout,
 * sparse_super).
 */
function backupGroups(last: number): number[] {
  const groups = [1];
  for (const base of [3, 5, 7]) {
    for (let group = base; group <= last; group *= base) groups.push(group);
  }
  // sparse_super2 keeps one in the last group
  return [...groups.filter((group) => group <= last), ...(last > 0 ? [last] : [])];
}

/**
 * Ext4 with a block size of 1, 2, 4 and 64 KiB; a group has as many blocks as a one-block bitmap
 * has bits.
 */
function ext4Offsets(sizeBytes: number): number[] {
  return [1, 2, 4, 64].flatMap((kib) => {
    const block = kib * KiB;
    const groupBytes = block * 8 * block;
    const first = kib === 1 ? KiB : 0; // with 1 KiB blocks the first block is the boot block
    return backupGroups(Math.floor((sizeBytes - 1) / groupBytes)).map((group) =>
      group * groupBytes + first
    );
  });
}

/**
 * Xfs allocation groups as mkfs.xfs lays them out: 2 to 32 equal ones of whole 4 KiB blocks, or of
 * 1 TiB each.
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
 * LUKS2 keeps its second header at one of these (LUKS2 on-disk format, 2.1); btrfs a mirror of its
 * superblock at 64 MiB.
 */
const FIXED_OFFSETS = [...[1024, 2048, 4096].map((kib) => kib * KiB), 64 * MiB, 256 * 1024 * MiB];

/**
 * Where a device of this size must read as zeroes: both ends, every place of a known superblock,
 * and samples between.
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

/** Eight bytes at a time: a callback for each byte of some MiB takes longer than reading them. */
function isZero(chunk: Uint8Array): boolean {
  const words = new BigUint64Array(chunk.buffer, chunk.byteOffset, Math.floor(chunk.length / 8));
  return words.every((word) => word === 0n) &&
    chunk.subarray(words.byteLength).every((value) => value === 0);
}

/**
 * Reads every area of a device of `sizeBytes` and says whether all of it is zero. An error, a short
 * read and anything else that is not a zero means: not blank. "Could not read" is never "blank"
 * (design, "Never format data").
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
 * Proves that the device holds nothing: its size is exactly `sizeBytes`, and all areas read back as
 * zeroes, from the array and not from a cache. Safe to repeat; writes nothing.
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
      found: `a size of ${sizeBytes} bytes where the array says ${device.sizeBytes}`,
    };
  }
  await dropCache(host, device.name, signal);
  return await withDevice(host, device.name, (readAt) => proveZero(readAt, sizeBytes));
}
