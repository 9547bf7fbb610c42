import { type Capability, isReadOnly } from "../../capability.ts";
import { messageOf, PsoError } from "../../errors.ts";
import { setDeviceReadOnly } from "../../host/block_device.ts";
import { filePath } from "../../host/host.ts";
import { bindMount, perMountOptions, remountBind, unmountAll } from "../../host/mount.ts";
import {
  boundDeviceName,
  isReadOnlyMount,
  type Mount,
  mountAt,
  readMounts,
  resolveTarget,
} from "../../host/mountinfo.ts";
import { isBlock } from "../protocol.ts";
import { fileConnection } from "../registry.ts";
import type { NodeContext } from "../context.ts";
import { realPlane } from "../local/plane.ts";
import type { PublishRequest, UnpublishRequest } from "../requests.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { dropStaleMount } from "./stale_mount.ts";
import { makeFile, mountShared } from "./staging.ts";
import {
  checkPath,
  deviceOfMount,
  isSameMount,
  mountsElsewhere,
  stagedPlace,
} from "../volume_mounts.ts";

interface Publication {
  request: PublishRequest;
  targetPath: string;
  readOnly: boolean;
  staged: Mount;
  /** Other places where this volume is published on this node. */
  others: Mount[];
  record?: StageRecord;
}

/**
 * NodePublishVolume: binds the staged volume to the target. Published there already in the same way
 * is success, in another way a `conflict`. `in_use` when the volume is not staged, when a
 * single-writer volume is published elsewhere, or when the target holds something else.
 */
export async function publishVolume(
  context: NodeContext,
  records: StageRecords,
  request: PublishRequest,
  signal?: AbortSignal,
): Promise<void> {
  checkPath(request.targetPath, "target_path");
  checkPath(request.stagingPath, "staging_target_path");
  const publication = await examine(context, records, request, signal);
  const { targetPath, readOnly, others, record } = publication;
  const existing = mountAt(await readMounts(context.host), targetPath);
  if (existing && !isSameMount(existing, publication.staged)) {
    throw new PsoError(
      "in_use",
      `${targetPath} holds ${existing.type} from ${existing.source}, which is not volume ${request.volumeId}`,
    );
  }
  if (existing && await isAsAsked(context, { publication, existing }, signal)) return;
  if (existing) throw contrary(publication);
  if (request.capability.mode === "single-node-single-writer" && others[0]) {
    throw new PsoError(
      "in_use",
      `volume ${request.volumeId} is for one pod only, and is published at ${
        others[0].target
      } already`,
    );
  }
  if (record) {
    record.published = [...record.published.filter((one) => one.targetPath !== targetPath), {
      targetPath,
      readOnly,
    }];
    await records.write(record);
  }
  await bind(context, publication, signal);
}

async function examine(
  context: NodeContext,
  records: StageRecords,
  request: PublishRequest,
  signal?: AbortSignal,
): Promise<Publication> {
  const { host } = context;
  const { capability, volumeId } = request;
  await makeParent(context, request.targetPath);
  const stagingPath = await resolveTarget(host, request.stagingPath);
  const targetPath = await resolveTarget(host, request.targetPath);
  const place = stagedPlace(stagingPath, capability.access.type);
  const mounts = await readMounts(host);
  const staged = mountAt(mounts, place);
  const isRaw = staged !== undefined && boundDeviceName(staged) !== undefined;
  if (!staged || isRaw !== (capability.access.type === "block")) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is not staged at ${stagingPath} as ${capability.access.type}: stage it first`,
    );
  }
  const record = await records.find(volumeId);
  await refuseOtherVolume(context, { staged, stagingPath, record });
  const usable = await freshMount(context, { request, staged, record }, signal);
  const elsewhere = mountsElsewhere(mounts, usable, [place, targetPath]);
  const others = await publicationsAmong(context, { mounts: elsewhere, record });
  return {
    request,
    targetPath,
    readOnly: request.readOnly || isReadOnly(capability.mode),
    staged: usable,
    others,
    record,
  };
}

/**
 * The staged mount, or a new one in its place when its server says that it is stale (field lesson
 * 45). `unavailable` when the server does not answer: a bind mount of a hung one would hang as
 * well.
 */
async function freshMount(
  context: NodeContext,
  { request, staged, record }: { request: PublishRequest; staged: Mount; record?: StageRecord },
  signal?: AbortSignal,
): Promise<Mount> {
  const { capability, volumeId } = request;
  if (!record || isBlock(record.attachment)) return staged;
  const { attachment } = record;
  const mounted = { attachment, target: staged.target };
  if (!await fileConnection(attachment).isStale(context, mounted, signal)) return staged;
  await dropStaleMount(context, { volumeId, staged, record }, signal);
  await mountShared(context, { attachment, capability, target: staged.target }, signal);
  const fresh = mountAt(await readMounts(context.host), staged.target);
  if (fresh) return fresh;
  throw new PsoError(
    "unavailable",
    `volume ${volumeId} was mounted anew at ${staged.target} and is not there; it will be tried again`,
  );
}

/**
 * The staged mount must be the volume that is asked for: a pod that gets another's data damages
 * both.
 */
async function refuseOtherVolume(
  context: NodeContext,
  { staged, stagingPath, record }: { staged: Mount; stagingPath: string; record?: StageRecord },
): Promise<void> {
  if (!record) return;
  const { volumeId, attachment, device } = record;
  if (record.stagingPath !== stagingPath) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is staged at ${record.stagingPath} and not at ${stagingPath}: publish it from there`,
    );
  }
  if (!isBlock(attachment) || device === undefined) return;
  const found = (await deviceOfMount(context, staged))?.name;
  if (found === device) return;
  throw new PsoError(
    "in_use",
    `${staged.target} shows ${
      found ?? staged.source
    }, and volume ${volumeId} was staged on ${device}: unstage it first`,
  );
}

