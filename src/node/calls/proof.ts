import { isPsoError, PsoError } from "../../errors.ts";
import { type Mount, mountAt, readMounts } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import { type BlockAttachment, isBlock, isBlockRecord } from "../protocol.ts";
import {
  blockConnection,
  fileConnection,
  fileSystemIn,
  isFileMount,
  ownerOfDevice,
  withoutSourceMounts,
} from "../registry.ts";
import type { StageRecord } from "../stage_record.ts";
import { deviceOfMount, isSameMount, stagedPlace } from "../volume_mounts.ts";
import { isDeviceGone } from "./dead_mount.ts";
import {
  handleAtTarget,
  isKubeletStagingPath,
  isStagedByKubelet,
  stagedByKubelet,
} from "./kubelet_notes.ts";

/** A mount, and the record of the volume that it may show. */
interface RecordedMount {
  mount: Mount;
  record: StageRecord;
}

/**
 * Whether a mount that lives shows the volume of the record: its device, or its export. What the
 * kernel has taken the device from shows nothing.
 */
export async function isMountOfRecord(
  context: NodeContext,
  { mount, record }: RecordedMount,
): Promise<boolean> {
  const { attachment } = record;
  if (!isBlockRecord(record)) {
    return !isBlock(attachment) && await fileConnection(attachment).shows(context, {
      attachment,
      mount,
    });
  }
  const device = (await deviceOfMount(context.host, mount))?.name;
  if (device === undefined) return false;
  return device === record.device ||
    await isDeviceOf(context, { attachment: record.attachment, device });
}

/** Whether a device is the volume; a volume that is not published to this node (any more) is not. */
async function isDeviceOf(
  context: NodeContext,
  { attachment, device }: { attachment: BlockAttachment; device: string },
): Promise<boolean> {
  try {
    return await blockConnection(attachment).isDeviceOf(context, { attachment, device });
  } catch (error) {
    if (isPsoError(error, "not_found", "invalid")) return false;
    throw error;
  }
}

/**
 * The record of another volume that says that a mount is that volume: it names the target, the
 * staging path, or the device.
 */
export async function claimantOf(
  context: NodeContext,
  { mount, volumeId }: { mount: Mount; volumeId: string },
): Promise<StageRecord | undefined> {
  for (const record of await context.records.list()) {
    if (record.volumeId === volumeId) continue;
    const { stagingPath, published } = record;
    const isNamed = [
      stagingPath,
      stagedPlace(stagingPath, "block"),
      ...published.map((one) => one.targetPath),
    ].includes(mount.target);
    if (isNamed) return record;
    if (isBlockRecord(record) && await isMountOfRecord(context, { mount, record })) return record;
  }
  return undefined;
}

/** A volume, and where it may be mounted. */
export interface Place {
  volumeId: string;
  /** As mountinfo names it. */
  path: string;
  /** Of this volume; absent when there is none, or it was lost. */
  record?: StageRecord;
}

/** What is mounted at the place of a volume. */
interface PlaceMount extends Place {
  mount: Mount;
}

/** Whether the volume of a record is staged at this path, or its raw device bound there. */
function isStagedAt({ stagingPath }: StageRecord, path: string): boolean {
  return path === stagingPath || path === stagedPlace(stagingPath, "block");
}

/**
 * `in_use` for a target that is a staging path: a publish would hide what is staged there, and an
 * unpublish would take away what all pods of the volume use.
 */
export async function refuseStagingPath(
  context: NodeContext,
  { volumeId, path }: Place,
): Promise<void> {
  const staged = (await context.records.list()).find((record) => isStagedAt(record, path));
  if (!staged && !isKubeletStagingPath(path)) return;
  const whose = staged ? `volume ${staged.volumeId} is` : "kubelet has volumes";
  throw new PsoError(
    "in_use",
    `${path} is where ${whose} staged, and no target for volume ${volumeId}: publish it elsewhere; ` +
      "NodeUnstageVolume takes away what is staged",
  );
}

/**
 * `in_use` when another volume is staged at this path, by that volume's record, or by the name that
 * kubelet gave the path. When both are silent the caller's word counts: what is unmounted here is
 * still there for the pods that have it, and what stayed would be in nobody's way but a person's.
 */
