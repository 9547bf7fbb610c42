import { PsoError } from "../errors.ts";
import { type BlockDevice, deviceNameOf, findBlockDevice } from "../host/block_device.ts";
import type { Host } from "../host/host.ts";
import { boundDeviceName, type Mount, mountAt } from "../host/mountinfo.ts";

/**
 * Below the staging path of a raw block volume: the device node, bound there so that mountinfo
 * tells which device it is.
 */
export const BLOCK_FILE = "device";

/**
 * Where a volume is staged: a file system at the staging path itself, a raw device at a file in it.
 */
export function stagedPlace(stagingPath: string, access: "mount" | "block"): string {
  return access === "block" ? `${stagingPath}/${BLOCK_FILE}` : stagingPath;
}

/** The staged mount of a volume whose access type is not known. */
export function stagedMount(mounts: Mount[], stagingPath: string): Mount | undefined {
  return mountAt(mounts, stagedPlace(stagingPath, "block")) ?? mountAt(mounts, stagingPath);
}

/**
 * The block device that a mount shows, with its file system or as a raw device; `undefined` for a
 * file system without one.
 */
export async function deviceOfMount(
  host: Host,
  mount: Mount,
): Promise<BlockDevice | undefined> {
  const name = boundDeviceName(mount) ?? await deviceNameOf(host, mount.majorMinor);
  return name === undefined ? undefined : await findBlockDevice(host, name);
}

/** True when two mounts show the same thing. */
export function isSameMount(one: Mount, other: Mount): boolean {
  return one.majorMinor === other.majorMinor && one.root === other.root;
}

/**
 * Mounts of the same thing elsewhere. Copies of `known` places below a bind mount of the host's /
 * (a host root) do not count: they end in the same path, and go with the original.
 */
export function mountsElsewhere(mounts: Mount[], shown: Mount, known: string[]): Mount[] {
  return mounts.filter((mount) =>
    isSameMount(mount, shown) && !known.some((place) => mount.target.endsWith(place))
  );
}

/**
 * Refuses a path that is no place for a volume: relative, `/` itself, with `..`, or with a zero,
 * which no file can have in its name. `invalid`.
 */
export function checkPath(path: string, what: string): void {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const isPlace = path.startsWith("/") && parts.length > 0 && !parts.includes("..");
  if (isPlace && !path.includes("\0")) return;
  throw new PsoError(
    "invalid",
    `${what} ${JSON.stringify(path)} is not an absolute path below /: give one without ..`,
  );
}
