/**
 * A format that may be on a device, and where its mark is. Used only to give a name to what the
 * blank proof found: that anything is there decides, whatever its name.
 */
interface Signature {
  name: string;
  /** Position of the mark: from the start, or when negative from the end of the device. */
  offset: number;
  mark: Uint8Array;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function bytes(...values: number[]): Uint8Array {
  return new Uint8Array(values);
}

const KiB = 1024;
const MD_MAGIC = bytes(0xfc, 0x4e, 0x2b, 0xa9); // 0xa92b4efc, little-endian
const EXT_MAGIC = bytes(0x53, 0xef); // 0xef53, little-endian

// Offsets as in libblkid's probers and the formats' own documents.
const SIGNATURES: Signature[] = [
  { name: "xfs superblock", offset: 0, mark: text("XFSB") },
  { name: "ext2/ext3/ext4 superblock", offset: 1080, mark: EXT_MAGIC },
  { name: "btrfs superblock", offset: 64 * KiB + 64, mark: text("_BHRfS_M") },
  ...[0, 512, 1024, 1536].map((sector) => ({
    name: "LVM label",
    offset: sector,
    mark: text("LABELONE"),
  })),
  { name: "LUKS header", offset: 0, mark: bytes(0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe) },
  {
    name: "LUKS2 secondary header",
    offset: 16 * KiB,
    mark: bytes(0x53, 0x4b, 0x55, 0x4c, 0xba, 0xbe),
  },
  { name: "GPT partition table", offset: 512, mark: text("EFI PART") },
  { name: "GPT backup partition table", offset: -512, mark: text("EFI PART") },
  { name: "MD RAID superblock 1.1", offset: 0, mark: MD_MAGIC },
  { name: "MD RAID superblock 1.2", offset: 4 * KiB, mark: MD_MAGIC },
  ...[4, 16, 64].map((page) => ({
    name: "swap header",
    offset: page * KiB - 10,
    mark: text("SWAPSPACE2"),
  })),
  { name: "vfat boot sector", offset: 82, mark: text("FAT32") },
  { name: "vfat boot sector", offset: 54, mark: text("FAT1") },
  { name: "NTFS boot sector", offset: 3, mark: text("NTFS    ") },
  { name: "partition table (MBR)", offset: 510, mark: bytes(0x55, 0xaa) },
];

/** MD superblocks whose place depends on the device's size (mdadm's super0.c and super1.c). */
function mdSignatures(sizeBytes: number): Signature[] {
  const md090 = Math.floor(sizeBytes / (64 * KiB)) * 64 * KiB - 64 * KiB;
  const md10 = Math.floor((sizeBytes - 8 * KiB) / (4 * KiB)) * 4 * KiB;
  return [{ name: "MD RAID superblock 0.90", offset: md090, mark: MD_MAGIC }, {
    name: "MD RAID superblock 1.0",
    offset: md10,
    mark: MD_MAGIC,
  }];
}

/**
 * The name of a copy of a superblock at the start of `chunk`. Ext4 keeps copies at the start of
 * some block groups, and with blocks of 1 KiB one block later; its mark is 56 bytes in.
 */
function backupName(chunk: Uint8Array, offset: number): string | undefined {
  for (const start of [0, KiB]) {
    if (isAt(chunk, start + 56, EXT_MAGIC)) {
      return `ext2/ext3/ext4 backup superblock at byte ${offset + start}`;
    }
  }
  return isAt(chunk, 0, text("XFSB")) ? `xfs secondary superblock at byte ${offset}` : undefined;
}

function isAt(chunk: Uint8Array, position: number, mark: Uint8Array): boolean {
  return position >= 0 && position + mark.length <= chunk.length &&
    mark.every((value, index) => chunk[position + index] === value);
}

/**
 * A name for the bytes found at `offset` of a device: `xfs superblock at byte 0`, or `data at byte
 * 4711` with the first byte that is not zero when nothing known is there.
 */
export function nameOf(
  chunk: Uint8Array,
  { offset, sizeBytes }: { offset: number; sizeBytes: number },
): string {
  for (const signature of [...SIGNATURES, ...mdSignatures(sizeBytes)]) {
    const at = signature.offset < 0 ? sizeBytes + signature.offset : signature.offset;
    if (isAt(chunk, at - offset, signature.mark)) return `${signature.name} at byte ${at}`;
  }
  return backupName(chunk, offset) ??
    `data at byte ${offset + Math.max(0, chunk.findIndex((value) => value !== 0))}`;
}
