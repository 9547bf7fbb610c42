import { PsoError } from "../errors.ts";
import { FS_TYPES } from "../file_systems.ts";
import { type Host, listHostFolder, readHostText } from "./host.ts";
import { requireLivePath } from "./live_path.ts";

/** A block device of the host as it is now. */
export interface BlockDevice {
  /** Kernel name: `loop3`, `dm-2`, `nvme0n1`. */
  name: string;
  majorMinor: string;
  sizeBytes: number;
}

/** The path that host tools know the device by: `/dev/loop3`. */
export function devicePath(device: { name: string }): string {
  return `/dev/${device.name}`;
}

/** The unit of `size` in sysfs, whatever the device's own block size is. */
const SYSFS_SECTOR_BYTES = 512;

/**
 * Number and size of a device by its kernel name, read from sysfs now. `unavailable` when the
 * kernel has no such device.
 */
export async function readBlockDevice(host: Host, name: string): Promise<BlockDevice> {
  const device = await findBlockDevice(host, name);
  if (device) return device;
  throw new PsoError(
    "unavailable",
    `block device ${name} has gone: the kernel lists no /sys/class/block/${name}; kubelet will ` +
      "try again",
  );
}

/** As readBlockDevice(), but `undefined` when the kernel has no such device. */
export async function findBlockDevice(host: Host, name: string): Promise<BlockDevice | undefined> {
  const majorMinor = await readHostText(host, `/sys/class/block/${name}/dev`);
  const sectors = await readHostText(host, `/sys/class/block/${name}/size`);
  if (majorMinor === undefined || sectors === undefined) return undefined;
  return { name, majorMinor, sizeBytes: Number(sectors) * SYSFS_SECTOR_BYTES };
}

/** The partitions that the kernel has found on a device: each is a device that others may use. */
export async function partitionsOf(host: Host, name: string): Promise<BlockDevice[]> {
  const folder = `/sys/class/block/${name}`;
  const partitions: BlockDevice[] = [];
  // They are folders in the device's, and bear its name: sda1, nvme0n1p1.
  const folders = (await listHostFolder(host, folder)).filter((one) => one.startsWith(name));
  for (const part of folders) {
    if (await readHostText(host, `${folder}/${part}/partition`) === undefined) continue;
    const device = await findBlockDevice(host, part);
    if (device) partitions.push(device);
  }
  return partitions;
}

/**
 * Kernel name of the device with this `major:minor`; `undefined` for the numbers that the kernel
 * gives to file systems without a device (NFS, tmpfs).
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
 * Makes the kernel refuse writes to the device, or accept them again (blockdev(8)), and proves it
 * by sysfs. Safe to repeat. `unavailable` when the device did not change.
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
    `blockdev reported success, but block device ${device.name} did not become ` +
      `${device.readOnly ? "read-only" : "writable"}; kubelet will try again`,
  );
}

/**
 * Writes back and drops what this host has cached of the device (blockdev(8), BLKFLSBUF), so that
 * the next read comes from the array. `unavailable` at once when no path carries I/O.
 */
export async function dropCache(host: Host, name: string, signal?: AbortSignal): Promise<void> {
  await requireLivePath(host, name);
  await host.run("blockdev", ["--flushbufs", devicePath({ name })], { signal });
}

/**
 * Throws `in_use` while the kernel has a file system of this device open. It may be mounted in
 * another mount namespace, or an unmount that mountinfo no longer shows may be writing back.
 * Removing the device now would lose what was written.
 */
export async function refuseLiveFileSystem(host: Host, name: string): Promise<void> {
  for (const type of FS_TYPES) {
    if ((await listHostFolder(host, `/sys/fs/${type}/${name}`)).length === 0) continue;
    throw new PsoError(
      "in_use",
      `the ${type} on ${name} is unmounted here, but the kernel still has it open: it is being ` +
        "written back, or another mount namespace has it mounted; kubelet will try again, and " +
        `grep ${name} /proc/*/mountinfo shows who has it`,
    );
  }
}