export async function refuseOthersStage(
  context: NodeContext,
  { volumeId, path, record, mount }: PlaceMount,
): Promise<void> {
  const other = (await context.records.list()).find((one) =>
    one.volumeId !== volumeId && isStagedAt(one, path)
  );
  const own = record?.stagingPath === path ? record : undefined;
  if (own && (!other || await isMountOfRecord(context, { mount, record: own }))) return;
  const isOthersPath = isStagedByKubelet(path, volumeId) === false;
  if (!other && !isOthersPath) return;
  const who = other ? `volume ${other.volumeId} is` : "kubelet has another volume";
  throw new PsoError(
    "in_use",
    `${path} is where ${who} staged, and not volume ${volumeId}: it is left as it is` +
      (other ? `; unstage ${other.volumeId} there` : "; see what it is, and unmount it by hand"),
  );
}

/**
 * Proves that what is mounted at a target is the volume, before it is unmounted. The record proves
 * it, or what kubelet noted beside the target or in the name of its staging path, or the mount
 * itself, when nothing says that it is another's. `in_use` for anything else, with what is there.
 */
export async function requirePublication(
  context: NodeContext,
  target: PlaceMount,
): Promise<void> {
  const doubt = await doubtOf(context, target);
  if (doubt === undefined) return;
  const { volumeId, path, mount } = target;
  throw new PsoError(
    "in_use",
    `${path} holds ${mount.type} from ${mount.source}, and nothing proves that it is volume ` +
      `${volumeId} (${doubt}): see what it is, and unmount it by hand`,
  );
}

/** Why the mount is not known for the volume; `undefined` when it is. */
async function doubtOf(context: NodeContext, target: PlaceMount): Promise<string | undefined> {
  const { volumeId, path, mount, record } = target;
  const isOwn = record?.published.some(({ targetPath }) => targetPath === path) ?? false;
  const publisher = isOwn ? undefined : await publisherOf(context, target);
  if (publisher) return `it is volume ${publisher.volumeId}, which was published there`;
  if (record && await isMountOfRecord(context, { mount, record })) return undefined;
  const isGone = await isDeviceGone(context.host, mount);
  if (isGone && isOwn) return undefined;
  if (!isGone && !await isMadeByUs(context, mount)) return "this driver makes no such mount";
  const handle = await handleAtTarget(context.host, path);
  if (handle === volumeId) return undefined;
  if (handle !== undefined) return `kubelet's vol_data.json for it names ${handle}`;
  const mounts = await readMounts(context.host);
  const staged = stagedByKubelet(mounts, { shown: mount, volumeId });
  if (staged === "this") return undefined;
  if (staged === "other") return "kubelet staged it for another volume";
  return await doubtWithoutNotes(context, { ...target, mounts });
}

/** The record of another volume that was published at this target, and that the mount shows. */
async function publisherOf(
  context: NodeContext,
  { volumeId, path, mount }: PlaceMount,
): Promise<StageRecord | undefined> {
  for (const record of await context.records.list()) {
    const isThere = record.volumeId !== volumeId &&
      record.published.some(({ targetPath }) => targetPath === path);
    if (isThere && await isMountOfRecord(context, { mount, record })) return record;
  }
  return undefined;
}

/** Whether the mount is of a kind that some protocol of this driver makes. */
async function isMadeByUs(context: NodeContext, mount: Mount): Promise<boolean> {
  const device = await deviceOfMount(context.host, mount);
  if (device && await ownerOfDevice(context, device.name)) return true;
  return await isFileMount(context, mount);
}

/**
 * Why a mount of ours is not known for the volume when neither a record nor kubelet names it: a
 * record says that it is another's, its source has another name, or it may be the staged volume
 * itself, because nothing older shows the same.
 */
async function doubtWithoutNotes(
  context: NodeContext,
  { volumeId, path, mount, mounts, record }: PlaceMount & { mounts: Mount[] },
): Promise<string | undefined> {
  if (record) return "the record of the volume names another device or export";
  const other = await claimantOf(context, { mount, volumeId });
  if (other) return `the record of volume ${other.volumeId} names it`;
  const source = fileSystemIn(mount);
  if (source !== undefined && !namesOf(volumeId).includes(source)) {
    return "its source has another name";
  }
  const here = mountAt(mounts, path);
  const others = (await withoutSourceMounts(context, mounts)).filter((one) =>
    isSameMount(one, mount) && !one.target.endsWith(path)
  );
  if (here && others.some((one) => mounts.indexOf(one) < mounts.indexOf(here))) return undefined;
  return "nothing older shows it, so that it may be the staged volume itself";
}

/** What a handle may call a file system on its array: see docs/handles.md. */
function namesOf(volumeId: string): string[] {
  const name = volumeId.replace(/^[0-9a-f]{8}\//i, "").replace(/@keep$/i, "");
  return [volumeId, name].flatMap((one) => [one, one.replace("/", "-")]);
}
