import { isMultiNode, isReadOnly } from "../../capability.ts";
import { PsoError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { type Mount, mountAt, readMounts } from "../../host/mountinfo.ts";
import { MOUNTED_AS } from "../../options/mount_tables.ts";
import type { NodeContext } from "../context.ts";
import { isBlock } from "../protocol.ts";
import type { StageRequest } from "../requests.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { checkPath, stagedMount, stagedPlace } from "../volume_mounts.ts";
import { stageBlock } from "./block_stage.ts";
import { isKubeletTargetPath } from "./kubelet_notes.ts";
import { checkMountFlags } from "./mount_flags.ts";
import { makeFolder, resolvePlace } from "./places.ts";
import { stageFileSystem } from "./shared_stage.ts";
import { fsTypeOf, type Stage } from "./stage.ts";
import { identityOf, refuseOthersPlace } from "./staged_proof.ts";

/**
 * NodeStageVolume. Order: record, attach, identity and size, format if it proves blank, check,
 * mount, grow. What is there already is kept when it is this very volume, and refused when it is
 * anything else (`in_use`); other options than it was staged with are a `conflict`.
 */
export async function stageVolume(
  context: NodeContext,
  request: StageRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { records } = context;
  const { capability, attachment, volumeId } = request;
  checkPath(request.stagingPath, "staging_target_path");
  refuseUnsupported(context, request);
  const stagingPath = await placeFor(context.host, request.stagingPath);
  if (isKubeletTargetPath(stagingPath)) {
    throw new PsoError(
      "in_use",
      `${stagingPath} is a path at which kubelet publishes to a pod: stage volume ${volumeId} at a ` +
        "path of its own",
    );
  }
  const earlier = await records.find(volumeId);
  await refuseOtherStage(context, { request, stagingPath, earlier });
  const record: StageRecord = {
    ...(earlier ?? { volumeId, published: [] }),
    stagingPath,
    attachment,
    shared: isMultiNode(capability.mode),
    ...request.inline && { inline: true },
    unstaging: undefined,
  };
  // The volume is wanted again: the healer must not go on with the unstage that was begun.
  if (earlier?.unstaging) await records.write(record);
  const place = stagedPlace(stagingPath, capability.access.type);
  const stage: Stage = { request, capability, place, record, save: () => records.write(record) };
  if (isBlock(attachment)) await stageBlock(context, { stage, attachment }, signal);
  else await stageFileSystem(context, { stage, attachment }, signal);
}

/**
 * `unsupported` for what can never be staged, and `invalid` for mount flags that no volume gets,
 * before anything is looked at.
 */
function refuseUnsupported(
  context: NodeContext,
  { capability, attachment, volumeId }: StageRequest,
): void {
  const { access, mode } = capability;
  if (!isBlock(attachment)) {
    if (access.type === "mount") {
      return checkMountFlags(context, {
        volumeId,
        capability,
        type: MOUNTED_AS[attachment.protocol],
      });
    }
    throw new PsoError(
      "unsupported",
      `volume ${volumeId} is a shared file system and cannot be used as a raw block device: set ` +
        "volumeMode Filesystem in its claim",
    );
  }
  if (access.type === "block") return;
  checkMountFlags(context, { volumeId, capability, type: fsTypeOf(context, capability) });
  if (!isMultiNode(mode) || isReadOnly(mode)) return;
  throw new PsoError(
    "unsupported",
    `volume ${volumeId} cannot be mounted by writers on several nodes: use a raw block or a ` +
      "shared file system",
  );
}

interface StagePlace {
  request: StageRequest;
  /** The staging path of the request, as mountinfo names it. */
  stagingPath: string;
  /** The record of an earlier stage of the volume. */
  earlier?: StageRecord;
}

/**
 * Refuses a second stage of a volume, a stage where another id has staged, be it the same volume,
 * and a stage in the other way at one path. Mounting what is in
 * use as a raw device would give it two writers, and a raw device is bound to a file that would be
 * made inside of a mounted volume.
 */
async function refuseOtherStage(
  { host, records }: NodeContext,
  { request, stagingPath, earlier }: StagePlace,
): Promise<void> {
  const mounts = await readMounts(host);
  const { volumeId, capability } = request;
  if (stagedMount(mounts, stagingPath)) await refuseOthersPlace(records, { volumeId, stagingPath });
  if (earlier && earlier.stagingPath !== stagingPath && stagedMount(mounts, earlier.stagingPath)) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is staged at ${earlier.stagingPath} already: unstage it there first`,
    );
  }
  if (earlier) await refuseUnfinished(records, { request, earlier, mounts });
  const other = capability.access.type === "block" ? "mount" : "block";
  const crossing = mountAt(mounts, stagedPlace(stagingPath, other));
  if (!crossing) return;
  const [is, wanted] = other === "mount"
    ? ["as a file system", "a raw device"]
    : ["as a raw device", "a file system"];
  throw new PsoError(
    "conflict",
    `${stagingPath} is staged ${is}, and ${wanted} is asked for volume ${volumeId}: unstage it ` +
      "first",
  );
}

interface UnfinishedStage {
  request: StageRequest;
  earlier: StageRecord;
  mounts: Mount[];
}

/**
 * `in_use` when the record is of another volume than the one that the id means now: written over, it
 * would leave the devices of the first behind. The healer takes them away when nothing is mounted.
 */
async function refuseUnfinished(
  records: StageRecords,
  { request, earlier, mounts }: UnfinishedStage,
): Promise<void> {
  const { volumeId, attachment } = request;
  const [was, is] = [earlier.attachment, attachment].map(identityOf);
  if (was === is) return;
  if (!stagedMount(mounts, earlier.stagingPath)) {
    // A format that was begun is of the first volume: no stage by this id goes on with it.
    await records.write({ ...earlier, unstaging: true, format: undefined });
  }
  throw new PsoError(
    "in_use",
    `volume ${volumeId} was staged as ${was}, which is not unstaged yet, and publish_context names ` +
      `${is}: kubelet will try again; end the pods that use the first if this stays`,
  );
}

/**
 * The staging path as mountinfo names it. The folder is made only when nothing is mounted there,
 * because even a look at the root of a dead mount hangs or fails.
 */
async function placeFor(host: Host, path: string): Promise<string> {
  const place = await resolvePlace(host, path, "staging_target_path");
  if (!mountAt(await readMounts(host), place)) await makeFolder(host, place);
  return place;
}
