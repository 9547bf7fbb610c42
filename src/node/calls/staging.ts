import { type Capability, isMultiNode, isReadOnly } from "../../capability.ts";
import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { FILE_SYSTEMS, type FsType, toFsType } from "../../file_systems.ts";
import { type BlockDevice, devicePath, setDeviceReadOnly } from "../../host/block_device.ts";
import { checkExt4, growMounted, growUnmountedExt4 } from "../../host/filesystem.ts";
import { filePath } from "../../host/host.ts";
import { bindMount, mountFileSystem } from "../../host/mount.ts";
import {
  isReadOnlyMount,
  type Mount,
  mountAt,
  readMounts,
  resolveTarget,
} from "../../host/mountinfo.ts";
import { splitWords } from "../../words.ts";
import { type BlockAttachment, type FileAttachment, isBlock } from "../protocol.ts";
import { blockConnection, fileConnection } from "../registry.ts";
import type { NodeContext } from "../context.ts";
import { ensureFileSystem, hasUnfinishedFormat } from "./format.ts";
import { combineMountFlags } from "./mount_flags.ts";
import type { StageRequest } from "../requests.ts";
import { dropStaleMount } from "./stale_mount.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { releaseDevice, tidy } from "./unstaging.ts";
import { checkPath, deviceOfMount, stagedMount, stagedPlace } from "../volume_mounts.ts";

/** A stage in progress: the request with everything that follows from it. */
interface Stage {
  request: StageRequest;
  capability: Capability;
  /** Staging path as mountinfo names it. */
  stagingPath: string;
  /** Where the mount belongs. */
  place: string;
  record: StageRecord;
  save: () => Promise<void>;
}

/**
 * NodeStageVolume. Order: record, attach, identity and size, format if it proves blank, check,
 * mount, grow. What is there already is kept when it is this very volume, and refused when it is
 * anything else (`in_use`); other options than it was staged with are a `conflict`.
 */
export async function stageVolume(
  context: NodeContext,
  records: StageRecords,
  request: StageRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { capability, attachment, volumeId } = request;
  checkPath(request.stagingPath, "staging_target_path");
  if (!isBlock(attachment) && capability.access.type === "block") {
    throw new PsoError(
      "unsupported",
      `volume ${volumeId} is a shared file system and cannot be used as a raw block device`,
    );
  }
  if (capability.access.type === "mount" && isBlock(attachment)) {
    fsTypeOf(context, capability);
    if (isMultiNode(capability.mode) && !isReadOnly(capability.mode)) {
      throw new PsoError(
        "unsupported",
        `volume ${volumeId} cannot be mounted by writers on several nodes: use a raw block or a shared file system`,
      );
    }
  }
  const stagingPath = await placeFor(context, request.stagingPath);
  const earlier = await records.find(volumeId);
  await refuseOtherStage(context, { request, stagingPath, earlier });
  const shared = isMultiNode(capability.mode);
  const record: StageRecord = {
    ...(earlier ?? { volumeId, published: [] }),
    stagingPath,
    attachment,
    shared,
    unstaging: undefined,
  };
  // it is wanted again: nobody may go on taking it away
  if (earlier?.unstaging) await records.write(record);
  const place = stagedPlace(stagingPath, capability.access.type);
  const stage: Stage = {
    request,
    capability,
    stagingPath,
    place,
    record,
    save: () => records.write(record),
  };
  if (!isBlock(attachment)) return await stageFileSystem(context, stage, attachment, signal);
  await stageBlock(context, { stage, records, attachment }, signal);
}

/**
 * A volume is staged once, in one way. Mounting what is in use as a raw device would give it two
 * writers, and a raw device is bound to a file that would be made inside of a mounted volume.
 */
