import { messageOf, PsoError } from "../../errors.ts";
import { findFsType } from "../../file_systems.ts";
import { findBlockDevice } from "../../host/block_device.ts";
import { filePath, readHostText } from "../../host/host.ts";
import { unmountAll, untilUnmounted } from "../../host/mount.ts";
import {
  type Mount,
  mountsAt,
  mountsOfDevice,
  readMounts,
  resolveTarget,
} from "../../host/mountinfo.ts";
import { type BlockConnection, isBlock, isBlockRecord } from "../protocol.ts";
import { blockConnection, isFileMount, ownerOfDevice } from "../registry.ts";
import type { NodeContext } from "../context.ts";
import { hasUnfinishedFormat } from "./format.ts";
import type { UnstageRequest } from "../requests.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { BLOCK_FILE, checkPath, deviceOfMount, stagedMount } from "../volume_mounts.ts";

/** Copies of a mount below host roots go with the original, a moment later. */
const COPIES_TIMEOUT_MS = 2_000;

interface Held {
  connection: BlockConnection<never>;
  deviceName: string;
}

/**
 * NodeUnstageVolume: unmounts, takes the device away and proves both. Works without a record
 * (mountinfo tells the device) and after the array has disconnected the volume. Nothing there is
 * success. `in_use` while the volume is published, open, or when something that is not a volume of
 * this driver is mounted there.
 */
export async function unstageVolume(
  context: NodeContext,
  records: StageRecords,
  request: UnstageRequest,
  signal?: AbortSignal,
): Promise<void> {
  checkPath(request.stagingPath, "staging_target_path");
  const stagingPath = await resolveTarget(context.host, request.stagingPath);
  const record = await records.find(request.volumeId);
  if (record && record.stagingPath !== stagingPath) {
    context.log.info("nothing staged here", {
      volume: request.volumeId,
      path: stagingPath,
      stagedAt: record.stagingPath,
    });
  }
  const places = [`${stagingPath}/${BLOCK_FILE}`, stagingPath];
  const mounts = await readMounts(context.host);
  const held = new Map<string, Held>();
  for (const place of places) {
    for (const mount of mountsAt(mounts, place)) {
      const found = await deviceUnderMount(context, { record, mount });
      if (found) held.set(found.deviceName, found);
    }
  }
  for (const { deviceName } of held.values()) {
    await refusePublished(context, { deviceName, mounts, places });
  }
  const own = record?.stagingPath === stagingPath ? record : undefined;
  // the healer may finish what fails from here on
  if (own && !own.unstaging) await records.write(Object.assign(own, { unstaging: true }));
  for (const place of places) await unmountAll(context.host, place, signal);
  await removeBlockFile(context, `${stagingPath}/${BLOCK_FILE}`);
  for (const found of own ? await devicesOfRecord(context, own, signal) : []) {
    held.set(found.deviceName, found);
  }
  let keepFormat = held.size === 0 && own?.format?.state === "started";
  for (const { connection, deviceName } of held.values()) {
    if (own) keepFormat ||= await hasUnfinishedFormat(context, { record: own, deviceName });
    await releaseDevice(context, { connection, deviceName }, signal);
  }
  const others = (await records.list()).filter(({ volumeId }) => volumeId !== request.volumeId);
  for (const connection of connectionsOf(own, [...held.values()])) {
    await tidy(context, { connection, others }, signal);
  }
  if (own) await records.release(own, { keepFormat });
}

/** The connections that the volume used, also when a crash came before it had a device. */
function connectionsOf(record: StageRecord | undefined, held: Held[]): Set<BlockConnection<never>> {
  const connections = new Set(held.map(({ connection }) => connection));
  if (record && isBlock(record.attachment)) connections.add(blockConnection(record.attachment));
  return connections;
}

/**
 * A session that cannot be ended now is no reason to keep a volume on this node: the next unstage
 * tries again.
 */
