import { type Capability, isReadOnly } from "../../capability.ts";
import { PsoError } from "../../errors.ts";
import { setDeviceReadOnly } from "../../host/block_device.ts";
import type { Host } from "../../host/host.ts";
import { bindMount, perMountOptions, remountBind } from "../../host/mount.ts";
import {
  boundDeviceName,
  isReadOnlyMount,
  type Mount,
  mountAt,
  readMounts,
} from "../../host/mountinfo.ts";
import { MOUNTED_AS } from "../../options/mount_tables.ts";
import { isBlock, isBlockRecord } from "../protocol.ts";
import { fileConnection, withoutSourceMounts } from "../registry.ts";
import type { NodeContext } from "../context.ts";
import type { PublishRequest } from "../requests.ts";
import type { StageRecord } from "../stage_record.ts";
import { stageBlock } from "./block_stage.ts";
import { deathOf, dropDeadMount } from "./dead_mount.ts";
import { makeFile, makeFolder, resolvePlace } from "./places.ts";
import { checkMountFlags } from "./mount_flags.ts";
import { refuseStagingPath } from "./proof.ts";
import { mountShared, staleReason } from "./shared_stage.ts";
import { fsTypeOf } from "./stage.ts";
import { provenRecord, refuseOtherVolume, type StagedVolume } from "./staged_proof.ts";
import { isSameMount, mountsElsewhere, stagedPlace } from "../volume_mounts.ts";

/** A publish in progress. */
interface PublishPlan {
  request: PublishRequest;
  targetPath: string;
  readOnly: boolean;
  staged: Mount;
  /** Other places where this volume is published on this node. */
  others: Mount[];
  record: StageRecord;
}

/**
 * NodePublishVolume: binds the staged volume to the target. Published there already in the same way
 * is success, in another way a `conflict`. `in_use` when the volume is not staged, or not proven to
 * be what is staged, when a single-writer volume is published elsewhere, or when the target holds something else.
 */
export async function publishVolume(
  context: NodeContext,
  request: PublishRequest,
  signal?: AbortSignal,
): Promise<void> {
  const plan = await examine(context, request, signal);
  const { targetPath, readOnly, others, record } = plan;
  const existing = mountAt(await readMounts(context.host), targetPath);
  if (existing && !isSameMount(existing, plan.staged)) {
    throw new PsoError(
      "in_use",
      `${targetPath} holds ${existing.type} from ${existing.source}, which is not volume ` +
        `${request.volumeId}: unmount it by hand`,
    );
  }
  if (existing) await refuseOthersTarget(context, plan);
  if (existing && await isAsAsked(context.host, { plan, existing }, signal)) return;
  if (existing) throw accessConflict(plan);
  if (request.capability.mode === "single-node-single-writer" && others[0]) {
    throw new PsoError(
      "in_use",
      `volume ${request.volumeId} is for one pod only, and is published at ` +
        `${others[0].target} already: end the pod that uses it there first`,
    );
  }
  record.published = [...record.published.filter((one) => one.targetPath !== targetPath), {
    targetPath,
    readOnly,
  }];
  await context.records.write(record);
  await bind(context.host, plan, signal);
}

/** `in_use` for a target at which the same volume is published by another id. */
async function refuseOthersTarget(
  { records }: NodeContext,
  { request: { volumeId }, targetPath, record }: PublishPlan,
): Promise<void> {
  const isListed = ({ published }: StageRecord) =>
    published.some((one) => one.targetPath === targetPath);
  if (isListed(record)) return;
  const other = (await records.list()).find((one) => one.volumeId !== volumeId && isListed(one));
  if (!other) return;
  throw new PsoError(
    "in_use",
    `${targetPath} is where volume ${other.volumeId} is published, and not volume ${volumeId}: ` +
      `unpublish ${other.volumeId} there first`,
  );
}

