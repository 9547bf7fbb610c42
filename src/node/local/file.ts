import { messageOf, PsoError } from "../../errors.ts";
import { readFileSystemUse } from "../../host/filesystem.ts";
import { filePath, type Host, toolPathOf } from "../../host/host.ts";
import { bindMount, perMountOptions } from "../../host/mount.ts";
import { type Mount, mountAt, readMounts } from "../../host/mountinfo.ts";
import type { FileAttachmentBy, FileConnection, MountRequest } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { linkPath, planeOf, realPlane } from "./plane.ts";

type LocalAttachment = FileAttachmentBy<"local">;

/** File systems of the simulator's local plane: folders that it mounts, bound into place. */
export const localFile: FileConnection<LocalAttachment> = {
  mount,
  isMountOf,
  withoutSources,
  owns,
  shows: (context, { mount }) => owns(context, mount), // a bind mount does not tell which one
  fileSystemIn: () => undefined,
  // The simulator is no server that could hang or forget what it exports.
  isStale: () => Promise.resolve(false),
  readUse: ({ host }, { target }, signal) => readFileSystemUse(host, target, signal),
  probe: () => Promise.resolve(),
  look: () => [],
  serverConditions: () => [],
};

/**
 * The mounted folder that the array exports to this node, by one of the node's addresses or to all.
 * `not_found` when there is no export, `unavailable` when nothing is mounted behind it.
 */
async function exportedMount(context: NodeContext, attachment: LocalAttachment): Promise<Mount> {
  const { array, fileSystem } = attachment;
  const clients = [
    ...(await context.dataAddresses()).map((address) => address.toLowerCase()),
    "any",
  ];
  for (const client of clients) {
    const link = linkPath(planeOf(context), { array, host: client, name: fileSystem });
    const folder = await realFolder(context.host, link);
    if (folder === undefined) continue;
    const mounted = mountAt(await readMounts(context.host), folder);
    if (mounted) return mounted;
    // An empty folder would take the data that belongs on the file system.
    throw new PsoError(
      "unavailable",
      `file system ${fileSystem} of array ${array} is exported, but nothing is mounted at ` +
        `${folder}: start the simulator`,
    );
  }
  const tried = clients.join(", ");
  throw new PsoError(
    "not_found",
    `array ${array} does not export file system ${fileSystem} to this node (${tried}): publish ` +
      "the volume to it first",
  );
}

/** The folder that a link leads to; `undefined` when there is no link. */
async function realFolder(host: Host, link: string): Promise<string | undefined> {
  try {
    return toolPathOf(host, await Deno.realPath(filePath(host, link)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    const message = `export ${link} cannot be looked at (${messageOf(error)}): start the ` +
      "simulator";
    throw new PsoError("unavailable", message, { cause: error });
  }
}

async function mount(
  context: NodeContext,
  { attachment, target, options }: MountRequest<LocalAttachment>,
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
  { attachment, mount: mounted }: { attachment: LocalAttachment; mount: Mount },
): Promise<boolean> {
  const source = await exportedMount(context, attachment);
  return mounted.majorMinor === source.majorMinor && mounted.root === source.root;
}

/** The simulator mounts each file system in its plane, and every volume is bound from there. */
async function withoutSources(context: NodeContext, mounts: Mount[]): Promise<Mount[]> {
  if (context.localPlane === undefined) return mounts;
  const plane = await realPlane(context);
  return mounts.filter((mount) => !mount.target.includes(`${plane}/`)); // below a host root too
}

/** True for a bind mount of what the simulator has mounted in its local plane. */
async function owns(context: NodeContext, shown: Mount): Promise<boolean> {
  if (context.localPlane === undefined) return false;
  const plane = await realPlane(context);
  const mounts = await readMounts(context.host);
  return mounts.some((mount) =>
    mount.majorMinor === shown.majorMinor && mount.target.startsWith(`${plane}/`)
  );
}
