import { messageOf, PsoError } from "../../errors.ts";
import { filePath, type Host } from "../../host/host.ts";
import { unmountProven } from "../../host/mount.ts";
import type { Mount } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import type { UnpublishRequest } from "../requests.ts";
import { resolvePlace } from "./places.ts";
import { refuseStagingPath, requirePublication } from "./proof.ts";

/**
 * NodeUnpublishVolume: unmounts what is proven to be the volume, and removes the target. Nothing
 * there is success. `in_use` while a process keeps it busy, when something lies below the mount,
 * and for a mount that is not known for the volume: what is not known is not removed.
 */
export async function unpublishVolume(
  context: NodeContext,
  { volumeId, targetPath: asked }: UnpublishRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { host, records } = context;
  const targetPath = await resolvePlace(host, asked, "target_path");
  const record = await records.find(volumeId);
  const place = { volumeId, path: targetPath, record };
  await refuseStagingPath(context, place);
  const prove = (mount: Mount) => requirePublication(context, { ...place, mount });
  await unmountProven(host, { target: targetPath, prove }, signal);
  await removeTarget(host, targetPath);
  if (!record?.published.some((one) => one.targetPath === targetPath)) return;
  record.published = record.published.filter((one) => one.targetPath !== targetPath);
  await records.write(record);
}

async function removeTarget(host: Host, targetPath: string): Promise<void> {
  const path = filePath(host, targetPath);
  try {
    const stat = await Deno.lstat(path);
    if (stat.isFile && stat.size > 0) {
      throw new PsoError("in_use", `target ${targetPath} is a file with content: move it away`);
    }
    await Deno.remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    if (error instanceof PsoError) throw error;
    throw new PsoError(
      "in_use",
      `target ${targetPath} cannot be removed: ${
        messageOf(error)
      }; see what is there, and remove ` +
        "it by hand",
      { cause: error },
    );
  }
}