/**
 * What is staged, proven to be the volume that is asked for, and where else it is published.
 * `in_use` when the volume is not staged in the way that is asked for.
 */
async function examine(
  context: NodeContext,
  request: PublishRequest,
  signal?: AbortSignal,
): Promise<PublishPlan> {
  const { host, records } = context;
  const { capability, volumeId } = request;
  const targetPath = await resolvePlace(host, request.targetPath, "target_path");
  const stagingPath = await resolvePlace(host, request.stagingPath, "staging_target_path");
  await refuseStagingPath(context, { volumeId, path: targetPath });
  await makeParent(host, targetPath);
  const place = stagedPlace(stagingPath, capability.access.type);
  const record = await records.find(volumeId);
  if (record?.stagingPath === stagingPath) {
    await replaceDeadMount(context, { request, record, place }, signal);
  }
  const mounts = await readMounts(host);
  const staged = mountAt(mounts, place);
  const isRaw = staged !== undefined && boundDeviceName(staged) !== undefined;
  if (!staged || isRaw !== (capability.access.type === "block")) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is not staged at ${stagingPath} as ${capability.access.type}: stage it ` +
        "first",
    );
  }
  if (record) await refuseOtherVolume(host, { request, staged, stagingPath, record });
  const proven = record ?? await provenRecord(context, { request, staged, stagingPath }, signal);
  const usable = await freshMount(context, { request, staged, record }, signal);
  const elsewhere = mountsElsewhere(mounts, usable, [place, targetPath]);
  const others = await publicationsAmong(context, { mounts: elsewhere, record });
  if (!record) {
    proven.published = others.map((other) => ({
      targetPath: other.target,
      readOnly: isReadOnlyMount(other),
    }));
  }
  return {
    request,
    targetPath,
    readOnly: request.readOnly || isReadOnly(capability.mode),
    staged: usable,
    others,
    record: proven,
  };
}

interface RecordedPublish {
  request: PublishRequest;
  record: StageRecord;
  /** Where the volume is staged. */
  place: string;
}

/**
 * Stages a block volume anew by its record when what is staged is dead, or was taken away for that
 * and nothing came in its place. `in_use` while other pods have it.
 */
async function replaceDeadMount(
  context: NodeContext,
  { request, record, place }: RecordedPublish,
  signal?: AbortSignal,
): Promise<void> {
  if (!isBlockRecord(record) || record.unstaging) return;
  const staged = mountAt(await readMounts(context.host), place);
  const isNeeded = staged
    ? await deathOf(context.host, { staged, record }, signal) !== undefined
    : record.remounting === true;
  if (!isNeeded) return;
  const { volumeId, capability, volumeContext = {} } = request;
  if (capability.access.type === "mount") {
    checkMountFlags(context, { volumeId, capability, type: fsTypeOf(context, capability) });
  }
  const { stagingPath } = record;
  // It was staged before: nothing that is found on it now may be formatted over.
  const attachment = { ...record.attachment, everWritten: true };
  const again = { volumeId, stagingPath, capability, attachment, volumeContext };
  const save = () => context.records.write(record);
  await stageBlock(
    context,
    { stage: { request: again, capability, place, record, save }, attachment },
    signal,
  );
}

/**
 * The staged mount, or a new one in its place when its server says that it is stale: a pod could
 * use nothing of a stale one. `unavailable` when the server does not answer, because a bind mount
 * of a hung file system would hang as well.
 */
async function freshMount(
  context: NodeContext,
  { request, staged, record }: StagedVolume,
  signal?: AbortSignal,
): Promise<Mount> {
  const { capability, volumeId } = request;
  if (!record || isBlock(record.attachment)) return staged;
  const { attachment } = record;
  const mounted = { attachment, target: staged.target };
  if (!await fileConnection(attachment).isStale(context, mounted, signal)) return staged;
  checkMountFlags(context, { volumeId, capability, type: MOUNTED_AS[attachment.protocol] });
  const why = staleReason(staged.source);
  await dropDeadMount(context, { staged, record, why }, signal);
  await mountShared(context, { attachment, capability, target: staged.target }, signal);
  const fresh = mountAt(await readMounts(context.host), staged.target);
  if (fresh) return fresh;
  throw new PsoError(
    "unavailable",
    `volume ${volumeId} was mounted anew at ${staged.target} and is not there: see what unmounts ` +
      "it on this node; kubelet will try again",
  );
}

/**
 * Those of the mounts that are publications. The record tells them; without a record all mounts
 * count, but for those that a protocol mounts from.
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
  return await withoutSourceMounts(context, mounts);
}

async function makeParent(host: Host, targetPath: string): Promise<void> {
  const parent = targetPath.slice(0, targetPath.lastIndexOf("/"));
  if (parent !== "") await makeFolder(host, parent);
}

/** The refusal of a publication that is there in the other way, writable or read-only. */
function accessConflict({ request, targetPath, readOnly }: PublishPlan): PsoError {
  const [is, wanted] = readOnly ? ["writable", "read-only"] : ["read-only", "writable"];
  return new PsoError(
    "conflict",
    `volume ${request.volumeId} is published ${is} at ${targetPath}, and ${wanted} is asked for: ` +
      "unpublish it there first",
  );
}

/**
 * Whether an existing publication is the one asked for. One that must be read-only and that a crash
 * left writable is made read-only here.
 */
async function isAsAsked(
  host: Host,
  { plan, existing }: { plan: PublishPlan; existing: Mount },
  signal?: AbortSignal,
): Promise<boolean> {
  const { record, targetPath, readOnly, request } = plan;
  const noted = record.published.find((one) => one.targetPath === targetPath);
  if (noted && noted.readOnly !== readOnly) return false;
  if (isReadOnlyMount(existing) === (readOnly || isReadOnlyMount(plan.staged))) return true;
  if (!readOnly) return false;
  const options = bindOptions(request.capability, readOnly);
  await remountBind(host, { target: targetPath, options }, signal);
  const now = mountAt(await readMounts(host), targetPath);
  return now !== undefined && isReadOnlyMount(now);
}

function bindOptions({ access }: Capability, readOnly: boolean): string[] {
  const flags = access.type === "mount" ? perMountOptions(access.mountFlags) : [];
  return readOnly && !flags.includes("ro") ? [...flags, "ro"] : flags;
}

async function bind(host: Host, plan: PublishPlan, signal?: AbortSignal): Promise<void> {
  const { request, targetPath, readOnly, staged } = plan;
  if (request.capability.access.type === "block") {
    await setRawAccess(host, plan, signal);
    await makeFile(host, targetPath);
  } else {
    await makeFolder(host, targetPath);
  }
  const options = bindOptions(request.capability, readOnly);
  await bindMount(host, { source: staged.target, target: targetPath, options }, signal);
}

/**
 * Lets the device refuse writes, or take them: a read-only mount of a device node keeps nobody from
 * writing to the device. `in_use` while the volume is published in the other way on this node.
 */
async function setRawAccess(host: Host, plan: PublishPlan, signal?: AbortSignal): Promise<void> {
  const { request: { volumeId }, readOnly, staged, others } = plan;
  const name = boundDeviceName(staged);
  if (name === undefined) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is not staged as a raw device: unstage it, then stage it as one`,
    );
  }
  const opposite = others.find((other) => isReadOnlyMount(other) !== readOnly);
  if (opposite) {
    const [is, wanted] = readOnly ? ["writable", "read-only"] : ["read-only", "writable"];
    throw new PsoError(
      "in_use",
      `raw volume ${volumeId} is published ${is} at ${opposite.target} and cannot be ${wanted} ` +
        "on this node meanwhile: unpublish it there first",
    );
  }
  await setDeviceReadOnly(host, { name, readOnly }, signal);
}