async function refuseOtherStage(
  context: NodeContext,
  { request, stagingPath, earlier }: {
    request: StageRequest;
    stagingPath: string;
    earlier?: StageRecord;
  },
): Promise<void> {
  const mounts = await readMounts(context.host);
  const { volumeId, capability } = request;
  if (earlier && earlier.stagingPath !== stagingPath && stagedMount(mounts, earlier.stagingPath)) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is staged at ${earlier.stagingPath} already: unstage it there first`,
    );
  }
  const other = capability.access.type === "block" ? "mount" : "block";
  const crossing = mountAt(mounts, stagedPlace(stagingPath, other));
  if (!crossing) return;
  const [is, wanted] = other === "mount"
    ? ["as a file system", "a raw device"]
    : ["as a raw device", "a file system"];
  throw new PsoError(
    "conflict",
    `${stagingPath} is staged ${is}, and ${wanted} is asked for volume ${volumeId}: unstage it first`,
  );
}

function fsTypeOf(context: NodeContext, { access }: Capability): FsType {
  return access.type === "mount" && access.fsType !== ""
    ? toFsType(access.fsType)
    : toFsType(context.flasharray.defaultFsType);
}

/**
 * The staging path as mountinfo names it, made when nothing is mounted there: even a look at the
 * root of a dead mount hangs or fails.
 */
async function placeFor(context: NodeContext, path: string): Promise<string> {
  const place = await resolveTarget(context.host, path);
  if (mountAt(await readMounts(context.host), place)) return place;
  await makeFolder(context, path);
  return await resolveTarget(context.host, path);
}

async function makeFolder(context: NodeContext, path: string): Promise<void> {
  try {
    await Deno.mkdir(filePath(context.host, path), { recursive: true, mode: 0o750 });
  } catch (error) {
    throw new PsoError("unavailable", `folder ${path} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Whether nobody is to write through this stage. */
function wantsReadOnly({ mode, access }: Capability): boolean {
  return isReadOnly(mode) || (access.type === "mount" && access.mountFlags.includes("ro"));
}

async function stageFileSystem(
  context: NodeContext,
  stage: Stage,
  attachment: FileAttachment,
  signal?: AbortSignal,
): Promise<void> {
  const connection = fileConnection(attachment);
  const existing = mountAt(await readMounts(context.host), stage.place);
  if (existing) {
    if (!await connection.isMountOf(context, attachment, existing)) throw foreign(stage, existing);
    // A server that does not answer is no reason to doubt what is mounted: publish asks again.
    const mounted = { attachment, target: existing.target };
    const isStale = await connection.isStale(context, mounted, signal).catch(() => false);
    if (!isStale) return checkReadOnly(stage, existing);
    await dropStaleMount(context, {
      volumeId: stage.request.volumeId,
      staged: existing,
      record: stage.record,
    }, signal);
  }
  await context.requirePrepared(attachment.protocol);
  await stage.save();
  await mountShared(
    context,
    { attachment, capability: stage.capability, target: stage.place },
    signal,
  );
}

/** Mounts a shared file system in the way that the capability asks for. */
export async function mountShared(
  context: NodeContext,
  { attachment, capability, target }: {
    attachment: FileAttachment;
    capability: Capability;
    target: string;
  },
  signal?: AbortSignal,
): Promise<void> {
  const { access } = capability;
  const flags = access.type === "mount" ? access.mountFlags : [];
  const options = wantsReadOnly(capability) && !flags.includes("ro") ? [...flags, "ro"] : flags;
  await fileConnection(attachment).mount(context, attachment, { target, options }, signal);
}

function foreign({ place, request }: Stage, existing: Mount): PsoError {
  return new PsoError(
    "in_use",
    `${place} holds ${existing.type} from ${existing.source}, which is not volume ${request.volumeId}: unmount it by hand`,
  );
}

function checkReadOnly({ capability, place, request }: Stage, existing: Mount): void {
  const wanted = wantsReadOnly(capability);
  if (capability.access.type === "block" || isReadOnlyMount(existing) === wanted) return;
  const is = wanted ? "writable" : "read-only";
  throw new PsoError(
    "conflict",
    `volume ${request.volumeId} is staged ${is} at ${place}, and ${
      wanted ? "read-only" : "writable"
    } is asked for`,
  );
}

interface BlockStage {
  stage: Stage;
  records: StageRecords;
  attachment: BlockAttachment;
}

async function stageBlock(
  context: NodeContext,
  { stage, records, attachment }: BlockStage,
  signal?: AbortSignal,
): Promise<void> {
  const existing = mountAt(await readMounts(context.host), stage.place);
  if (existing) return await confirmStaged(context, { stage, attachment, existing }, signal);
  await context.requirePrepared(attachment.protocol);
  await stage.save();
  try {
    const device = await attach(context, stage, attachment, signal);
    if (stage.capability.access.type === "block") await bindDevice(context, stage, device, signal);
    else await mountVolume(context, { stage, device, attachment }, signal);
  } catch (error) {
    await undo(context, { stage, records, attachment }, error);
    throw error;
  }
}

/** Something is mounted where the volume belongs: is it this volume, as asked for? */
async function confirmStaged(
  context: NodeContext,
  { stage, attachment, existing }: { stage: Stage; attachment: BlockAttachment; existing: Mount },
  signal?: AbortSignal,
): Promise<void> {
  const device = await deviceOfMount(context, existing);
  const connection = blockConnection(attachment);
  if (!device || !await connection.isDeviceOf(context, attachment, device.name, signal)) {
    throw foreign(stage, existing);
  }
  checkReadOnly(stage, existing);
  if (stage.capability.access.type === "block") return;
  const type = fsTypeOf(context, stage.capability);
  if (existing.type !== type) {
    throw new PsoError(
      "conflict",
      `volume ${stage.request.volumeId} is staged with ${existing.type}, and ${type} is asked for`,
    );
  }
  if (!isReadOnlyMount(existing)) {
    await growMounted(context.host, { type, device, target: stage.place }, signal);
  }
}

function attach(
  context: NodeContext,
  stage: Stage,
  attachment: BlockAttachment,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const { record, save, capability, request } = stage;
  const note = async (facts: Pick<StageRecord, "device" | "image">) => {
    Object.assign(record, facts);
    await save();
  };
  const options = { record, note, shared: isMultiNode(capability.mode), chap: request.chap };
  return blockConnection(attachment).attach(context, attachment, options, signal);
}

/**
 * A stage that failed leaves no device: after a final error kubelet does not call unstage. The
 * record stays only when it holds a format that began, as only this node may then finish it.
 */
async function undo(
  context: NodeContext,
  { stage, records, attachment }: BlockStage,
  reason: unknown,
): Promise<void> {
  const { record, place, request } = stage;
  try {
    // staged but for its growth; unstage takes it away
    if (mountAt(await readMounts(context.host), place)) return;
    const connection = blockConnection(attachment);
    // A device that somebody else uses on this node was never ours.
    const isForeign = record.device === undefined && isPsoError(reason, "in_use");
    const names = isForeign ? [] : await connection.devicesOf(context, { ...record, attachment });
    // Without a device nothing can be found out now: what was noted stays.
    let keepFormat = names.length === 0 && record.format?.state === "started";
    for (const deviceName of names) {
      keepFormat ||= await hasUnfinishedFormat(context, { record, deviceName });
      await releaseDevice(context, { connection, deviceName });
    }
    const others = (await records.list()).filter(({ volumeId }) => volumeId !== request.volumeId);
    await tidy(context, { connection, others });
    await records.release(record, { keepFormat });
  } catch (error) {
    context.log.warn("failed stage not undone", {
      volume: request.volumeId,
      reason: messageOf(error),
    });
    // the healer goes on with it: kubelet may never ask
    await records.write({ ...record, unstaging: true }).catch(() => {});
  }
}

async function bindDevice(
  context: NodeContext,
  stage: Stage,
  device: BlockDevice,
  signal?: AbortSignal,
): Promise<void> {
  await setDeviceReadOnly(context.host, {
    name: device.name,
    readOnly: isReadOnly(stage.capability.mode),
  }, signal);
  await makeFile(context, stage.place);
  await bindMount(
    context.host,
    { source: devicePath(device), target: stage.place, options: [] },
    signal,
  );
}

/** An empty file to bind a device node onto. One that is there is kept. */
export async function makeFile(context: NodeContext, path: string): Promise<void> {
  try {
    (await Deno.open(filePath(context.host, path), { write: true, create: true, mode: 0o600 }))
      .close();
  } catch (error) {
    throw new PsoError("unavailable", `file ${path} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

interface MountStage {
  stage: Stage;
  device: BlockDevice;
  attachment: BlockAttachment;
}

async function mountVolume(
  context: NodeContext,
  { stage, device, attachment }: MountStage,
  signal?: AbortSignal,
): Promise<void> {
  const { request, capability, record, save, place } = stage;
  const type = fsTypeOf(context, capability);
  const readOnly = wantsReadOnly(capability);
  // A volume that only readers use must not be written to by a log replay either.
  await setDeviceReadOnly(context.host, {
    name: device.name,
    readOnly: isReadOnly(capability.mode),
  }, signal);
  const options = request.volumeContext.createoptions;
  const mkfsOptions = options === undefined
    ? context.flasharray.defaultMkfsOptions
    : splitWords(options);
  const plan = {
    volumeId: request.volumeId,
    attachment,
    type,
    mkfsOptions,
    readOnly,
    record,
    save,
  };
  const superblock = await ensureFileSystem(context, device, plan, signal);
  if (readOnly) return await mountToRead(context, { stage, device, type }, signal);
  // Restored or cloned to a larger size: the file system still has the old one. Ext4 grows before
  // the mount, xfs only grows mounted.
  const isSmall = superblock.sizeBytes < device.sizeBytes - superblock.slackBytes;
  if (type === "ext4") await checkExt4(context.host, device, { full: isSmall }, signal);
  if (type === "ext4" && isSmall) await growUnmountedExt4(context.host, device, signal);
  const flags = mountFlags(context, { capability, type });
  await mountFileSystem(context.host, {
    source: devicePath(device),
    target: place,
    type,
    options: flags,
  }, signal);
  if (type === "xfs" && isSmall) {
    await growMounted(context.host, { type, device, target: place }, signal);
  }
}

function mountFlags(
  context: NodeContext,
  { capability, type }: { capability: Capability; type: FsType },
): string[] {
  const flags = capability.access.type === "mount" ? capability.access.mountFlags : [];
  return combineMountFlags({
    fixed: FILE_SYSTEMS[type].mountOptions,
    defaults: context.flasharray.defaultMountOptions,
    wanted: flags,
  });
}

/**
 * A reader whose log was left dirty (a snapshot's clone, often) is mounted without replaying it
 * when the device takes no writes.
 */
async function mountToRead(
  context: NodeContext,
  { stage, device, type }: { stage: Stage; device: BlockDevice; type: FsType },
  signal?: AbortSignal,
): Promise<void> {
  const options = [
    ...new Set([...mountFlags(context, { capability: stage.capability, type }), "ro"]),
  ].filter((flag) => flag !== "discard");
  const mount = { source: devicePath(device), target: stage.place, type };
  try {
    await mountFileSystem(context.host, { ...mount, options }, signal);
  } catch (error) {
    if (!isPsoError(error, "unavailable") || !isReadOnly(stage.capability.mode)) throw error;
    context.log.warn("mounting without log replay", {
      volume: stage.request.volumeId,
      reason: error.message,
    });
    await mountFileSystem(
      context.host,
      { ...mount, options: [...options, FILE_SYSTEMS[type].noRecoveryOption] },
      signal,
    );
  }
}
