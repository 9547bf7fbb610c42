import { messageOf, PsoError } from "../../errors.ts";
import { inUndoTime } from "../../async/wait.ts";
import { type BlockDevice, deviceNameOf, readBlockDevice } from "../../host/block_device.ts";
import { readFileSystemUse } from "../../host/filesystem.ts";
import { filePath, type Host } from "../../host/host.ts";
import {
  backingFileOf,
  type Image,
  isLoopName,
  listLoopDevices,
  type LoopDevice,
  readImage,
  shows,
} from "../../host/loop.ts";
import { mountFileSystem, perMountOptions, remountBind, unmountAll } from "../../host/mount.ts";
import type { Mount } from "../../host/mountinfo.ts";
import type { FileAttachmentBy, FileConnection, MountRequest } from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { isInside, linkPath, partsOf, planeOf, realPlane, servesFileSystems } from "./plane.ts";

type LocalAttachment = FileAttachmentBy<"local">;

/**
 * File systems of the simulator's local plane. The simulator has each mounted from a loop device,
 * and a node mounts that very device: the kernel gives every mount of one device one file system, in
 * whatever mount namespaces they are. So the simulator's own mounts need not be seen by nodes, and
 * kubelet does not see them either: it lets no volume go while anything else in its namespace
 * mounts the same file system.
 */
export const localFile: FileConnection<LocalAttachment> = {
  mount,
  isMountOf,
  withoutSources,
  owns,
  shows: (context, { mount }) => owns(context, mount), // a loop device does not tell the name
  fileSystemIn: () => undefined,
  // The simulator is no server that could hang or forget what it exports.
  isStale: () => Promise.resolve(false),
  readUse: ({ host }, { target }, signal) => readFileSystemUse(host, target, signal),
  probe: () => Promise.resolve(),
  look: () => [],
  serverConditions: () => [],
};

/** A file system that the array exports to this node. */
interface Exported {
  image: Image;
  device: BlockDevice;
}

/**
 * The image that the array exports to this node, by one of the node's addresses or to all, and the
 * loop device from which the simulator has it mounted. `not_found` when there is no export,
 * `unavailable` when no loop device shows the image. This node never makes one: two loop devices of
 * one image would be two file systems that write over each other.
 */
async function exportedDevice(
  context: NodeContext,
  { array, fileSystem }: LocalAttachment,
  signal?: AbortSignal,
): Promise<Exported> {
  const { host } = context;
  const plane = planeOf(context);
  const clients = [
    ...(await context.dataAddresses()).map((address) => address.toLowerCase()),
    "any",
  ];
  for (const client of clients) {
    const link = linkPath(plane, { array, host: client, name: fileSystem });
    const id = await exportedId(host, link);
    if (id === undefined) continue;
    const image = await readImage(host, `${plane}/${array}/images/${id}`);
    const showing = image === undefined
      ? []
      : (await listLoopDevices(host, signal)).filter((loop) => shows(loop, image));
    const [loop, other] = showing;
    if (image !== undefined && loop !== undefined && other === undefined) {
      return { image, device: await readBlockDevice(host, loop.name) };
    }
    throw new PsoError(
      "unavailable",
      `file system ${fileSystem} of array ${array} is exported, but ${
        other === undefined ? "no loop device shows" : "more than one loop device shows"
      } its image ${id}: start the simulator on this host`,
    );
  }
  const tried = clients.join(", ");
  throw new PsoError(
    "not_found",
    `array ${array} does not export file system ${fileSystem} to this node (${tried}): publish ` +
      "the volume to it first",
  );
}

/** The file system that an export's link leads to; `undefined` when there is no link. */
async function exportedId(host: Host, link: string): Promise<string | undefined> {
  let to: string;
  try {
    to = await Deno.readLink(filePath(host, link));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    const message = `export ${link} cannot be looked at (${messageOf(error)}): start the ` +
      "simulator on this host";
    throw new PsoError("unavailable", message, { cause: error });
  }
  const id = /^\.\.\/\.\.\/fs\/([^/]+)$/.exec(to)?.[1];
  if (id !== undefined && !/^\.+$/.test(id)) return id;
  throw new PsoError(
    "unavailable",
    `export ${link} leads to ${to}, wanted ../../fs/ID: start a simulator of this version`,
  );
}

async function mount(
  context: NodeContext,
  { attachment, target, options }: MountRequest<LocalAttachment>,
  signal?: AbortSignal,
): Promise<void> {
  const { host } = context;
  const { image, device } = await exportedDevice(context, attachment, signal);
  const wanted = perMountOptions(options);
  // nouuid: a clone has the UUID of its source. Read-only comes after, for this mount alone: the
  // file system itself is writable, and mount(2) refuses a device that is mounted the other way.
  const first = ["nouuid", ...wanted.filter((option) => option !== "ro")];
  const source = `/dev/${device.name}`;
  await mountFileSystem(host, { source, target, type: "xfs", options: first }, signal);
  try {
    // A loop device that is mounted keeps its file. Before, it may have got another one.
    const now = (await listLoopDevices(host, signal)).find(({ name }) => name === device.name);
    if (now === undefined || !shows(now, image)) throw replaced(attachment, now);
    if (wanted.includes("ro")) await remountBind(host, { target, options: wanted }, signal);
  } catch (error) {
    await inUndoTime(`the unmount of ${target}`, (undo) => unmountAll(host, target, undo));
    throw error;
  }
}

function replaced({ array, fileSystem }: LocalAttachment, now?: LoopDevice): PsoError {
  return new PsoError(
    "unavailable",
    `the loop device of file system ${fileSystem} of array ${array} shows ` +
      `${now?.backingFile ?? "no file"} by now, and was unmounted: kubelet will try again`,
  );
}

async function isMountOf(
  context: NodeContext,
  { attachment, mount: mounted }: { attachment: LocalAttachment; mount: Mount },
): Promise<boolean> {
  const { device } = await exportedDevice(context, attachment);
  return mounted.majorMinor === device.majorMinor && mounted.root === "/";
}

/** A simulator beside this node shows each of its file systems in its plane, too. */
async function withoutSources(context: NodeContext, mounts: Mount[]): Promise<Mount[]> {
  if (context.localPlane === undefined) return mounts;
  const plane = await realPlane(context);
  return mounts.filter((mount) => !mount.target.includes(`${plane}/`)); // below a host root too
}

/**
 * True for a mount of a loop device that shows the image of a file system of this plane. The file
 * is known by its inode: a simulator whose mount namespace has ended leaves it a path from
 * somewhere else. Of a file that is removed only a path in the plane proves it.
 */
async function owns(context: NodeContext, { majorMinor }: Mount): Promise<boolean> {
  const { host, localPlane } = context;
  if (localPlane === undefined) return false;
  const name = await deviceNameOf(host, majorMinor);
  if (name === undefined || !isLoopName(name)) return false;
  const file = await backingFileOf(host, name);
  const parts = file === undefined ? undefined : partsOf(file);
  if (file === undefined || parts === undefined) return false;
  if (!await servesFileSystems(context, parts.array)) return false;
  if (parts.isDeleted) return isInside(file, await realPlane(context));
  const image = await readImage(host, `${localPlane}/${parts.array}/images/${parts.id}`);
  if (image === undefined) return false;
  return (await listLoopDevices(host)).some((loop) => loop.name === name && shows(loop, image));
}
