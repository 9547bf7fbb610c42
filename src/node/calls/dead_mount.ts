import { PsoError } from "../../errors.ts";
import { findFsType } from "../../file_systems.ts";
import { findBlockDevice, refuseLiveFileSystem } from "../../host/block_device.ts";
import { faultOfFileSystem } from "../../host/filesystem.ts";
import { type Host, readHostText } from "../../host/host.ts";
import { unmountAll, unmountStale } from "../../host/mount.ts";
import { boundDeviceName, type Mount, readMounts } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import { isBlockRecord } from "../protocol.ts";
import type { StageRecord } from "../stage_record.ts";
import { deviceOfMount, mountsElsewhere } from "../volume_mounts.ts";

/** A staged mount, and the record of its volume. */
export interface RecordedMount {
  staged: Mount;
  record: StageRecord;
}

/** A staged mount that nobody can use any more. */
export interface DeadMount extends RecordedMount {
  /** For people: what is wrong with it. */
  why: string;
}

/**
 * Why what is staged for a block volume cannot be used any more, although it is mounted: the kernel
 * took its device away, or has stopped its file system. `undefined` while it lives. Whether the
 * mount is this volume is not looked at. `timeout` when it does not answer.
 */
export async function deathOf(
  host: Host,
  { staged, record }: RecordedMount,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const device = await deviceOfMount(host, staged);
  if (!device) {
    // Without a device nothing tells which volume it was, but that it stands where ours was put.
    const isOurs = record.device !== undefined && await isDeviceGone(host, staged);
    return isOurs ? `the kernel took its device ${record.device} away` : undefined;
  }
  if (boundDeviceName(staged) !== undefined) return undefined;
  return await faultOfFileSystem(host, staged, signal);
}

/**
 * Whether the kernel took the device away below its mount, as when the array disconnects an NVMe
 * volume: the mount is what is left of it.
 */
export async function isDeviceGone(host: Host, mount: Mount): Promise<boolean> {
  if (mount.root.endsWith("//deleted")) return true;
  return findFsType(mount.type) !== undefined &&
    await readHostText(host, `/sys/dev/block/${mount.majorMinor}/uevent`) === undefined;
}

/**
 * Takes a dead staged mount away, so that the volume can be mounted anew. `in_use` while it is
 * published, or a process uses it: a pod keeps what it has opened, and would see another file
 * system than the pods after it.
 */
export async function dropDeadMount(
  { host, log }: Pick<NodeContext, "host" | "log">,
  { staged, record, why }: DeadMount,
  signal?: AbortSignal,
): Promise<void> {
  const { volumeId } = record;
  const elsewhere = usesOf(await readMounts(host), { staged, record });
  const published =
    elsewhere.find(({ target }) =>
      record.published.some(({ targetPath }) => targetPath === target)
    ) ?? elsewhere[0];
  if (published) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} cannot be used on this node (${why}), and ${published.target} still ` +
        "shows it: end the pods that use it, then it is mounted anew",
    );
  }
  const { source, target } = staged;
  log.warn("dead mount taken away", { volume: volumeId, source, target, why });
  if (!isBlockRecord(record)) return await unmountStale(host, target, signal);
  const device = await deviceOfMount(host, staged);
  await unmountAll(host, target, signal);
  // A mount in another namespace keeps the stopped file system, and a new mount would get it again.
  if (device && await findBlockDevice(host, device.name)) {
    await refuseLiveFileSystem(host, device.name);
  }
}

/**
 * Other mounts of what is staged. Of a file system on a device each counts, also one of a folder in
 * it; other volumes of a server may have its number.
 */
function usesOf(mounts: Mount[], { staged, record }: RecordedMount): Mount[] {
  if (!isBlockRecord(record) || boundDeviceName(staged) !== undefined) {
    return mountsElsewhere(mounts, staged, [staged.target]);
  }
  return mounts.filter(({ majorMinor, target }) =>
    majorMinor === staged.majorMinor && !target.endsWith(staged.target)
  );
}
