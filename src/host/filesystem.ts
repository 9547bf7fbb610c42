import { isPsoError, PsoError } from "../errors.ts";
import { FILE_SYSTEMS, type FsType, mkfsArguments } from "../file_systems.ts";
import { mkfsOptionsFault } from "../options/mkfs_options.ts";
import { MiB } from "../size.ts";
import { type BlockDevice, deviceNameOf, devicePath, readBlockDevice } from "./block_device.ts";
import { readAreas } from "./content/device_read.ts";
import { type Host, readHostText } from "./host.ts";
import type { RunOptions } from "../run.ts";
import { requireLivePath } from "./live_path.ts";
import { type Mount, stoppedBy } from "./mountinfo.ts";
import { parseSuperblock, type Superblock, SUPERBLOCK_AREA } from "./content/superblock.ts";

/** What is ended half way has to be begun anew, and would never come to its end. */
const NO_TIMEOUT_MS = Infinity;
const GROW_TIMEOUT_MS = 300_000;
/** kubelet asks for these numbers all the time, and must not wait for a server that is down. */
const STATFS_TIMEOUT_MS = 5_000;
const PROBE_TIMEOUT_MS = 10_000;
/** EIO, EROFS, EUCLEAN, ENXIO and ENODEV, as tools say them of a stopped file system. */
const STOPPED =
  /input\/output error|read-only file system|structure needs cleaning|no such device/i;

/**
 * Checks size and mkfs options before anything is written: `out_of_range` below the smallest size
 * of this file system, `invalid` for an option that mkfsOptionsFault() refuses. A volume that has
 * its file system already is never asked: it mounts whatever its options are.
 */
export function checkFormat(
  type: FsType,
  { sizeBytes, options }: { sizeBytes: number; options: readonly string[] },
): void {
  const { minimumBytes } = FILE_SYSTEMS[type];
  if (sizeBytes < minimumBytes) {
    throw new PsoError(
      "out_of_range",
      `${type} needs at least ${minimumBytes / MiB} MiB, and the volume has ${sizeBytes} bytes: ` +
        "make a larger volume",
    );
  }
  const fault = mkfsOptionsFault(type, options);
  if (fault === undefined) return;
  throw new PsoError(
    "invalid",
    `the volume has no file system yet, and none is made: createoptions ${fault}; mend the class ` +
      "and make the claim anew, because a volume keeps its options",
  );
}

/** The file system that makeFileSystem() shall make. */
interface NewFileSystem {
  device: BlockDevice;
  type: FsType;
  /** Written down by the caller before, so that it recognises a format that was interrupted. */
  uuid: string;
  /** Options of mkfs, each a word of its own. */
  options: readonly string[];
}

/**
 * Makes a file system, proves it by reading its superblock back, and returns that. Call it only for
 * a device that proveBlank() has found blank; it never forces mkfs, and discards nothing, as
 * nothing is there. Takes as long as mkfs lives: somebody would have to clear half a file system by
 * hand.
 * `unavailable` with the words of mkfs when it fails.
 */
export async function makeFileSystem(
  host: Host,
  format: NewFileSystem,
): Promise<Superblock> {
  const { device, type, uuid, options } = format;
  checkFormat(type, { sizeBytes: device.sizeBytes, options });
  const { mkfsTool: tool } = FILE_SYSTEMS[type];
  const args = mkfsArguments(type, { uuid, options, device: devicePath(device) });
  await host.run(tool, args, {
    timeoutMs: NO_TIMEOUT_MS,
  });
  const made = await superblockOf(host, device.name);
  if (made?.type === type && made.uuid === uuid && made.complete) return made;
  throw new PsoError(
    "unavailable",
    `${tool} reported success, but ${devicePath(device)} holds ${
      made ? `${made.type} ${made.uuid}` : "no file system"
    } instead of ${type} ${uuid}: look in the kernel's log for I/O errors of this device`,
  );
}

/**
 * The primary superblock of a device by its kernel name, as the kernel has it in its cache;
 * `undefined` when it holds neither xfs nor ext4. Fails as readAreas().
 */
export async function superblockOf(
  host: Host,
  name: string,
  signal?: AbortSignal,
): Promise<Superblock | undefined> {
  const areas = [SUPERBLOCK_AREA];
  const [bytes] = await readAreas(host, { name, areas, direct: false }, signal);
  return bytes && parseSuperblock(bytes);
}

/** What e2fsck says of a superblock whose feature bits it does not know; it ends with 8 then. */
const UNKNOWN_FEATURE = /unsupported (read-only )?feature|Get a newer version of e2fsck/i;

/**
 * Replays the journal of an unmounted ext4 and repairs what is safe to repair (e2fsck -p); xfs does
 * the same at mount. `full` checks even a file system that is marked clean. Takes as long as e2fsck
 * lives. `unknown` with the words of e2fsck when the file system has a feature that this e2fsck
 * does not know, as one that a newer node made; nothing was checked then, and mount(2) decides.
 * `unavailable` when a person must decide how to repair it.
 */
