import { isPsoError } from "../../errors.ts";
import { KiB, MiB } from "../../size.ts";
import { dropCache, readBlockDevice } from "../block_device.ts";
import { type Area, readAreas } from "./device_read.ts";
import type { Host } from "../host.ts";
import { nameOf } from "./signatures.ts";

/**
 * The device is blank, or it is not proven to be: then `found` tells what was found or could not be
 * read, and `area` is the first area that is not zero.
 */
export type BlankProof = { blank: true } | { blank: false; found: string; area?: Area };

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
 * Offsets of the pages with ext4's backup superblocks for block sizes of 1, 2, 4 and 64 KiB. A
 * group has as many blocks as a bitmap of one block has bits. With blocks of 1 KiB, group 0 starts
 * at block 1, and so each copy is the second block of its page.
 */
function ext4Offsets(sizeBytes: number): number[] {
  return [1, 2, 4, 64].flatMap((kib) => {
    const block = kib * KiB;
    const groupBytes = block * 8 * block;
    return backupGroups(Math.floor((sizeBytes - 1) / groupBytes)).map((group) =>
      group * groupBytes
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
 * format keeps a copy of its superblock, and samples in between. All begin at a page, as a device
 * with blocks of 4 KiB wants it of a direct read.
 */
export function areasOf(sizeBytes: number): Area[] {
  const tail = Math.floor((sizeBytes - END) / PROBE) * PROBE;
  const ends = sizeBytes <= 2 * END
    ? [{ offset: 0, length: sizeBytes }]
    : [{ offset: 0, length: END }, { offset: tail, length: sizeBytes - tail }];
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
  const between = [...new Set(offsets)].filter((offset) => offset >= END && offset + PROBE <= tail)
    .sort((a, b) => a - b);
  return [...ends, ...between.map((offset) => ({ offset, length: PROBE }))];
}

/** Compares eight bytes at a time: a callback for each byte would take longer than the read. */
function isZero(chunk: Uint8Array): boolean {
  const words = new BigUint64Array(chunk.buffer, chunk.byteOffset, Math.floor(chunk.length / 8));
  return words.every((word) => word === 0n) &&
    chunk.subarray(words.byteLength).every((value) => value === 0);
}

/**
 * Judges what was read of a device of `sizeBytes`, one chunk for each of its areas. Anything that
 * is not a zero, in any of them, means "not blank".
 */
export function judge(areas: Area[], chunks: Uint8Array[], sizeBytes: number): BlankProof {
  for (const [index, { offset, length }] of areas.entries()) {
    const chunk = chunks[index];
    if (chunk?.length !== length) {
      const found = `${chunk?.length ?? 0} of ${length} bytes at byte ${offset}`;
      return { blank: false, found };
    }
    if (isZero(chunk)) continue;
    const found = nameOf(chunk, { offset, sizeBytes });
    return { blank: false, found, area: { offset, length } };
  }
  return { blank: true };
}

/**
 * Proves that a device holds nothing: its size is exactly `sizeBytes`, and all areas of areasOf()
 * read as zeroes, from the array and not from a cache. Safe to repeat; writes nothing. An area that
 * cannot be read, or not to its end, means "not blank": we would format data that we could not see.
 * `unavailable` when the device has gone, `timeout` when it does not answer.
 */
export async function proveBlank(
  host: Host,
  device: { name: string; sizeBytes: number },
  signal?: AbortSignal,
): Promise<BlankProof> {
  const { name } = device;
  const { sizeBytes } = await readBlockDevice(host, name);
  if (sizeBytes !== device.sizeBytes) {
    return {
      blank: false,
      found: `a size of ${sizeBytes} bytes, and the array gives ${device.sizeBytes}`,
    };
  }
  await dropCache(host, name, signal);
  const areas = areasOf(sizeBytes);
  let chunks: Uint8Array[];
  try {
    chunks = await readAreas(host, { name, areas, direct: true }, signal);
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error;
    return { blank: false, found: `what cannot be read: ${error.message}` };
  }
  return judge(areas, chunks, sizeBytes);
}
