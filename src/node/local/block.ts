import { PsoError } from "../../errors.ts";
import { type BlockDevice, readBlockDevice, setDeviceReadOnly } from "../../host/block_device.ts";
import {
  attachLoop,
  backingFileOf,
  detachLoop,
  growLoop,
  type Image,
  isLoopName,
  listLoopDevices,
  type LoopDevice,
  readImage,
  shows,
} from "../../host/loop.ts";
import type { Host } from "../../host/host.ts";
import { mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import { lookAtDevice } from "../look.ts";
import type {
  AttachedVolume,
  AttachOptions,
  AttachRequest,
  BlockAttachmentBy,
  BlockConnection,
} from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { isInside, linkPath, partsOf, planeOf, realPlane, servesFileSystems } from "./plane.ts";
import type { StageRecord } from "../stage_record.ts";

const SECTOR_BYTES = 512;
const DELETED = " (deleted)";

type LocalAttachment = BlockAttachmentBy<"local">;

/** Block volumes of the simulator's local plane: image files, attached as loop devices. */
export const localBlock: BlockConnection<LocalAttachment> = {
  attach,
  isDeviceOf,
  grow: ({ host }, deviceName, signal) => growLoop(host, deviceName, signal),
  devicesOf,
  owns,
  detach,
  look: (_context, { view, device }) => Promise.resolve(lookAtDevice(view, device)),
  // A loop device has no paths and no sessions, and nothing about it is noted.
  repair: () => Promise.resolve(),
  idle: () => Promise.resolve([]),
  tidy: () => Promise.resolve(),
  forgetEnded: () => Promise.resolve(),
  unknownDevices: () => [],
};

/** The image that the array connects to its host now. */
async function publishedImage(context: NodeContext, attachment: LocalAttachment): Promise<Image> {
  const { array, host, lun, sizeBytes, also = [] } = attachment;
  let image: Image | undefined;
  // One array of a stretched pod is enough: both show one image.
  for (const place of [attachment, ...also]) {
    const link = { array: place.array, host: place.host, name: String(place.lun) };
    image ??= await readImage(context.host, linkPath(planeOf(context), link));
  }
  if (!image) {
    throw new PsoError(
      "not_found",
      `array ${array} connects no volume to host ${host} at LUN ${lun}: publish the volume to ` +
        "this node first",
    );
  }
  if (image.sizeBytes >= sizeBytes) return image;
  throw new PsoError(
    "unavailable",
    `volume at LUN ${lun} of array ${array} has ${image.sizeBytes} bytes where the array said ` +
      `${sizeBytes}: see the simulator's log; kubelet will try again`,
  );
}

async function attach(
  context: NodeContext,
  { attachment, ...options }: AttachRequest<LocalAttachment>,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const image = await publishedImage(context, attachment);
  const existing = await usableLoop(context.host, { ...options, image }, signal);
  const { path, majorMinor, inode } = image;
  if (!existing) await options.note({ device: undefined, image: { path, majorMinor, inode } });
  const device = existing
    ? await readBlockDevice(context.host, existing.name)
    : await attachLoop(context.host, image, signal);
  await options.note({ device: device.name, image: { path, majorMinor, inode } });
  return await growLoopToImage(context.host, { device, image }, signal);
}

/**
 * A loop device of this node that shows the image already. Two nodes on one machine may show one
 * image: a device is this node's own when its record names it, or names the image (a crash came
 * before the device was noted) and nothing mounts the device.
 */
async function usableLoop(
  host: Host,
  { image, record, shared }: AttachOptions & { image: Image },
  signal?: AbortSignal,
): Promise<LoopDevice | undefined> {
  const showing = (await listLoopDevices(host, signal)).filter((loop) => shows(loop, image));
  const named = showing.find((loop) => loop.name === record.device);
  if (named) return named;
  const mounts = await readMounts(host);
  for (const loop of showing) {
    const { majorMinor } = await readBlockDevice(host, loop.name);
    const mounted = mountsOfDevice(mounts, { name: loop.name, majorMinor })[0];
    if (!mounted && record.image !== undefined && shows(loop, record.image)) return loop;
    if (!mounted || shared) continue;
    throw new PsoError(
      "in_use",
      `volume image ${image.path} is still mounted at ${mounted.target} by another node: ` +
        "unstage it there first",
    );
  }
  return undefined;
}

/** Grows the loop device to the size of its image, if that has grown meanwhile, and proves it. */
async function growLoopToImage(
  host: Host,
  { device, image }: { device: BlockDevice; image: Image },
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const wanted = Math.floor(image.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
  if (device.sizeBytes === wanted) return device;
  await growLoop(host, device.name, signal);
  const grown = await readBlockDevice(host, device.name);
  if (grown.sizeBytes === wanted) return grown;
  throw new PsoError(
    "unavailable",
    `loop device ${device.name} has ${grown.sizeBytes} bytes and its image ${image.path} has ` +
      `${image.sizeBytes}: see the kernel's log; kubelet will try again`,
  );
}

async function isDeviceOf(
  context: NodeContext,
  { attachment, device }: Required<AttachedVolume<LocalAttachment>>,
  signal?: AbortSignal,
): Promise<boolean> {
  const image = await publishedImage(context, attachment);
  const loop = (await listLoopDevices(context.host, signal)).find((one) => one.name === device);
  return loop !== undefined && shows(loop, image);
}

async function devicesOf(
  { host }: NodeContext,
  { image, device }: StageRecord,
  signal?: AbortSignal,
): Promise<string[]> {
  if (!image) return [];
  const showing = (await listLoopDevices(host, signal)).filter((loop) => shows(loop, image));
  if (device !== undefined) {
    return showing.filter((loop) => loop.name === device).map((loop) => loop.name);
  }
  const mounts = await readMounts(host);
  const free: string[] = [];
  for (const { name } of showing) {
    const { majorMinor } = await readBlockDevice(host, name);
    if (mountsOfDevice(mounts, { name, majorMinor }).length === 0) free.push(name);
  }
  return free;
}

/** Loop devices whose file lies in the local plane and is a volume's, not a file system's. */
async function owns(context: NodeContext, deviceName: string): Promise<boolean> {
  if (context.localPlane === undefined || !isLoopName(deviceName)) return false;
  const file = await backingFileOf(context.host, deviceName);
  if (file === undefined || !isInside(file, await realPlane(context))) return false;
  const parts = partsOf(file);
  return parts !== undefined && !await servesFileSystems(context, parts.array);
}

async function detach(
  context: NodeContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  if (!isLoopName(deviceName)) {
    throw new PsoError(
      "invalid",
      `device ${deviceName} is no loop device, and the local plane has no other: see with lsblk ` +
        "what it is",
    );
  }
  const backingFile = await backingFileOf(context.host, deviceName);
  if (backingFile === undefined) return;
  const plane = await realPlane(context);
  if (!isInside(backingFile.replace(DELETED, ""), plane)) {
    throw new PsoError(
      "in_use",
      `loop device ${deviceName} shows ${backingFile}, which is not of the local plane ${plane}, ` +
        "and is not taken away: detach it with losetup --detach if nothing needs it",
    );
  }
  // `blockdev --setro` outlives the detach, and whoever gets this loop device next could not write.
  await setDeviceReadOnly(context.host, { name: deviceName, readOnly: false }, signal);
  await detachLoop(context.host, { name: deviceName, backingFile }, signal);
}