/**
 * The record tells which mounts are publications. Without one all are, but for the simulator's own
 * mount of a file system in its plane.
 */
async function publicationsAmong(
  context: NodeContext,
  { mounts, record }: { mounts: Mount[]; record?: StageRecord },
): Promise<Mount[]> {
  if (record) {
    return mounts.filter((mount) =>
      record.published.some(({ targetPath }) => targetPath === mount.target)
    );
  }
  if (context.localPlane === undefined) return mounts;
  const plane = await realPlane(context);
  return mounts.filter((mount) => !mount.target.includes(`${plane}/`)); // below a host root too
}

async function makeParent(context: NodeContext, targetPath: string): Promise<void> {
  const parent = targetPath.replace(/\/+$/, "").split("/").slice(0, -1).join("/");
  try {
    if (parent !== "") {
      await Deno.mkdir(filePath(context.host, parent), { recursive: true, mode: 0o750 });
    }
  } catch (error) {
    throw new PsoError("unavailable", `folder ${parent} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function contrary({ request, targetPath, readOnly }: Publication): PsoError {
  const [is, wanted] = readOnly ? ["writable", "read-only"] : ["read-only", "writable"];
  return new PsoError(
    "conflict",
    `volume ${request.volumeId} is published ${is} at ${targetPath}, and ${wanted} is asked for`,
  );
}

/**
 * Whether an existing publication is the one asked for. A read-only one that a crash left writable
 * is finished here.
 */
async function isAsAsked(
  context: NodeContext,
  { publication, existing }: { publication: Publication; existing: Mount },
  signal?: AbortSignal,
): Promise<boolean> {
  const { record, targetPath, readOnly, request } = publication;
  const noted = record?.published.find((one) => one.targetPath === targetPath);
  if (noted && noted.readOnly !== readOnly) return false;
  if (isReadOnlyMount(existing) === (readOnly || isReadOnlyMount(publication.staged))) return true;
  if (!readOnly) return false;
  await remountBind(context.host, {
    target: targetPath,
    options: bindOptions(request.capability, readOnly),
  }, signal);
  const now = mountAt(await readMounts(context.host), targetPath);
  return now !== undefined && isReadOnlyMount(now);
}

function bindOptions({ access }: Capability, readOnly: boolean): string[] {
  const flags = access.type === "mount" ? perMountOptions(access.mountFlags) : [];
  return readOnly && !flags.includes("ro") ? [...flags, "ro"] : flags;
}

async function bind(
  context: NodeContext,
  publication: Publication,
  signal?: AbortSignal,
): Promise<void> {
  const { request, targetPath, readOnly, staged } = publication;
  if (request.capability.access.type === "block") {
    await setRawAccess(context, publication, signal);
    await makeFile(context, targetPath);
  } else {
    await makeTargetFolder(context, targetPath);
  }
  const options = bindOptions(request.capability, readOnly);
  await bindMount(context.host, { source: staged.target, target: targetPath, options }, signal);
}

/**
 * A read-only mount of a device node does not keep anybody from writing to the device: the device
 * itself must refuse.
 */
async function setRawAccess(
  context: NodeContext,
  publication: Publication,
  signal?: AbortSignal,
): Promise<void> {
  const { request, readOnly, staged, others } = publication;
  const name = boundDeviceName(staged);
  if (name === undefined) {
    throw new PsoError("in_use", `volume ${request.volumeId} is not staged as a raw device`);
  }
  const contraryUse = others.find((other) => isReadOnlyMount(other) !== readOnly);
  if (contraryUse) {
    const [is, wanted] = readOnly ? ["writable", "read-only"] : ["read-only", "writable"];
    throw new PsoError(
      "in_use",
      `raw volume ${request.volumeId} is published ${is} at ${contraryUse.target} and cannot be ${wanted} on this node meanwhile`,
    );
  }
  await setDeviceReadOnly(context.host, { name, readOnly }, signal);
}

async function makeTargetFolder(context: NodeContext, targetPath: string): Promise<void> {
  try {
    await Deno.mkdir(filePath(context.host, targetPath), { recursive: true, mode: 0o750 });
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `target ${targetPath} cannot be made a folder: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * NodeUnpublishVolume: unmounts the target and removes it. Nothing there is success. `in_use` while
 * a process keeps it busy, or when something lies below the mount: what is not known is not
 * removed.
 */
export async function unpublishVolume(
  context: NodeContext,
  records: StageRecords,
  request: UnpublishRequest,
  signal?: AbortSignal,
): Promise<void> {
  checkPath(request.targetPath, "target_path");
  const targetPath = await resolveTarget(context.host, request.targetPath);
  await unmountAll(context.host, targetPath, signal);
  await removeTarget(context, targetPath);
  const record = await records.find(request.volumeId);
  if (!record?.published.some((one) => one.targetPath === targetPath)) return;
  record.published = record.published.filter((one) => one.targetPath !== targetPath);
  await records.write(record);
}

async function removeTarget(context: NodeContext, targetPath: string): Promise<void> {
  const path = filePath(context.host, targetPath);
  try {
    const stat = await Deno.lstat(path);
    if (stat.isFile && stat.size > 0) {
      throw new PsoError("in_use", `target ${targetPath} is a file with content: it is left alone`);
    }
    await Deno.remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    if (error instanceof PsoError) throw error;
    throw new PsoError("in_use", `target ${targetPath} cannot be removed: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
