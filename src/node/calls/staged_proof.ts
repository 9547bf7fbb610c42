import { isMultiNode } from "../../capability.ts";
import { isPsoError, PsoError } from "../../errors.ts";
import type { Attachment } from "../../handoff.ts";
import type { Host } from "../../host/host.ts";
import type { Mount } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import { isBlock } from "../protocol.ts";
import { blockConnection, fileConnection } from "../registry.ts";
import type { PublishRequest } from "../requests.ts";
import type { StageRecord, StageRecords } from "../stage_record.ts";
import { deviceOfMount } from "../volume_mounts.ts";

/** A volume that is to be published, and what is mounted where it should be staged. */
export interface StagedVolume {
  request: PublishRequest;
  staged: Mount;
  record?: StageRecord;
}

/**
 * `in_use` when another id has a staging path, be it for the same volume: what one id staged, the
 * other would unstage.
 */
export async function refuseOthersPlace(
  records: StageRecords,
  { volumeId, stagingPath }: Pick<StageRecord, "volumeId" | "stagingPath">,
): Promise<void> {
  const holder = (await records.list()).find((one) =>
    one.volumeId !== volumeId && one.stagingPath === stagingPath
  );
  if (!holder) return;
  throw new PsoError(
    "in_use",
    `${stagingPath} is where volume ${holder.volumeId} is staged, which is not volume ` +
      `${volumeId}: stage it at a path of its own`,
  );
}

/**
 * Proves without a record that what is staged is the volume of publish_context, by its identity,
 * and gives a new record in place of the lost one. `in_use` when it is another volume, when
 * publish_context does not say which it is, or when another id has a record of this staging path.
 */
export async function provenRecord(
  context: NodeContext,
  { request, staged, stagingPath }: StagedVolume & { stagingPath: string },
  signal?: AbortSignal,
): Promise<StageRecord> {
  const { volumeId, attachment, capability } = request;
  await refuseOthersPlace(context.records, { volumeId, stagingPath });
  if (attachment && await isStagedAs(context, { attachment, mount: staged }, signal)) {
    const device = isBlock(attachment)
      ? (await deviceOfMount(context.host, staged))?.name
      : undefined;
    const shared = isMultiNode(capability.mode);
    return { volumeId, stagingPath, attachment, device, shared, published: [] };
  }
  const why = attachment
    ? "it is not the volume that publish_context names"
    : "publish_context does not name the volume";
  throw new PsoError(
    "in_use",
    `volume ${volumeId} has no record on this node, and what is staged at ${staged.target} is ` +
      `${staged.type} from ${staged.source}, which is not proven to be it (${why}): stage it first`,
  );
}

async function isStagedAs(
  context: NodeContext,
  { attachment, mount }: { attachment: Attachment; mount: Mount },
  signal?: AbortSignal,
): Promise<boolean> {
  if (!isBlock(attachment)) {
    const connection = fileConnection(attachment);
    try {
      return await connection.isMountOf(context, { attachment, mount });
    } catch (error) {
      if (!isPsoError(error, "not_found")) throw error;
      // What is exported to this node no more was so when it was staged.
      return await connection.shows(context, { attachment, mount });
    }
  }
  const device = (await deviceOfMount(context.host, mount))?.name;
  return device !== undefined &&
    await blockConnection(attachment).isDeviceOf(context, { attachment, device }, signal);
}

interface RecordedStage extends StagedVolume {
  stagingPath: string;
  record: StageRecord;
}

/**
 * `in_use` when the staged mount is not the volume of the record: a pod that gets another's data
 * damages both.
 */
export async function refuseOtherVolume(
  host: Host,
  { request, staged, stagingPath, record }: RecordedStage,
): Promise<void> {
  const { volumeId, attachment, device } = record;
  const [is, asked] = [attachment, request.attachment ?? attachment].map(identityOf);
  if (is !== asked) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} was staged as ${is}, and publish_context names ${asked}: unstage it ` +
        "first, then stage it again",
    );
  }
  if (record.stagingPath !== stagingPath) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is staged at ${record.stagingPath} and not at ${stagingPath}: publish ` +
        "it from there",
    );
  }
  if (!isBlock(attachment) || device === undefined) return;
  const found = (await deviceOfMount(host, staged))?.name;
  if (found === device) return;
  throw new PsoError(
    "in_use",
    `${staged.target} shows ${found ?? staged.source}, and volume ${volumeId} was staged on ` +
      `${device}: unstage it first`,
  );
}

/** By what an attachment names its volume, whatever way leads there. */
export function identityOf(attachment: Attachment): string {
  if (isBlock(attachment)) return `serial ${attachment.serial.toUpperCase()}`;
  return "path" in attachment
    ? `export ${attachment.path}`
    : `file system ${attachment.fileSystem}`;
}