export async function checkExt4(
  host: Host,
  device: BlockDevice,
  options: { full: boolean },
): Promise<"checked" | { unknown: string }> {
  // e2fsck(8): 1 and 2 are success (errors were corrected; with 2 a mounted root would need a
  // reboot), 4 (errors are left) and 8 (operational error) need a person; a code is a sum of them.
  const args = [...(options.full ? ["-f"] : []), "-p", devicePath(device)];
  const result = await host.run("e2fsck", args, {
    okCodes: [...Array(16).keys()],
    timeoutMs: NO_TIMEOUT_MS,
  });
  if (result.code < 4) return "checked";
  const said = (result.stdout + result.stderr).trim().slice(-300).replaceAll(/\s+/g, " ");
  if (UNKNOWN_FEATURE.test(said)) return { unknown: said };
  throw new PsoError(
    "unavailable",
    `e2fsck cannot repair the ext4 on ${devicePath(device)} by itself: ${said}; ` +
      `run e2fsck ${devicePath(device)} on this node and answer its questions`,
  );
}

/**
 * Size of a mounted xfs, from the kernel, as the superblock on the device may be older. xfs_growfs
 * -n changes nothing.
 */
async function mountedXfsBytes(host: Host, target: string, signal?: AbortSignal): Promise<number> {
  const { stdout } = await host.run("xfs_growfs", ["-n", target], { signal });
  return parseXfsGeometry(stdout);
}

/**
 * Bytes of the data section in what xfs_growfs or xfs_info prints; `unavailable` when there is
 * none.
 */
export function parseXfsGeometry(text: string): number {
  const [, blockBytes, blocks] = /^data\s+=\s*bsize=(\d+)\s+blocks=(\d+)/m.exec(text) ?? [];
  if (!blockBytes || !blocks) {
    throw new PsoError(
      "unavailable",
      `the size of an xfs is unknown: xfs_growfs -n printed no data section, but ` +
        `${JSON.stringify(text.slice(0, 200))}; see the version of xfsprogs on this node`,
    );
  }
  return Number(blockBytes) * Number(blocks);
}

/** Bytes of the mounted file system, to its last block: what growMounted() compares. */
export async function mountedBytes(
  host: Host,
  mounted: MountedFileSystem,
  signal?: AbortSignal,
): Promise<number> {
  if (mounted.type === "xfs") return await mountedXfsBytes(host, mounted.target, signal);
  // The kernel changes ext4's superblock in the cache of the device, where we read it.
  return (await superblockOf(host, mounted.device.name, signal))?.sizeBytes ?? 0;
}

/** A file system, its device and where it is mounted for writing. */
interface MountedFileSystem {
  type: FsType;
  device: BlockDevice;
  target: string;
}

/**
 * Grows an unmounted ext4 to the size of its device, and proves it by its superblock. Call
 * checkExt4() with `full` right before: resize2fs insists on it. Takes as long as resize2fs lives,
 * as it must not be stopped while it moves inode tables.
 */
export async function growUnmountedExt4(host: Host, device: BlockDevice): Promise<void> {
  await host.run(FILE_SYSTEMS.ext4.growTool, [devicePath(device)], { timeoutMs: NO_TIMEOUT_MS });
  const grown = await superblockOf(host, device.name);
  if (grown && grown.sizeBytes >= device.sizeBytes - grown.slackBytes) return;
  throw new PsoError(
    "unavailable",
    `resize2fs left the ext4 on ${devicePath(device)} at ${grown?.sizeBytes} bytes, and the ` +
      `device has ${device.sizeBytes}: see the kernel's log of this node; kubelet will try again`,
  );
}

/**
 * Grows a mounted file system to the size of its device, proves it, and returns the new size in
 * bytes. A file system that fills its device already is success. The kernel grows in transactions,
 * so a crash leaves the old or the new size.
 */
export async function growMounted(
  host: Host,
  mounted: MountedFileSystem,
  signal?: AbortSignal,
): Promise<number> {
  const device = await readBlockDevice(host, mounted.device.name);
  const before = await mountedBytes(host, mounted, signal);
  const slackBytes = (await superblockOf(host, device.name, signal))?.slackBytes ?? 0;
  if (before >= device.sizeBytes - slackBytes) return before;
  // xfs_growfs takes the mount point, resize2fs the device.
  if (mounted.type === "xfs") {
    const options = { timeoutMs: GROW_TIMEOUT_MS, signal };
    await host.run(FILE_SYSTEMS.xfs.growTool, [mounted.target], options);
  } else await growMountedExt4(host, device, signal);
  const after = await mountedBytes(host, mounted, signal);
  if (after >= device.sizeBytes - slackBytes) return after;
  throw new PsoError(
    "unavailable",
    `the ${mounted.type} at ${mounted.target} was grown and has ${after} bytes, and its device ` +
      `has ${device.sizeBytes}; kubelet will try again`,
  );
}

