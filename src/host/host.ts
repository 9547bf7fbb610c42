import type { Run } from "../run.ts";
import { followLinks, unreadable } from "./links.ts";

/**
 * Where host tools run. `direct`: in our own namespaces. `chroot`: with the host's `/` as their
 * root. `nsenter`: in the namespaces of the host's first process.
 */
export const NAMESPACES = ["direct", "chroot", "nsenter"] as const;
/** One of NAMESPACES; the flag `--host-tools` sets it. */
export type Namespaces = (typeof NAMESPACES)[number];

/** The machine that this node plugin serves. */
export interface Host {
  run: Run;
  /**
   * Folder at which the host's `/` is mounted. Deno refuses /proc, /sys and /dev unless they are
   * addressed below such a folder.
   */
  root: string;
  namespaces: Namespaces;
  /** Folders in which tools are looked for before the system's own; `--tool-path` names them. */
  toolFolders?: readonly string[];
}

/** What only the kernel makes: no link of an administrator is in its way. */
const OF_KERNEL = /^\/(proc|sys|dev)(\/|$)/;

/** The path by which this process opens the host's file `path`: for /proc, /sys, /dev and /etc. */
export function hostPath(host: Host, path: string): string {
  return host.root === "/" ? path : `${host.root}${path}`;
}

/**
 * The path by which this process opens what tools, kubelet and mountinfo call `path`, such as
 * staging and target paths and images. With `direct` both are the same, but for /proc, /sys and
 * /dev, which this process always opens below the host root.
 */
export function filePath(host: Host, path: string): string {
  return host.namespaces === "direct" && !OF_KERNEL.test(path) ? path : hostPath(host, path);
}

/**
 * As hostPath(), for a file that an administrator may have put elsewhere by a link: its links are
 * followed inside the host's root. `unavailable` when one of them leads nowhere.
 */
async function realHostPath(host: Host, path: string): Promise<string> {
  if (OF_KERNEL.test(path)) return hostPath(host, path);
  const root = host.root === "/" ? "" : host.root;
  return hostPath(host, await followLinks(root, path, { followLast: true }));
}

/**
 * What tools, kubelet and mountinfo call `path` when its links are followed as on the host: see
 * followLinks(). `followLast` false: the last part is not looked at.
 */
export function realToolPath(
  host: Host,
  path: string,
  options: { followLast: boolean },
): Promise<string> {
  const root = host.namespaces === "direct" || host.root === "/" ? "" : host.root;
  return followLinks(root, path, options);
}

/**
 * The inverse of filePath(): the name that tools use for a path which this process, or the kernel
 * in its answer to it, names below the host root.
 */
export function toolPathOf(host: Host, path: string): string {
  if (host.namespaces === "direct" || host.root === "/") return path;
  if (path === host.root) return "/";
  if (!path.startsWith(`${host.root}/`)) return path;
  return path.slice(host.root.length);
}

/**
 * The text of a host file without the newline at its end; `undefined` when the file does not exist,
 * or belongs to a device that is going away. `unavailable` when it cannot be read, or is a link
 * that leads nowhere.
 */
export async function readHostText(host: Host, path: string): Promise<string | undefined> {
  const real = await realHostPath(host, path);
  try {
    return (await Deno.readTextFile(real)).trimEnd();
  } catch (error) {
    // ENXIO (6) and ENODEV (19): how sysfs answers for a device that is going away.
    if (error instanceof Deno.errors.NotFound || /os error (6|19)\)/.test(String(error))) {
      return undefined;
    }
    throw unreadable(`file ${path}`, error);
  }
}

/** The names in a host folder, sorted; none when it does not exist. `unavailable` otherwise. */
export async function listHostFolder(host: Host, path: string): Promise<string[]> {
  const names: string[] = [];
  const real = await realHostPath(host, path);
  try {
    for await (const entry of Deno.readDir(real)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw unreadable(`folder ${path}`, error);
    }
  }
  return names.sort();
}

/**
 * As readHostText(), but at once and without a thread, which costs a tenth: for rounds over
 * hundreds of devices. Use it only for files that the kernel answers from memory; one that waits
 * for a device or a server would stop this whole process. `undefined` for whatever cannot be read.
 */
export function peekHostText(host: Host, path: string): string | undefined {
  return peek(() => Deno.readTextFileSync(hostPath(host, path)).trimEnd());
}

/** As peekHostText(), for the sorted names in a folder; none when it cannot be read. */
export function peekHostFolder(host: Host, path: string): string[] {
  return peek(() => [...Deno.readDirSync(hostPath(host, path))].map(({ name }) => name).sort()) ??
    [];
}

/** As peekHostText(), for the text of a symbolic link, which is not followed. */
export function peekHostLink(host: Host, path: string): string | undefined {
  return peek(() => Deno.readLinkSync(hostPath(host, path)));
}

function peek<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/**
 * Removes a folder of the host if nothing is in it, and says whether it did. The links before its
 * last part are followed inside the host's root; a folder that is itself a link stays, and so does
 * what is no folder, what is mounted, and what is in use by a file or a folder. Throws only for a
 * path that cannot be followed, and without the right to remove.
 */
export async function removeEmptyFolder(host: Host, path: string): Promise<boolean> {
  const root = host.root === "/" ? "" : host.root;
  const real = hostPath(host, await followLinks(root, path, { followLast: false }));
  try {
    if (!(await Deno.lstat(real)).isDirectory) return false;
    await Deno.remove(real); // rmdir(2), which the kernel refuses as long as anything is in it
    return true;
  } catch (error) {
    // ENOTEMPTY (39), EBUSY (16).
    const isKept = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.Busy ||
      /os error (39|16)\)/.test(String(error));
    if (isKept) return false;
    throw error;
  }
}

/** Whether something is at this path of the host, at the end of links inside its root. */
export async function existsOnHost(host: Host, path: string): Promise<boolean> {
  try {
    await Deno.stat(await realHostPath(host, path));
    return true;
  } catch {
    return false;
  }
}
