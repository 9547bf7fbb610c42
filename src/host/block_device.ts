import { PsoError } from "../errors.ts";
import { FS_TYPES } from "../file_systems.ts";
import { type Host, hostPath, listHostFolder, readHostText } from "./host.ts";

/** A block device of the host as it is now. */
export interface BlockDevice {
  /** Kernel name: `loop3`, `dm-2`, `nvme0n1`. */
  name: string;
  majorMinor: string;
  sizeBytes: number;
}

/** What host tools call the device. */
export function devicePath(device: { name: string }): string {
  return `/dev/${device.name}`;
}

/** sysfs counts in sectors of 512 bytes, whatever the device's own block size is. */
const SYSFS_SECTOR_BYTES = 512;

/**
 * Number and size of a device by its kernel name, from sysfs. `unavailable` when the kernel does
 * not know it.
 */
export async function readBlockDevice(host: Host, name: string): Promise<BlockDevice> {
  const device = await findBlockDevice(host, name);
  if (device) return device;
  throw new PsoError(
    "unavailable",
    `block device ${name} is not there: the kernel lists no /sys/class/block/${name}`,
  );
}

/** As readBlockDevice(), with `undefined` for a device that is not there. */
export async function findBlockDevice(host: Host, name: string): Promise<BlockDevice | undefined> {
  const majorMinor = await readHostText(host, `/sys/class/block/${name}/dev`);
  const sectors = await readHostText(host, `/sys/class/block/${name}/size`);
  if (majorMinor === undefined || sectors === undefined) return undefined;
  return { name, majorMinor, sizeBytes: Number(sectors) * SYSFS_SECTOR_BYTES };
}

/**
 * Kernel name of the device with this number; `undefined` for numbers of file systems without a
 * device (NFS, tmpfs).
 */
export async function deviceNameOf(host: Host, majorMinor: string): Promise<string | undefined> {
  const uevent = await readHostText(host, `/sys/dev/block/${majorMinor}/uevent`);
  return /^DEVNAME=(.+)$/m.exec(uevent ?? "")?.[1];
}

/** True when the kernel refuses every write to the device. */
async function isReadOnlyDevice(host: Host, name: string): Promise<boolean> {
  return (await readHostText(host, `/sys/class/block/${name}/ro`)) === "1";
}

/**
 * Makes the kernel refuse (or take again) writes to the device (blockdev(8)), and proves it. Safe
 * to repeat.
 */
export async function setDeviceReadOnly(
  host: Host,
  device: { name: string; readOnly: boolean },
  signal?: AbortSignal,
): Promise<void> {
  if (await isReadOnlyDevice(host, device.name) === device.readOnly) return;
  await host.run("blockdev", [device.readOnly ? "--setro" : "--setrw", devicePath(device)], {
    signal,
  });
  if (await isReadOnlyDevice(host, device.name) === device.readOnly) return;
  throw new PsoError(
    "unavailable",
    `block device ${device.name} did not become ${device.readOnly ? "read-only" : "writable"}`,
  );
}

/**
 * Drops what this host has cached of the device, so that the next read comes from the array
 * (blockdev(8), BLKFLSBUF).
 */
export async function dropCache(host: Host, name: string, signal?: AbortSignal): Promise<void> {
  await host.run("blockdev", ["--flushbufs", devicePath({ name })], { signal });
}

/**
 * Reads up to `length` bytes at `offset`; fewer only at the end of what can be read. Rejects on an
 * I/O error.
 */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Opens the device for reading while `work` runs. */
export async function withDevice<T>(
  host: Host,
  name: string,
  work: (readAt: ReadAt) => Promise<T>,
): Promise<T> {
  using file = await Deno.open(hostPath(host, devicePath({ name })), { read: true });
  return await work((offset, length) => readAt(file, { offset, length }));
}

async function readAt(
  file: Deno.FsFile,
  { offset, length }: { offset: number; length: number },
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null || read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/**
 * `in_use` while the kernel still has a file system of this device: it is mounted in another mount
 * namespace, or an unmount that mountinfo no longer shows is writing back. Taking the device away
 * now would lose what was written.
 */
export async function refuseLiveFileSystem(host: Host, name: string): Promise<void> {
  for (const type of FS_TYPES) {
    if ((await listHostFolder(host, `/sys/fs/${type}/${name}`)).length === 0) continue;
    throw new PsoError(
      "in_use",
      `the ${type} on ${name} is unmounted here and still open: another mount namespace has it, or it is being written back; it will be tried again`,
    );
  }
}
