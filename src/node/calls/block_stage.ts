import { isMultiNode, isReadOnly } from "../../capability.ts";
import { inUndoTime } from "../../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { type BlockDevice, devicePath, setDeviceReadOnly } from "../../host/block_device.ts";
import { growMounted } from "../../host/filesystem.ts";
import { bindMount } from "../../host/mount.ts";
import { isReadOnlyMount, type Mount, mountAt, readMounts } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import type { BlockAttachment } from "../protocol.ts";
import { blockConnection } from "../registry.ts";
import type { StageRecord } from "../stage_record.ts";
import { deviceOfMount } from "../volume_mounts.ts";
import { mountVolume } from "./block_mount.ts";
import { deathOf, dropDeadMount } from "./dead_mount.ts";
import { hasUnfinishedFormat } from "./format.ts";
import { makeFile } from "./places.ts";
import { foreignMountError, fsTypeOf, requireSameAccess, type Stage } from "./stage.ts";
import { releaseDevice, tidy } from "./unstaging.ts";

interface BlockStage {
  stage: Stage;
  attachment: BlockAttachment;
}

/**
 * The stage of a block volume: attach, then bind the device node or mount the file system. A stage
 * that fails is undone. One that is there already is only proven, and grown to its device; one
 * that is dead is replaced, unless something still uses it (`in_use`).
 */
export async function stageBlock(
  context: NodeContext,
  { stage, attachment }: BlockStage,
  signal?: AbortSignal,
): Promise<void> {
  const existing = mountAt(await readMounts(context.host), stage.place);
  if (existing && await isKept(context, { stage, attachment, existing }, signal)) return;
  await context.requirePrepared(attachment.protocol);
  await stage.save();
  try {
    const device = await attach(context, { stage, attachment }, signal);
    if (stage.capability.access.type === "block") {
      await bindDevice(context, { stage, device }, signal);
    } else await mountVolume(context, { stage, device, attachment }, signal);
    if (stage.record.remounting) {
      stage.record.remounting = undefined;
      await stage.save();
    }
  } catch (error) {
    // The volume was staged before this call: it stays attached, and the repeat goes on.
    if (stage.record.remounting) throw error;
    const left = await undo(context, { stage, attachment }, error);
    throw left === undefined ? error : withLeft(error, left);
  }
}

interface ExistingStage extends BlockStage {
  /** What is mounted where the volume belongs. */
  existing: Mount;
}

/**
 * Proves that what is mounted is this very volume, in the way that is asked for, and alive: `in_use`
 * for any other volume, `conflict` for another way. The proof is the device's identity, never its
 * name. False when it was dead, and is taken away.
 */
async function isKept(
  context: NodeContext,
  { stage, attachment, existing }: ExistingStage,
  signal?: AbortSignal,
): Promise<boolean> {
  const { host } = context;
  const { record } = stage;
  const device = await deviceOfMount(host, existing);
  const isOurs = device &&
    await blockConnection(attachment).isDeviceOf(
      context,
      { attachment, device: device.name },
      signal,
    );
  if (device && !isOurs) throw foreignMountError(stage, existing);
  const why = await deathOf(host, { staged: existing, record }, signal);
  if (why !== undefined) {
    record.remounting = true;
    await stage.save();
    await dropDeadMount(context, { staged: existing, record, why }, signal);
    return false;
  }
  if (!device) throw foreignMountError(stage, existing);
  requireSameAccess(stage, existing);
  if (record.device === undefined) { // the record was lost
    record.device = device.name;
    await stage.save();
  }
  if (stage.capability.access.type === "block") return true;
  const type = fsTypeOf(context, stage.capability);
  if (existing.type !== type) {
    throw new PsoError(
      "conflict",
      `volume ${stage.request.volumeId} is staged with ${existing.type}, and ${type} is asked ` +
        "for: unstage it first",
    );
  }
  if (!isReadOnlyMount(existing)) {
    await growMounted(host, { type, device, target: stage.place }, signal);
  }
  return true;
}

function attach(
  context: NodeContext,
  { stage, attachment }: BlockStage,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const { record, save, capability, request } = stage;
  const note = async (facts: Pick<StageRecord, "device" | "image">) => {
    Object.assign(record, facts);
    await save();
  };
  const shared = isMultiNode(capability.mode);
  const wanted = { attachment, record, note, shared, chap: request.chap };
  return blockConnection(attachment).attach(context, wanted, signal);
}

/**
 * Takes away what a failed stage has attached, because kubelet does not call unstage after a final
 * error. Gives what is left and why, when it cannot: the healer then finishes it. The record stays
 * only for that, or when it holds a format that was begun: by that record this node, and only this
 * node, may finish the format.
 */
async function undo(
  context: NodeContext,
  { stage, attachment }: BlockStage,
  reason: unknown,
): Promise<string | undefined> {
  const { records, log } = context;
  const { record, request: { volumeId } } = stage;
  let names: string[] = [];
  try {
    await inUndoTime("the undo of the stage", async (signal) => {
      // The volume is mounted, and only its growth failed: unstage takes it away.
      if (mountAt(await readMounts(context.host), stage.place)) return;
      const connection = blockConnection(attachment);
      // A device that somebody else uses on this node was never ours.
      const isForeign = record.device === undefined && isPsoError(reason, "in_use");
      if (!isForeign) {
        names = await connection.devicesOf(context, { ...record, attachment }, signal);
      }
      // The next stage waits for what runs on it.
      if (names.some((deviceName) => context.deviceWork.on(deviceName) !== undefined)) return;
      // Without a device nobody can see how far the format came: the note of it stays.
      let keepFormat = names.length === 0 && record.format?.state === "started";
      for (const deviceName of names) {
        keepFormat ||= await hasUnfinishedFormat(context, { record, deviceName }, signal);
        await releaseDevice(context, { connection, deviceName }, signal);
      }
      await tidy(context, { connection, volumeId }, signal);
      await records.release(record, { keepFormat });
    });
    return undefined;
  } catch (error) {
    const why = messageOf(error);
    log.warn("failed stage not undone", { volume: volumeId, devices: names, reason: why });
    // Hand it to the healer, which finishes unstages: kubelet may never ask for one.
    await records.write({ ...record, unstaging: true }).catch(() => {});
    const which = names.length > 0 ? ` (${names.join(", ")})` : "";
    return `${which} is not all taken away: ${why}`;
  }
}

/** The refusal of a stage that left something on this node. */
function withLeft(error: unknown, left: string): unknown {
  if (!isPsoError(error)) return error;
  return new PsoError(
    error.code,
    `${error.message}; and what the stage attached on this node${left}; the node goes on with that ` +
      "by itself",
    { cause: error },
  );
}

/** Binds the device node to a file at the place, and lets the device refuse writes of readers. */
async function bindDevice(
  { host }: NodeContext,
  { stage, device }: { stage: Stage; device: BlockDevice },
  signal?: AbortSignal,
): Promise<void> {
  const { capability, place } = stage;
  const readOnly = isReadOnly(capability.mode);
  await setDeviceReadOnly(host, { name: device.name, readOnly }, signal);
  await makeFile(host, place);
  await bindMount(host, { source: devicePath(device), target: place, options: [] }, signal);
}
