import { PsoError } from "../../errors.ts";
import { findFsType, FS_TYPES } from "../../file_systems.ts";
import { type BlockDevice, readBlockDevice } from "../../host/block_device.ts";
import type { Host } from "../../host/host.ts";
import {
  type FileSystemUse,
  growMounted,
  mountedBytes,
  readFileSystemUse,
} from "../../host/filesystem.ts";
import {
  boundDeviceName,
  isReadOnlyMount,
  type Mount,
  mountAt,
  readMounts,
  resolveTarget,
} from "../../host/mountinfo.ts";
import { isBlock } from "../protocol.ts";
import { blockConnection, fileConnection, isFileMount, ownerOfDevice } from "../registry.ts";
import type { NodeContext } from "../context.ts";
import type { ExpandRequest, StatsRequest, VolumeStats } from "../requests.ts";
import type { StageRecord } from "../stage_record.ts";
import { claimantOf, isMountOfRecord } from "./proof.ts";
import { checkPath, deviceOfMount, isSameMount, stagedMount } from "../volume_mounts.ts";

/** A mount that shows a volume. */
interface VolumeAt {
  mount: Mount;
  record?: StageRecord;
}

/**
 * The mount of a volume at one of its paths, which may be the staging path. `not_found` when there
 * is none, also for a path that could be none, such as a relative one.
 */
export async function volumeAt(
  context: NodeContext,
  request: StatsRequest,
): Promise<VolumeAt> {
  const record = await context.records.find(request.volumeId);
  const mounts = await readMounts(context.host);
  for (const path of [request.volumePath, request.stagingPath]) {
    if (!path?.startsWith("/") || path.includes("\0")) continue;
    const resolved = await resolveTarget(context.host, path);
    const mount = mountAt(mounts, resolved) ?? stagedMount(mounts, resolved);
    if (mount && await isVolume(context, { mount, record }, request.volumeId)) {
      return { mount, record };
    }
  }
  throw new PsoError(
    "not_found",
    `volume ${request.volumeId} is neither staged nor published at ${request.volumePath} on this ` +
      "node: stage it first",
  );
}

/**
 * Whether a mount shows the volume of the record; without a record, whether it shows any volume of
 * this driver that no record says is another.
 */
async function isVolume(
  context: NodeContext,
  { mount, record }: VolumeAt,
  volumeId: string,
): Promise<boolean> {
  const device = await deviceOfMount(context.host, mount);
  if (record && isBlock(record.attachment)) {
    return device !== undefined && device.name === record.device;
  }
  if (record) return await isMountOfRecord(context, { mount, record });
  if (await claimantOf(context, { mount, volumeId })) return false;
  if (await isFileMount(context, mount)) return true;
  return device !== undefined && await ownerOfDevice(context, device.name) !== undefined;
}

/**
 * NodeGetVolumeStats. `not_found` for a volume that is not mounted at the path, `timeout` when its
 * file system does not answer.
 */
export async function volumeStats(
  context: NodeContext,
  request: StatsRequest,
  signal?: AbortSignal,
): Promise<VolumeStats> {
  // Only the path that is asked for counts: the numbers of another mount would mislead.
  const { mount, record } = await volumeAt(context, { ...request, stagingPath: undefined });
  checkPath(request.volumePath, "volume_path");
  const raw = boundDeviceName(mount);
  if (raw !== undefined) {
    return { type: "block", sizeBytes: (await readBlockDevice(context.host, raw)).sizeBytes };
  }
  const use = await useOf(context, { mount, record }, signal);
  return {
    type: "mount",
    bytes: {
      total: use.totalBytes,
      used: use.totalBytes - use.freeBytes,
      available: use.availableBytes,
    },
    inodes: { total: use.inodes, used: use.inodes - use.freeInodes, available: use.freeInodes },
  };
}

/**
 * NodeExpandVolume: device first, then the file system, each proven by its new size. Returns what
 * the volume now holds. `unavailable` while the device is smaller than asked for (the array has not
 * grown it, or this host does not see it yet).
 */
