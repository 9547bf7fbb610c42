import { PsoError } from "../../errors.ts";
import { findFsType, FS_TYPES } from "../../file_systems.ts";
import { type BlockDevice, readBlockDevice } from "../../host/block_device.ts";
import { growMounted, mountedBytes, readFileSystemUse } from "../../host/filesystem.ts";
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
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { checkPath, deviceOfMount, isSameMount, stagedMount } from "../volume_mounts.ts";

interface VolumeAt {
  mount: Mount;
  record?: StageRecord;
}

/**
 * The mount of a volume at one of its paths. `not_found` before any judgement of the paths
 * themselves (csi-sanity sends `some/path`).
 */
export async function volumeAt(
  context: NodeContext,
  records: StageRecords,
  request: StatsRequest,
): Promise<VolumeAt> {
  const record = await records.find(request.volumeId);
  const mounts = await readMounts(context.host);
  for (const path of [request.volumePath, request.stagingPath]) {
    if (!path?.startsWith("/")) continue;
    const resolved = await resolveTarget(context.host, path);
    const mount = mountAt(mounts, resolved) ?? stagedMount(mounts, resolved);
    if (mount && await isVolume(context, { mount, record })) return { mount, record };
  }
  throw new PsoError(
    "not_found",
    `volume ${request.volumeId} is neither staged nor published at ${request.volumePath} on this node`,
  );
}

/**
 * Whether a mount shows the volume of the record; without a record, whether it shows any volume of
 * this driver.
 */
async function isVolume(context: NodeContext, { mount, record }: VolumeAt): Promise<boolean> {
  const device = await deviceOfMount(context, mount);
  if (record && isBlock(record.attachment)) {
    return device !== undefined && device.name === record.device;
  }
  if (record) return true;
  if (await isFileMount(context, mount)) return true;
  return device !== undefined && await ownerOfDevice(context, device.name) !== undefined;
}

/**
 * NodeGetVolumeStats. `not_found` for a volume that is not mounted at the path, `timeout` when its
 * file system does not answer.
 */
export async function volumeStats(
  context: NodeContext,
  records: StageRecords,
  request: StatsRequest,
  signal?: AbortSignal,
): Promise<VolumeStats> {
  const { mount, record } = await volumeAt(context, records, {
    ...request,
    stagingPath: undefined,
  });
  checkPath(request.volumePath, "volume_path");
  const raw = boundDeviceName(mount);
  if (raw !== undefined) {
    return { type: "block", sizeBytes: (await readBlockDevice(context.host, raw)).sizeBytes };
  }
  const { target } = mount;
  const attachment = record?.attachment;
  const use = attachment && !isBlock(attachment)
    ? await fileConnection(attachment).readUse(context, { attachment, target }, signal)
    : await readFileSystemUse(context.host, target, signal);
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
  records: StageRecords,
  request: ExpandRequest,
  signal?: AbortSignal,
): Promise<{ sizeBytes: number }> {
  const { mount: found, record } = await volumeAt(context, records, request);
  const mount = await writableMount(context, { mount: found, record });
  const device = record && !isBlock(record.attachment)
    ? undefined
    : await deviceOfMount(context, mount);
  if (!device) return { sizeBytes: await sharedBytes(context, { mount, request }, signal) };
  const grown = await growDevice(context, { device, record, request }, signal);
  if (boundDeviceName(mount) !== undefined) return { sizeBytes: grown.sizeBytes };
  const type = findFsType(mount.type);
  if (!type) {
    throw new PsoError(
      "unsupported",
      `${mount.type} at ${mount.target} cannot be grown: this driver grows ${
        FS_TYPES.join(" and ")
      }`,
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
    `${type} at ${mount.target} is mounted read-only with ${sizeBytes} bytes and grows to ${request.requiredBytes} when a writer stages it`,
  );
}

/**
 * The staged mount in the place of a read-only publication: the file system grows through any
 * writable mount of it.
 */
async function writableMount(context: NodeContext, { mount, record }: VolumeAt): Promise<Mount> {
  if (!record || !isReadOnlyMount(mount)) return mount;
  const staged = stagedMount(await readMounts(context.host), record.stagingPath);
  return staged && isSameMount(staged, mount) ? staged : mount;
}

async function growDevice(
  context: NodeContext,
  { device, record, request }: {
    device: BlockDevice;
    record?: StageRecord;
    request: ExpandRequest;
  },
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const connection = record && isBlock(record.attachment)
    ? blockConnection(record.attachment)
    : await ownerOfDevice(context, device.name);
  if (!connection) {
    throw new PsoError("not_found", `device ${device.name} is not a volume of this driver`);
  }
  await connection.grow(context, device.name, signal);
  const grown = await readBlockDevice(context.host, device.name);
  if (grown.sizeBytes >= (request.requiredBytes ?? 0)) return grown;
  throw new PsoError(
    "unavailable",
    `volume ${request.volumeId} has ${grown.sizeBytes} bytes on this node and ${request.requiredBytes} are asked for: ` +
      "it must be grown on its array first",
  );
}

/**
 * A shared file system grows on its array alone. Its size is a limit there; what it keeps for
 * itself is not counted by statfs.
 */
async function sharedBytes(
  context: NodeContext,
  { mount, request }: { mount: Mount; request: ExpandRequest },
  signal?: AbortSignal,
): Promise<number> {
  const { totalBytes } = await readFileSystemUse(context.host, mount.target, signal);
  return Math.max(totalBytes, request.requiredBytes ?? 0);
}
