import { messageOf, PsoError } from "../../errors.ts";
import { findBlockDevice } from "../../host/block_device.ts";
import { filePath, type Host } from "../../host/host.ts";
import { unmountAll, untilUnmounted } from "../../host/mount.ts";
import { type Mount, mountAt, mountsAt, mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import { type BlockConnection, isBlock, isBlockRecord } from "../protocol.ts";
import { blockConnection, isFileMount, ownerOfDevice } from "../registry.ts";
import type { NodeContext } from "../context.ts";
import { isDeviceGone } from "./dead_mount.ts";
import { hasUnfinishedFormat } from "./format.ts";
import { resolvePlace } from "./places.ts";
import { isKubeletStagingPath } from "./kubelet_notes.ts";
import { isMountOfRecord, refuseOthersStage } from "./proof.ts";
import type { UnstageRequest } from "../requests.ts";
import type { StageRecord } from "../stage_record.ts";
import { BLOCK_FILE, deviceOfMount, isSameMount, stagedMount } from "../volume_mounts.ts";

/** Copies of a mount below host roots go with the original, a moment later. */
const COPIES_TIMEOUT_MS = 2_000;

/** A device of this driver, and the connection that attached it. */
interface AttachedDevice {
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
  request: UnstageRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { records } = context;
  const stagingPath = await resolvePlace(context.host, request.stagingPath, "staging_target_path");
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
  for (const mount of places.flatMap((place) => mountAt(mounts, place) ?? [])) {
    const { volumeId } = request;
    await refuseOthersStage(context, { volumeId, path: stagingPath, record, mount });
  }
  const held = new Map<string, AttachedDevice>();
  for (const place of places) {
    for (const mount of mountsAt(mounts, place)) {
      const found = await deviceUnderMount(context, { record, mount });
      if (found) held.set(found.deviceName, found);
    }
  }
  const others = (await records.list()).filter(({ volumeId }) => volumeId !== request.volumeId);
  for (const { deviceName } of held.values()) {
    await refusePublished(context.host, { deviceName, mounts, places, others, record });
  }
  const own = record?.stagingPath === stagingPath ? record : undefined;
  if (own && !isBlock(own.attachment)) refuseSharedPublished(own, { mounts, places });
  // From here on the healer may finish what fails, because the CO does not want the volume here.
  if (own && !own.unstaging) await records.write(Object.assign(own, { unstaging: true }));
  for (const place of places) await unmountAll(context.host, place, signal);
  await removeBlockFile(context.host, `${stagingPath}/${BLOCK_FILE}`);
  for (const found of own ? await devicesOfRecord(context, own, signal) : []) {
    held.set(found.deviceName, found);
  }
  let keepFormat = held.size === 0 && own?.format?.state === "started";
  for (const { connection, deviceName } of held.values()) {
    if (own) keepFormat ||= await hasUnfinishedFormat(context, { record: own, deviceName }, signal);
    if (await isKeptForOthers(context.host, { deviceName, others })) continue;
    await releaseDevice(context, { connection, deviceName }, signal);
  }
  for (const connection of connectionsOf(own, [...held.values()])) {
    await tidy(context, { connection, volumeId: request.volumeId }, signal);
  }
  if (own) await records.release(own, { keepFormat });
}

/** The connections that the volume used, also when a crash came before it had a device. */
function connectionsOf(
  record: StageRecord | undefined,
  held: AttachedDevice[],
): Set<BlockConnection<never>> {
  const connections = new Set(held.map(({ connection }) => connection));
  if (record && isBlock(record.attachment)) connections.add(blockConnection(record.attachment));
  return connections;
}

/** A connection, and the volume that has left it. */
interface LeftConnection {
  connection: BlockConnection<never>;
  volumeId: string;
}

/**
 * Ends what the connection made and no volume that stays needs. Of volumes that leave at once, each
 * is asked for when the ones before it are gone, so that the last one ends it. A session that cannot
 * be ended now is only logged: it is no reason to keep a volume on this node, and the next unstage
 * tries again.
 */
export async function tidy(
  context: NodeContext,
  { connection, volumeId }: LeftConnection,
  signal?: AbortSignal,
): Promise<void> {
  try {
    const others = (await context.records.list()).filter((other) =>
      other.volumeId !== volumeId && !other.unstaging
    );
    await connection.tidy(context, others, signal);
  } catch (error) {
    context.log.warn("unused session not ended", { reason: messageOf(error) });
  }
}

interface StagedDevice {
  deviceName: string;
  mounts: Mount[];
  /** Records of other volumes: one of them may be the same volume by another id. */
  others: StageRecord[];
  record?: StageRecord;
  /** Where the volume may be staged; copies of those mounts below host roots end in these paths. */
  places: string[];
}

/**
 * `in_use` while the volume is mounted anywhere else: nothing is unmounted then. Where it is staged
 * or published by another id does not count: its own calls take it away there.
 */
async function refusePublished(
  host: Host,
  { deviceName, mounts, places, others, record }: StagedDevice,
): Promise<void> {
  const device = await findBlockDevice(host, deviceName);
  const isOwn = ({ target }: Mount) =>
    record?.published.some(({ targetPath }) => target.endsWith(targetPath));
  const other = device &&
    mountsOfDevice(mounts, device).find((mount) =>
      isOwn(mount) ||
      !places.some((place) => mount.target.endsWith(place)) && !isPlaceOfOthers(mount, others)
    );
  if (other) throw stillMounted(deviceName, other);
}

/** Whether another volume is staged or published where this mount is. */
function isPlaceOfOthers({ target }: Mount, others: StageRecord[]): boolean {
  if (isKubeletStagingPath(target.replace(new RegExp(`/${BLOCK_FILE}$`), ""))) return true;
  return others.some(({ stagingPath, published }) =>
    [stagingPath, `${stagingPath}/${BLOCK_FILE}`, ...published.map(({ targetPath }) => targetPath)]
      .some((place) => target.endsWith(place))
  );
}

/** Whether the device stays, because the same volume is staged by another id. */
async function isKeptForOthers(
  host: Host,
  { deviceName, others }: Pick<StagedDevice, "deviceName" | "others">,
): Promise<boolean> {
  if (others.some(({ device, unstaging }) => device === deviceName && !unstaging)) return true;
  const device = await findBlockDevice(host, deviceName);
  return device !== undefined &&
    mountsOfDevice(await readMounts(host), device).some((mount) => isPlaceOfOthers(mount, others));
}

/**
 * `in_use` while a shared file system is published on this node. Other volumes of its server may
 * look like it, so the record tells the publications.
 */
function refuseSharedPublished(
  { volumeId, published, stagingPath }: StageRecord,
  { mounts, places }: Pick<StagedDevice, "mounts" | "places">,
): void {
  const staged = places.map((place) => mountAt(mounts, place)).find((mount) => mount);
  const left = published.map(({ targetPath }) => mountAt(mounts, targetPath)).find((mount) =>
    mount !== undefined && (staged === undefined || isSameMount(mount, staged))
  );
  if (!left) return;
  throw new PsoError(
    "in_use",
    `volume ${volumeId}, staged at ${stagingPath}, is still published at ${left.target}: ` +
      "unpublish it there first",
  );
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
): Promise<AttachedDevice | undefined> {
  if (record && !isBlock(record.attachment) && await isMountOfRecord(context, { mount, record })) {
    return undefined;
  }
  const device = await deviceOfMount(context.host, mount);
  if (device) {
    const connection = await ownerOfDevice(context, device.name);
    if (connection) return { connection, deviceName: device.name };
  }
  if (
    record && stagedMount([mount], record.stagingPath) && await isDeviceGone(context.host, mount)
  ) {
    return undefined;
  }
  if (await isFileMount(context, mount)) return undefined;
  throw new PsoError(
    "in_use",
    `${mount.target} holds ${mount.type} from ${mount.source}, which is not a volume of this ` +
      "driver: unmount it by hand",
  );
}

/** The devices that this node attached for the volume of its record, mounted or not. */
async function devicesOfRecord(
  context: NodeContext,
  record: StageRecord,
  signal?: AbortSignal,
): Promise<AttachedDevice[]> {
  if (!isBlockRecord(record)) return [];
  const connection = blockConnection(record.attachment);
  return (await connection.devicesOf(context, record, signal)).map((deviceName) => ({
    connection,
    deviceName,
  }));
}

/**
 * Takes a device away, once nothing mounts it any more. `in_use` while something does, or while a
 * format or check of it still runs: a raw
 * publication does not keep its device open, so the kernel would let it go, and the pod would write
 * to whatever volume gets the device next.
 */
export async function releaseDevice(
  context: NodeContext,
  { connection, deviceName }: AttachedDevice,
  signal?: AbortSignal,
): Promise<void> {
  const device = await findBlockDevice(context.host, deviceName);
  if (!device) return;
  context.deviceWork.refuse(deviceName);
  const select = (mounts: Mount[]) => mountsOfDevice(mounts, device);
  const [left] = await untilUnmounted(context.host, select, {
    timeoutMs: COPIES_TIMEOUT_MS,
    signal,
  });
  if (left) throw stillMounted(deviceName, left);
  await connection.detach(context, deviceName, signal);
}

/** Removes the file that a raw device was bound to. A file with content is left alone. */
async function removeBlockFile(host: Host, path: string): Promise<void> {
  try {
    const stat = await Deno.lstat(filePath(host, path));
    if (stat.isFile && stat.size === 0) await Deno.remove(filePath(host, path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    throw new PsoError(
      "unavailable",
      `file ${path} cannot be removed: ${
        messageOf(error)
      }; see what is there, and remove it by hand`,
      { cause: error },
    );
  }
}
