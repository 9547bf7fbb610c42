import { PsoError } from "../errors.ts";
import { mkfsOptionsFault } from "../mkfs_options.ts";
import { MiB } from "../size.ts";
import { abortError } from "../async/wait.ts";
import { type BlockDevice, devicePath, readBlockDevice, withDevice } from "./block_device.ts";
import type { Host } from "./host.ts";
import { type FsType, readSuperblock, type Superblock } from "./superblock.ts";

/** mkfs on a large volume discards it first, which arrays may do slowly. */
const MKFS_TIMEOUT_MS = 300_000;
const GROW_TIMEOUT_MS = 300_000;
const FSCK_TIMEOUT_MS = 600_000;
/** A server or device that does not answer must not hold up the one who asks for numbers. */
const STATFS_TIMEOUT_MS = 5_000;

interface FileSystemTools {
  /**
   * mkfs.xfs refuses less than 300 MiB (xfsprogs 5.19 and newer); ext4 below 8 MiB leaves no room
   * for files.
   */
  minimumBytes: number;
  mkfs(uuid: string): { tool: string; args: string[] };
  /** mount options that are always right. */
  mountOptions: string[];
  /** mount option that leaves the log alone; only for read-only mounts. */
  noRecovery: string;
}

const TOOLS: Record<FsType, FileSystemTools> = {
  xfs: {
    minimumBytes: 300 * MiB,
    mkfs: (uuid) => ({ tool: "mkfs.xfs", args: ["-m", `uuid=${uuid}`] }),
    // A clone and its source on one node have one UUID, and XFS refuses the second without this.
    mountOptions: ["nouuid"],
    noRecovery: "norecovery",
  },
  ext4: {
    minimumBytes: 8 * MiB,
    mkfs: (uuid) => ({ tool: "mkfs.ext4", args: ["-U", uuid] }),
    mountOptions: [],
    noRecovery: "noload",
  },
};

/** Mount options that are always right for this file system. */
export function fixedMountOptions(type: FsType): string[] {
  return TOOLS[type].mountOptions;
}

/** The mount option that lets a read-only mount leave a dirty log alone. */
export function noRecoveryOption(type: FsType): string {
  return TOOLS[type].noRecovery;
}

/**
 * Checks size and mkfs options before anything is touched: `out_of_range` below the minimum,
 * `invalid` for an option that forces.
 */
export function checkFormat(
  type: FsType,
  { sizeBytes, options }: { sizeBytes: number; options: string[] },
): void {
  const { minimumBytes } = TOOLS[type];
  if (sizeBytes < minimumBytes) {
    throw new PsoError(
      "out_of_range",
      `${type} needs at least ${minimumBytes / MiB} MiB, and the volume has ${sizeBytes} bytes`,
    );
  }
  const fault = mkfsOptionsFault(type, options);
  if (fault !== undefined) throw new PsoError("invalid", fault);
}

/**
 * Makes a file system with the UUID given, so that an interrupted format is known again as our own.
 * Only for a device that is proven blank; never forced. The caller's deadline does not end it: half
 * a file system would have to be cleared by hand. `unavailable` with the tool's words when it
 * fails.
 */
export async function makeFileSystem(
  host: Host,
  format: { device: BlockDevice; type: FsType; uuid: string; options: string[] },
  signal?: AbortSignal,
): Promise<void> {
  const { device, type, uuid, options } = format;
  checkFormat(type, { sizeBytes: device.sizeBytes, options });
  const { tool, args } = TOOLS[type].mkfs(uuid);
  if (signal?.aborted) throw abortError(signal);
  await host.run(tool, [...args, ...options, devicePath(device)], { timeoutMs: MKFS_TIMEOUT_MS });
  const made = await superblockOf(host, device.name);
  if (made?.type === type && made.uuid === uuid && made.complete) return;
  throw new PsoError(
    "unavailable",
    `${tool} ended well, but ${devicePath(device)} holds ${
      made ? `${made.type} ${made.uuid}` : "no file system"
    }`,
  );
}

/** The primary superblock of a device. */
export function superblockOf(host: Host, name: string): Promise<Superblock | undefined> {
  return withDevice(host, name, readSuperblock);
}

/**
 * Replays the journal and repairs what is safe to repair (e2fsck -p); xfs does this at mount.
 * `unavailable` when a person must look.
 */
export async function checkExt4(
  host: Host,
  device: BlockDevice,
  options: { full: boolean },
  signal?: AbortSignal,
): Promise<void> {
  // 1: errors were corrected; 2: corrected, and a mounted root would need a reboot (e2fsck(8)).
  const args = [...(options.full ? ["-f"] : []), "-p", devicePath(device)];
  const result = await host.run("e2fsck", args, {
    okCodes: [0, 1, 2, 4, 8],
    timeoutMs: FSCK_TIMEOUT_MS,
    signal,
  });
  if (result.code < 4) return;
  const said = (result.stdout + result.stderr).trim().slice(-300).replaceAll(/\s+/g, " ");
  throw new PsoError(
    "unavailable",
    `ext4 on ${devicePath(device)} needs a repair by hand (e2fsck ${devicePath(device)}): ${said}`,
  );
}

/**
 * Size of a mounted xfs, from the kernel: the superblock on the device may be behind (xfs_growfs -n
 * changes nothing).
 */
async function mountedXfsBytes(host: Host, target: string, signal?: AbortSignal): Promise<number> {
  const { stdout } = await host.run("xfs_growfs", ["-n", target], { signal });
  return parseXfsGeometry(stdout);
}