export async function expandVolume(
  context: NodeContext,
  request: ExpandRequest,
  signal?: AbortSignal,
): Promise<{ sizeBytes: number }> {
  const { mount: found, record } = await volumeAt(context, request);
  const mount = await writableMount(context.host, { mount: found, record });
  const device = record && !isBlock(record.attachment)
    ? undefined
    : await deviceOfMount(context.host, mount);
  if (!device) {
    return { sizeBytes: await sharedBytes(context, { mount, record, request }, signal) };
  }
  const grown = await growDevice(context, { device, record, request }, signal);
  if (boundDeviceName(mount) !== undefined) return { sizeBytes: grown.sizeBytes };
  const type = findFsType(mount.type);
  if (!type) {
    throw new PsoError(
      "unsupported",
      `${mount.type} at ${mount.target} cannot be grown: this driver grows ${
        FS_TYPES.join(" and ")
      }; grow it by hand`,
    );
  }
  const mounted = { type, device: grown, target: mount.target };
  if (!isReadOnlyMount(mount)) {
    return { sizeBytes: await growMounted(context.host, mounted, signal) };
  }
  const sizeBytes = await mountedBytes(context.host, mounted, signal);
  if (sizeBytes >= (request.requiredBytes ?? 0)) return { sizeBytes };
  throw new PsoError(
    "in_use",
    `${type} at ${mount.target} is mounted read-only with ${sizeBytes} bytes and cannot grow to ` +
      `${request.requiredBytes}: start a pod that mounts the volume for writing, and it grows then`,
  );
}

/**
 * The staged mount in the place of a read-only publication: the file system grows through any
 * writable mount of it.
 */
async function writableMount(host: Host, { mount, record }: VolumeAt): Promise<Mount> {
  if (!record || !isReadOnlyMount(mount)) return mount;
  const staged = stagedMount(await readMounts(host), record.stagingPath);
  return staged && isSameMount(staged, mount) ? staged : mount;
}

interface GrowPlan {
  device: BlockDevice;
  record?: StageRecord;
  request: ExpandRequest;
}

async function growDevice(
  context: NodeContext,
  { device, record, request }: GrowPlan,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const connection = record && isBlock(record.attachment)
    ? blockConnection(record.attachment)
    : await ownerOfDevice(context, device.name);
  if (!connection) {
    throw new PsoError(
      "not_found",
      `device ${device.name} at ${request.volumePath} is not a volume of this driver and is not ` +
        "grown: see what mounted it there, and unmount it",
    );
  }
  await connection.grow(context, device.name, signal);
  const grown = await readBlockDevice(context.host, device.name);
  if (grown.sizeBytes >= (request.requiredBytes ?? 0)) return grown;
  throw new PsoError(
    "unavailable",
    `volume ${request.volumeId} has ${grown.sizeBytes} bytes on this node and ` +
      `${request.requiredBytes} are asked for: grow it on its array first`,
  );
}

/**
 * Bytes of a shared file system, which grows on its array alone: at least what is asked for. Its
 * size there is a limit, and statfs does not count what the file system keeps for itself.
 */
async function sharedBytes(
  context: NodeContext,
  { mount, record, request }: VolumeAt & { request: ExpandRequest },
  signal?: AbortSignal,
): Promise<number> {
  const { totalBytes } = await useOf(context, { mount, record }, signal);
  return Math.max(totalBytes, request.requiredBytes ?? 0);
}

/** Use of a mounted file system; of one whose server is known to be silent nothing is asked. */
async function useOf(
  context: NodeContext,
  { mount: { target }, record }: VolumeAt,
  signal?: AbortSignal,
): Promise<FileSystemUse> {
  const attachment = record?.attachment;
  return attachment && !isBlock(attachment)
    ? await fileConnection(attachment).readUse(context, { attachment, target }, signal)
    : await readFileSystemUse(context.host, target, signal);
}
