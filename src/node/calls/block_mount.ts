import { type Capability, isReadOnly } from "../../capability.ts";
import { isPsoError } from "../../errors.ts";
import { FILE_SYSTEMS, type FsType } from "../../file_systems.ts";
import { type BlockDevice, devicePath, setDeviceReadOnly } from "../../host/block_device.ts";
import { checkExt4, growMounted, growUnmountedExt4 } from "../../host/filesystem.ts";
import { mountFileSystem } from "../../host/mount.ts";
import { splitWords } from "../../words.ts";
import type { NodeContext } from "../context.ts";
import type { BlockAttachment } from "../protocol.ts";
import { ensureFileSystem } from "./format.ts";
import { combineMountFlags } from "./mount_flags.ts";
import { fsTypeOf, type Stage, wantsReadOnly } from "./stage.ts";

/** A stage whose device is attached and proven. */
interface MountStage {
  stage: Stage;
  device: BlockDevice;
  attachment: BlockAttachment;
}

/**
 * Mounts the file system of a volume: made first if the volume proves blank, checked, and grown
 * when its device is larger. Errors as ensureFileSystem() and mountFileSystem().
 */
export async function mountVolume(
  context: NodeContext,
  { stage, device, attachment }: MountStage,
  signal?: AbortSignal,
): Promise<void> {
  const { host, log } = context;
  const { request: { volumeId, volumeContext }, capability, record, save, place } = stage;
  const type = fsTypeOf(context, capability);
  const readOnly = wantsReadOnly(capability);
  // A volume that only readers use must not be written to by a log replay either.
  const isProtected = isReadOnly(capability.mode);
  await setDeviceReadOnly(host, { name: device.name, readOnly: isProtected }, signal);
  const options = volumeContext.createoptions;
  const mkfsOptions = options === undefined
    ? context.flasharray.defaultMkfsOptions
    : splitWords(options);
  const plan = { volumeId, device, attachment, type, mkfsOptions, readOnly, record, save };
  // A format or check of an earlier call may still run.
  await context.deviceWork.settled(device.name, signal);
  const superblock = await ensureFileSystem(context, plan, signal);
  if (readOnly) return await mountToRead(context, { stage, device, type }, signal);
  // A volume that was restored or cloned to a larger size has a file system of the old size. Ext4
  // grows before the mount, xfs only grows mounted.
  const isSmall = superblock.sizeBytes < device.sizeBytes - superblock.slackBytes;
  if (type === "ext4") {
    const work = async () => {
      const found = await checkExt4(host, device, { full: isSmall });
      if (found !== "checked") {
        log.warn(
          "ext4 is mounted without a check, because this e2fsck does not know a feature of it",
          {
            volume: volumeId,
            reason: found.unknown,
            fix: "update e2fsprogs on this node",
          },
        );
      } else if (isSmall) await growUnmountedExt4(host, device);
    };
    await context.deviceWork.run({ device: device.name, what: "e2fsck", work }, signal);
  }
  const mount = { source: devicePath(device), target: place, type };
  const flags = mountFlags(context, { capability, type });
  await mountFileSystem(host, { ...mount, options: flags }, signal);
  if (type === "xfs" && isSmall) await growMounted(host, { type, device, target: place }, signal);
}

function mountFlags(
  { flasharray }: NodeContext,
  { capability: { access }, type }: { capability: Capability; type: FsType },
): string[] {
  return combineMountFlags({
    fixed: FILE_SYSTEMS[type].mountOptions,
    defaults: flasharray.defaultMountOptions,
    wanted: access.type === "mount" ? access.mountFlags : [],
  });
}

interface ReadersMount {
  stage: Stage;
  device: BlockDevice;
  type: FsType;
}

/**
 * Mounts for readers. A file system whose log was left dirty (often a snapshot's clone) is mounted
 * without replaying the log when the device takes no writes.
 */
async function mountToRead(
  context: NodeContext,
  { stage, device, type }: ReadersMount,
  signal?: AbortSignal,
): Promise<void> {
  const { capability, place, request: { volumeId } } = stage;
  const flags = mountFlags(context, { capability, type });
  const options = [...new Set([...flags, "ro"])].filter((flag) => flag !== "discard");
  const mount = { source: devicePath(device), target: place, type };
  try {
    await mountFileSystem(context.host, { ...mount, options }, signal);
  } catch (error) {
    if (!isPsoError(error, "unavailable") || !isReadOnly(capability.mode)) throw error;
    context.log.warn("mounting without log replay", { volume: volumeId, reason: error.message });
    const withoutReplay = [...options, FILE_SYSTEMS[type].noRecoveryOption];
    await mountFileSystem(context.host, { ...mount, options: withoutReplay }, signal);
  }
}