/** Bytes of the data section in the output of xfs_growfs or xfs_info. */
export function parseXfsGeometry(text: string): number {
  const [, blockBytes, blocks] = /^data\s+=\s*bsize=(\d+)\s+blocks=(\d+)/m.exec(text) ?? [];
  if (!blockBytes || !blocks) {
    throw new PsoError("unavailable", `xfs_growfs printed no data section: ${text.slice(0, 200)}`);
  }
  return Number(blockBytes) * Number(blocks);
}

/** Size of the mounted file system, to its last block. */
export async function mountedBytes(
  host: Host,
  mounted: MountedFileSystem,
  signal?: AbortSignal,
): Promise<number> {
  if (mounted.type === "xfs") return await mountedXfsBytes(host, mounted.target, signal);
  // ext4 keeps its superblock in the device's own cache
  return (await superblockOf(host, mounted.device.name))?.sizeBytes ?? 0;
}

/** A file system, its device and where it is mounted for writing. */
export interface MountedFileSystem {
  type: FsType;
  device: BlockDevice;
  target: string;
}

/**
 * Grows an unmounted ext4, which checkExt4() with `full` must just have passed (resize2fs insists),
 * to the size of its device, and proves it. The caller's deadline does not end it: half a move of
 * inode tables is worse than a late answer.
 */
export async function growUnmountedExt4(
  host: Host,
  device: BlockDevice,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) throw abortError(signal);
  await host.run("resize2fs", [devicePath(device)], { timeoutMs: GROW_TIMEOUT_MS });
  const grown = await superblockOf(host, device.name);
  if (grown && grown.sizeBytes >= device.sizeBytes - grown.slackBytes) return;
  throw new PsoError(
    "unavailable",
    `ext4 on ${
      devicePath(device)
    } has ${grown?.sizeBytes} bytes after growing, and the device ${device.sizeBytes}`,
  );
}

/**
 * Grows a mounted file system to the size of its device and proves it by the new size, which it
 * returns. A file system that fills its device is success. Growing online is a transaction of the
 * kernel: a crash leaves the old or the new size.
 */
export async function growMounted(
  host: Host,
  mounted: MountedFileSystem,
  signal?: AbortSignal,
): Promise<number> {
  const device = await readBlockDevice(host, mounted.device.name);
  const before = await mountedBytes(host, mounted, signal);
  const slackBytes = (await superblockOf(host, device.name))?.slackBytes ?? 0;
  if (before >= device.sizeBytes - slackBytes) return before;
  // xfs_growfs takes the mount point, resize2fs the device.
  if (mounted.type === "xfs") {
    await host.run("xfs_growfs", [mounted.target], { timeoutMs: GROW_TIMEOUT_MS, signal });
  } else await growMountedExt4(host, device, signal);
  const after = await mountedBytes(host, mounted, signal);
  if (after >= device.sizeBytes - slackBytes) return after;
  throw new PsoError(
    "unavailable",
    `${mounted.type} at ${mounted.target} has ${after} bytes after growing, and its device has ${device.sizeBytes}; it will be tried again`,
  );
}

async function growMountedExt4(
  host: Host,
  device: BlockDevice,
  signal?: AbortSignal,
): Promise<void> {
  const result = await host.run("resize2fs", [devicePath(device)], {
    okCodes: [0, 1],
    timeoutMs: GROW_TIMEOUT_MS,
    signal,
  });
  if (result.code === 0) return;
  const said = result.stderr.trim().slice(-300).replaceAll(/\s+/g, " ");
  // EPERM of EXT4_IOC_RESIZE_FS.
  const why = /Permission denied to resize/.test(said)
    ? "; a mounted ext4 grows only with CAP_SYS_RESOURCE, without it when it is staged again"
    : "";
  throw new PsoError("unavailable", `ext4 on ${devicePath(device)} cannot be grown: ${said}${why}`);
}

/** Use of the file system mounted at `target`. `timeout` when it does not answer within 5 s. */
export interface FileSystemUse {
  totalBytes: number;
  freeBytes: number;
  availableBytes: number;
  inodes: number;
  freeInodes: number;
}

/**
 * Asks the mounted file system how full it is (statfs(2), through stat(1), which can be given up
 * when a server hangs).
 */
export async function readFileSystemUse(
  host: Host,
  target: string,
  signal?: AbortSignal,
): Promise<FileSystemUse> {
  const { stdout } = await host.run("stat", [
    "--file-system",
    "--format=%S %b %f %a %c %d",
    "--",
    target,
  ], {
    timeoutMs: STATFS_TIMEOUT_MS,
    signal,
  });
  return parseUse(stdout);
}

/** `block size, blocks, free, available, inodes, free inodes`. */
export function parseUse(text: string): FileSystemUse {
  const numbers = text.trim().split(/\s+/).map(Number);
  const [
    blockBytes = NaN,
    blocks = NaN,
    free = NaN,
    available = NaN,
    inodes = NaN,
    freeInodes = NaN,
  ] = numbers;
  if (numbers.length !== 6 || numbers.some(Number.isNaN)) {
    throw new PsoError(
      "unavailable",
      `stat --file-system printed what cannot be read: ${text.slice(0, 200)}`,
    );
  }
  return {
    totalBytes: blocks * blockBytes,
    freeBytes: free * blockBytes,
    availableBytes: available * blockBytes,
    inodes,
    freeInodes,
  };
}

/**
 * Takes away the superblock that an interrupted mkfs of our own left, and nothing of any other
 * type. wipefs opens the device exclusively, so it fails while that mkfs still runs or anything is
 * mounted (wipefs(8)).
 */
export async function wipeUnfinished(
  host: Host,
  device: BlockDevice,
  options: { type: FsType },
  signal?: AbortSignal,
): Promise<void> {
  await host.run("wipefs", ["--all", "--types", options.type, devicePath(device)], { signal });
}
