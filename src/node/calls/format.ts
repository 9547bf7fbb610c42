import { messageOf, PsoError } from "../../errors.ts";
import { FILE_SYSTEMS, type FsType } from "../../file_systems.ts";
import { type BlockDevice, readBlockDevice } from "../../host/block_device.ts";
import { type BlankProof, proveBlank } from "../../host/content/blank_proof.ts";
import {
  checkFormat,
  makeFileSystem,
  superblockOf,
  wipeUnfinished,
} from "../../host/filesystem.ts";
import type { Host } from "../../host/host.ts";
import { readAreas } from "../../host/content/device_read.ts";
import {
  parseRemainingUuid,
  type Superblock,
  SUPERBLOCK_AREA,
} from "../../host/content/superblock.ts";
import type { BlockAttachment } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { type FormatRecord, newUuid, type StageRecord } from "../stage_record.ts";

/** What a volume is to hold, and how it may come to hold it. */
interface FormatPlan {
  volumeId: string;
  device: BlockDevice;
  attachment: BlockAttachment;
  type: FsType;
  mkfsOptions: readonly string[];
  /** A volume that may only be read is never formatted. */
  readOnly: boolean;
  record: StageRecord;
  /** Writes the record down. */
  save: () => Promise<void>;
}

/**
 * Makes sure that the device holds the file system wanted, and returns its superblock. A file
 * system that is there is used and never touched. A new one is made only when all of this holds:
 * size and identity match, the array has never seen a write (or this node's own record says that
 * this very format was interrupted), and every superblock area reads back as zeroes. `conflict` for
 * another type, `in_use` with what was found when the volume does not prove blank.
 */
export async function ensureFileSystem(
  context: NodeContext,
  plan: FormatPlan,
  signal?: AbortSignal,
): Promise<Superblock> {
  const { device } = plan;
  const found = await superblockOf(context.host, device.name, signal);
  if (found?.complete) return await useExisting(found, plan);
  const begun = plan.record.format;
  if (found && (begun?.state !== "started" || begun.uuid !== found.uuid)) {
    throw refusal(plan, `a ${found.type} file system that is not finished`);
  }
  refuseFormat(plan);
  if (found) await wipeUnfinished(context.host, device, { type: found.type }, signal);
  const proof = await proveBlank(context.host, {
    name: device.name,
    sizeBytes: plan.attachment.sizeBytes,
  }, signal);
  if (!proof.blank && !(await isRemainsOf(context.host, { device, proof, begun }, signal))) {
    throw refusal(plan, proof.found);
  }
  return await format(context, plan, signal);
}

async function useExisting(found: Superblock, plan: FormatPlan): Promise<Superblock> {
  const { record, type, volumeId } = plan;
  if (found.type !== type) {
    throw new PsoError(
      "conflict",
      `volume ${volumeId} holds ${found.type} and its class asks for ${type}: data is ` +
        `never formatted over; set csi.storage.k8s.io/fstype to ${found.type}`,
    );
  }
  if (record.format?.state === "started" && record.format.uuid === found.uuid) {
    record.format.state = "finished"; // a crash came between mkfs and its note
    await plan.save();
  }
  return found;
}

/**
 * Whether a format that the record says was begun has left something that only this node, by this
 * record, may format again. `true` too when that cannot be found out: then the record is kept.
 */
export async function hasUnfinishedFormat(
  { host, log }: Pick<NodeContext, "host" | "log">,
  { record, deviceName }: { record: StageRecord; deviceName: string },
  signal?: AbortSignal,
): Promise<boolean> {
  if (record.format?.state !== "started") return false;
  try {
    const found = await superblockOf(host, deviceName, signal);
    if (found) return !found.complete;
    const { sizeBytes } = await readBlockDevice(host, deviceName);
    return !(await proveBlank(host, { name: deviceName, sizeBytes }, signal)).blank;
  } catch (error) {
    log.warn("interrupted format not looked at", {
      volume: record.volumeId,
      device: deviceName,
      reason: messageOf(error),
    });
    return true;
  }
}

/** Refuses what forbids a format, whatever the device holds. */
function refuseFormat(plan: FormatPlan): void {
  const { device, attachment, record, readOnly, type, mkfsOptions, volumeId } = plan;
  checkFormat(type, { sizeBytes: attachment.sizeBytes, options: mkfsOptions });
  if (readOnly) {
    throw new PsoError(
      "unsupported",
      `volume ${volumeId} holds no file system and is only to be read: use it once with ` +
        "ReadWriteOnce",
    );
  }
  if (device.sizeBytes !== attachment.sizeBytes) {
    throw refusal(
      plan,
      `a size of ${device.sizeBytes} bytes where the array said ${attachment.sizeBytes}`,
    );
  }
  if (attachment.everWritten && record.format?.state !== "started") {
    throw refusal(plan, "no file system, although the array says that data was written to it");
  }
}

function refusal({ volumeId, type }: FormatPlan, found: string): PsoError {
  return new PsoError(
    "in_use",
    `volume ${volumeId} is not formatted with ${type} because it does not prove blank: found ` +
      `${found}. Restore or delete the volume, or, if its content is worthless, attach it to one ` +
      `host and clear it there with wipefs --all and mkfs.${type}`,
  );
}

/** What makes a device not blank, and the format that this node has begun on it, if any. */
interface Remains {
  device: BlockDevice;
  proof: Exclude<BlankProof, { blank: true }>;
  begun?: FormatRecord;
}

/**
 * True when what is not zero begins with a superblock, or its remains, that the interrupted format
 * of this very node was writing.
 */
async function isRemainsOf(
  host: Host,
  { device, proof, begun }: Remains,
  signal?: AbortSignal,
): Promise<boolean> {
  const { area } = proof;
  if (begun?.state !== "started" || !area) return false;
  const { offset } = area;
  const areas = [{ ...SUPERBLOCK_AREA, offset }];
  const [bytes] = await readAreas(host, { name: device.name, areas, direct: true }, signal);
  const remains = bytes && parseRemainingUuid(bytes, offset);
  return remains?.uuid === begun.uuid && remains.type === begun.type;
}

async function format(
  context: NodeContext,
  plan: FormatPlan,
  signal?: AbortSignal,
): Promise<Superblock> {
  const { record, type, device } = plan;
  const begun = record.format?.state === "started" && record.format.type === type
    ? record.format
    : undefined;
  const note: FormatRecord = begun ?? { state: "started", type, uuid: newUuid() };
  record.format = note;
  // Before mkfs: by its UUID an interrupted format is known again as this node's own.
  await plan.save();
  context.log.info("formatting", {
    volume: plan.volumeId,
    device: device.name,
    type,
    uuid: note.uuid,
  });
  const wanted = { device, type, uuid: note.uuid, options: plan.mkfsOptions };
  const made = await context.deviceWork.run({
    device: device.name,
    what: FILE_SYSTEMS[type].mkfsTool,
    work: () => makeFileSystem(context.host, wanted),
  }, signal);
  note.state = "finished";
  // Before the mount: from here on this node must never format the volume again.
  await plan.save();
  return made;
}
