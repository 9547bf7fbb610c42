import { PsoError } from "../../errors.ts";
import { filePath, toolPathOf } from "../../host/host.ts";
import { bindMount, perMountOptions } from "../../host/mount.ts";
import { type Mount, mountAt, readMounts } from "../../host/mountinfo.ts";
import type { FileAttachment, FileConnection } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { linkPath, planeOf } from "./plane.ts";

/**
 * File systems of the simulator's local plane: folders that it mounts, bound into place (design §8,
 * Local plane).
 */
export const localFile: FileConnection = { mount, isMountOf };

/**
 * The mounted folder that the array exports to this node: by one of the node's addresses, or to
 * all.
 */
async function exportedMount(context: NodeContext, attachment: FileAttachment): Promise<Mount> {
  if (attachment.protocol !== "local") {
    throw new PsoError("invalid", `protocol ${attachment.protocol} has no local folder`);
  }
  const { array, fileSystem } = attachment;
  const clients = [
    ...(await context.dataAddresses()).map((address) => address.toLowerCase()),
    "any",
  ];
  for (const client of clients) {
    const folder = await realFolder(
      context,
      linkPath(planeOf(context), { array, host: client, name: fileSystem }),
    );
    if (folder === undefined) continue;
    const mounted = mountAt(await readMounts(context.host), folder);
    if (mounted) return mounted;
    // An empty folder would take the data that belongs on the file system.
    throw new PsoError(
      "unavailable",
      `file system ${fileSystem} of array ${array} is exported, but nothing is mounted at ${folder}`,
    );
  }
  const tried = clients.join(", ");
  throw new PsoError(
    "not_found",
    `array ${array} does not export file system ${fileSystem} to this node (${tried}): publish the volume to it first`,
  );
}

async function realFolder(context: NodeContext, link: string): Promise<string | undefined> {
  const { host } = context;
  try {
    return toolPathOf(host, await Deno.realPath(filePath(host, link)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new PsoError("unavailable", `export ${link} cannot be looked at: ${String(error)}`, {
      cause: error,
    });
  }
}

async function mount(
  context: NodeContext,
  attachment: FileAttachment,
  { target, options }: { target: string; options: string[] },
  signal?: AbortSignal,
): Promise<void> {
  const source = await exportedMount(context, attachment);
  await bindMount(context.host, {
    source: source.target,
    target,
    options: perMountOptions(options),
  }, signal);
}

async function isMountOf(
  context: NodeContext,
  attachment: FileAttachment,
  mounted: Mount,
): Promise<boolean> {
  const source = await exportedMount(context, attachment);
  return mounted.majorMinor === source.majorMinor && mounted.root === source.root;
}
