import type { Capability } from "../../capability.ts";
import { mountAt, readMounts } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import type { FileAttachment } from "../protocol.ts";
import { fileConnection } from "../registry.ts";
import { foreignMountError, requireSameAccess, type Stage, wantsReadOnly } from "./stage.ts";
import { dropDeadMount } from "./dead_mount.ts";

/** A shared file system, how it is asked for, and where it is to be mounted. */
interface SharedMount {
  attachment: FileAttachment;
  capability: Capability;
  target: string;
}

/**
 * The stage of a shared file system. One that is mounted already is kept, unless its server says
 * that it is stale.
 */
export async function stageFileSystem(
  context: NodeContext,
  { stage, attachment }: { stage: Stage; attachment: FileAttachment },
  signal?: AbortSignal,
): Promise<void> {
  const { capability, place, record } = stage;
  const connection = fileConnection(attachment);
  const existing = mountAt(await readMounts(context.host), place);
  if (existing) {
    if (!await connection.isMountOf(context, { attachment, mount: existing })) {
      throw foreignMountError(stage, existing);
    }
    // A server that does not answer is no reason to doubt what is mounted: publish asks again.
    const mounted = { attachment, target: existing.target };
    const isStale = await connection.isStale(context, mounted, signal).catch(() => false);
    if (!isStale) {
      requireSameAccess(stage, existing);
      return await stage.save(); // the record may have been lost
    }
    const why = staleReason(existing.source);
    await dropDeadMount(context, { staged: existing, record, why }, signal);
  }
  await context.requirePrepared(attachment.protocol);
  await stage.save();
  await mountShared(context, { attachment, capability, target: place }, signal);
}

/** Why a mounted file system is of no use when its server says that it is stale. */
export function staleReason(source: string): string {
  return `it is stale: its server no longer has what was mounted from ${source}`;
}

/** Mounts a shared file system in the way that the capability asks for. */
export async function mountShared(
  context: NodeContext,
  { attachment, capability, target }: SharedMount,
  signal?: AbortSignal,
): Promise<void> {
  const { access } = capability;
  const flags = access.type === "mount" ? access.mountFlags : [];
  const options = wantsReadOnly(capability) && !flags.includes("ro") ? [...flags, "ro"] : flags;
  await fileConnection(attachment).mount(context, { attachment, target, options }, signal);
}
