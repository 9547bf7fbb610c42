import { messageOf, PsoError } from "../../errors.ts";
import { filePath, toolPathOf } from "../../host/host.ts";
import type { NodeContext } from "../context.ts";

/** The local plane's folder. `unsupported` on a node that was started without it. */
export function planeOf(context: Pick<NodeContext, "localPlane">): string {
  if (context.localPlane !== undefined) return context.localPlane;
  throw new PsoError(
    "unsupported",
    "protocol local is only for simulated arrays: start this node with --local-plane to attach " +
      "their volumes",
  );
}

/** What a link of the plane stands for. */
export interface PlaneLink {
  array: string;
  /** Host name of a block volume, client address of a file system. */
  host: string;
  /** LUN of a block volume, name of a file system. */
  name: string;
}

/**
 * `<plane>/<array>/hosts/<host>/<name>`: the link that is there exactly while the array connects
 * the volume to the host.
 */
export function linkPath(plane: string, link: PlaneLink): string {
  for (const part of [link.array, link.host, link.name]) {
    if (/^[^/]+$/.test(part) && part !== "." && part !== "..") continue;
    const shown = JSON.stringify(part);
    throw new PsoError(
      "invalid",
      `publish_context names ${shown}, which is no name of an array, host or file system: ` +
        "publish the volume again",
    );
  }
  return `${plane}/${link.array}/hosts/${link.host}/${link.name}`;
}

/** True when `path` lies below `folder`; both without symbolic links and `..`. */
export function isInside(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** The plane's folder without symbolic links, as the kernel names backing files and mounts. */
export async function realPlane(
  context: Pick<NodeContext, "host" | "localPlane">,
): Promise<string> {
  const { host } = context;
  const plane = planeOf(context);
  try {
    return toolPathOf(host, await Deno.realPath(filePath(host, plane)));
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `local plane ${plane} cannot be looked at (${messageOf(error)}): start the simulator on ` +
        "this host; its volumes reach no other",
      { cause: error },
    );
  }
}

/** What the path of an image says. */
interface ImagePath {
  array: string;
  id: string;
  /** The kernel says that the file behind a loop device was removed. */
  isDeleted: boolean;
}

/** Reads `…/<array>/images/<id>`, as the kernel names the file behind a loop device. */
export function partsOf(file: string): ImagePath | undefined {
  const [, array, id, deleted] = /\/([^/]+)\/images\/([^/]+?)( \(deleted\))?$/.exec(file) ?? [];
  if (array === undefined || id === undefined) return undefined;
  return { array, id, isDeleted: deleted !== undefined };
}

/** Whether an array of the plane is a FlashBlade: it alone has a folder for its mounts. */
export async function servesFileSystems(
  context: Pick<NodeContext, "host" | "localPlane">,
  array: string,
): Promise<boolean> {
  const folder = filePath(context.host, `${planeOf(context)}/${array}/fs`);
  try {
    return (await Deno.stat(folder)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new PsoError(
      "unavailable",
      `local plane ${context.localPlane} cannot be looked at (${messageOf(error)}): start the ` +
        "simulator on this host",
      { cause: error },
    );
  }
}