async function growMountedExt4(
  host: Host,
  device: BlockDevice,
  signal?: AbortSignal,
): Promise<void> {
  const result = await host.run(FILE_SYSTEMS.ext4.growTool, [devicePath(device)], {
    okCodes: [0, 1],
    timeoutMs: GROW_TIMEOUT_MS,
    signal,
  });
  if (result.code === 0) return;
  const said = result.stderr.trim().slice(-300).replaceAll(/\s+/g, " ");
  // EPERM of EXT4_IOC_RESIZE_FS.
  const why = /Permission denied to resize/.test(said)
    ? "; the kernel grows a mounted ext4 only for a process with CAP_SYS_RESOURCE: give it to " +
      "the node plugin, or stop all pods of the volume and start them again: the next stage " +
      "grows it before the mount"
    : "; see the kernel's log of this node; kubelet will try again";
  throw new PsoError(
    "unavailable",
    `the mounted ext4 on ${devicePath(device)} cannot be grown: ${said}${why}`,
  );
}

/** How full a file system is, as statfs(2) tells it. */
export interface FileSystemUse {
  totalBytes: number;
  freeBytes: number;
  availableBytes: number;
  inodes: number;
  freeInodes: number;
}

/**
 * How full the file system mounted at `target` is. Asked by stat(1) and not by a call of our own,
 * because a process can be given up when an NFS server hangs. `timeout` after 5 s.
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

/**
 * Why a mounted file system of a device takes no access any more; `undefined` while it lives. After
 * errors the kernel stops a file system for good, and neither a path that comes back nor time
 * changes that: it must be mounted anew. Asked by mountinfo and by stat(1) of its root, because a
 * stopped xfs shows itself by EIO alone; of an ext4 by a flush of its root too, because Linux before
 * 6.15 shows neither that it was shut down nor that its journal was lost. The flush is left out
 * while no path carries I/O, as it would wait. `timeout` when it does not answer within 10 s.
 */
export async function faultOfFileSystem(
  host: Host,
  mount: Mount,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const word = stoppedBy(mount);
  if (word !== undefined) {
    return `the kernel has stopped its ${mount.type} after an error (option ${word})`;
  }
  const ask = { timeoutMs: PROBE_TIMEOUT_MS, signal };
  try {
    await host.run("stat", ["--format=%i", "--", mount.target], ask);
    if (/^ext[234]$/.test(mount.type)) await probeExt4(host, mount, ask);
    return undefined;
  } catch (error) {
    if (!isPsoError(error, "unavailable") || !STOPPED.test(error.message)) throw error;
    return `the kernel has stopped its ${mount.type} after an error (${error.message})`;
  }
}

/**
 * Fails with the kernel's own error when an ext4 was stopped. A flush of its root tells that of most;
 * Linux 6.1 lets it pass after a lost journal, and refuses changes alone: one that has met errors
 * is asked for a file without a name, which is gone at once. One without errors is never changed.
 */
async function probeExt4(
  host: Host,
  { majorMinor, target, superOptions }: Mount,
  ask: RunOptions,
): Promise<void> {
  const name = await deviceNameOf(host, majorMinor);
  if (name !== undefined && !await hasLivePath(host, name)) return;
  await host.run("sync", ["--", target], ask);
  const errors = await readHostText(host, `/sys/fs/ext4/${name}/errors_count`);
  if (errors === undefined || errors === "0" || superOptions.includes("ro")) return;
  try {
    await host.run("xfs_io", ["-T", "-c", "quit", target], ask);
  } catch (error) {
    // One that is full, or a host without the tool, tells nothing.
    if (!isPsoError(error, "unavailable") || STOPPED.test(error.message)) throw error;
  }
}

/** False when sysfs shows that no path to a device carries I/O. */
async function hasLivePath(host: Host, name: string): Promise<boolean> {
  try {
    await requireLivePath(host, name);
    return true;
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error;
    return false;
  }
}

/**
 * Reads the six numbers that readFileSystemUse() asks of stat(1): block size, blocks, free blocks,
 * blocks available to users, inodes, free inodes. `unavailable` for anything else.
 */
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
      `stat --file-system did not print six numbers but ${JSON.stringify(text.slice(0, 200))}: ` +
        "see with stat --version what this node has for it, and name coreutils with --tool-path",
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
 * Removes the superblock that an interrupted mkfs of our own left, and no mark of another type.
 * wipefs opens the device exclusively (wipefs(8)), so it fails while that mkfs still runs or while
 * anything is mounted.
 */
export async function wipeUnfinished(
  host: Host,
  device: BlockDevice,
  options: { type: FsType },
  signal?: AbortSignal,
): Promise<void> {
  await host.run("wipefs", ["--all", "--types", options.type, devicePath(device)], { signal });
}