export async function tidy(
  context: NodeContext,
  { connection, others }: { connection: BlockConnection<never>; others: StageRecord[] },
  signal?: AbortSignal,
): Promise<void> {
  try {
    await connection.tidy(context, others, signal);
  } catch (error) {
    context.log.warn("unused session not ended", { reason: messageOf(error) });
  }
}

/**
 * Nothing is unmounted while the volume is still mounted elsewhere. Copies of the staged mount
 * below host roots end in its path.
 */
async function refusePublished(
  context: NodeContext,
  { deviceName, mounts, places }: { deviceName: string; mounts: Mount[]; places: string[] },
): Promise<void> {
  const device = await findBlockDevice(context.host, deviceName);
  const other = device &&
    mountsOfDevice(mounts, device).find((mount) =>
      !places.some((place) => mount.target.endsWith(place))
    );
  if (other) throw stillMounted(deviceName, other);
}

function stillMounted(deviceName: string, mount: Mount): PsoError {
  return new PsoError(
    "in_use",
    `device ${deviceName} is still mounted at ${mount.target}: unpublish the volume there first`,
  );
}

/**
 * The device below a staged mount; `undefined` for a folder that has none of ours. `in_use` when
 * the mount is not this driver's.
 */
async function deviceUnderMount(
  context: NodeContext,
  { record, mount }: { record?: StageRecord; mount: Mount },
): Promise<Held | undefined> {
  if (record && !isBlock(record.attachment)) return undefined;
  const device = await deviceOfMount(context, mount);
  if (device) {
    const connection = await ownerOfDevice(context, device.name);
    if (connection) return { connection, deviceName: device.name };
  }
  if (record && stagedMount([mount], record.stagingPath) && await isDeviceGone(context, mount)) {
    return undefined;
  }
  if (await isFileMount(context, mount)) return undefined;
  throw new PsoError(
    "in_use",
    `${mount.target} holds ${mount.type} from ${mount.source}, which is not a volume of this driver: it is left alone`,
  );
}

/**
 * Whether the kernel took the device away below its mount, as when the array disconnects an NVMe
 * volume: the mount is what is left of it.
 */
async function isDeviceGone(context: NodeContext, mount: Mount): Promise<boolean> {
  if (mount.root.endsWith("//deleted")) return true;
  return findFsType(mount.type) !== undefined &&
    await readHostText(context.host, `/sys/dev/block/${mount.majorMinor}/uevent`) === undefined;
}

/** What the record says this node attached. */
async function devicesOfRecord(
  context: NodeContext,
  record: StageRecord,
  signal?: AbortSignal,
): Promise<Held[]> {
  if (!isBlockRecord(record)) return [];
  const connection = blockConnection(record.attachment);
  return (await connection.devicesOf(context, record, signal)).map((deviceName) => ({
    connection,
    deviceName,
  }));
}

/**
 * Takes a device away that nothing mounts any more, `in_use` while something does: a raw
 * publication does not keep its device open, and the pod would write to whatever volume gets the
 * device next.
 */
export async function releaseDevice(
  context: NodeContext,
  { connection, deviceName }: Held,
  signal?: AbortSignal,
): Promise<void> {
  const device = await findBlockDevice(context.host, deviceName);
  if (!device) return;
  const select = (mounts: Mount[]) => mountsOfDevice(mounts, device);
  const [left] = await untilUnmounted(context.host, select, {
    timeoutMs: COPIES_TIMEOUT_MS,
    signal,
  });
  if (left) throw stillMounted(deviceName, left);
  await connection.detach(context, deviceName, signal);
}

async function removeBlockFile(context: NodeContext, path: string): Promise<void> {
  try {
    const stat = await Deno.lstat(filePath(context.host, path));
    if (stat.isFile && stat.size === 0) await Deno.remove(filePath(context.host, path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    throw new PsoError("unavailable", `file ${path} cannot be removed: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
