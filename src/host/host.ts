import { PsoError } from "../errors.ts";
import type { Run } from "../run.ts";

/**
 * Where host tools run: in our own namespaces, with the host's root as theirs, or in the mount
 * namespace of the host's first process.
 */
export const NAMESPACES = ["direct", "chroot", "nsenter"] as const;
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
}

/** How this process addresses the host's own file at `path`: for /proc, /sys, /dev and /etc. */
export function hostPath(host: Host, path: string): string {
  return host.root === "/" ? path : `${host.root}${path}`;
}

/**
 * How this process addresses what the tools, kubelet and mountinfo call `path` (staging and target
 * paths, images). With tools in our own namespaces that is the path itself; a device still goes
 * below the host root.
 */
export function filePath(host: Host, path: string): string {
  return host.namespaces === "direct" && !/^\/(proc|sys|dev)(\/|$)/.test(path)
    ? path
    : hostPath(host, path);
}

/**
 * The other way round: a path that this process, or the kernel for it, names below the host root,
 * as the tools know it.
 */
export function toolPathOf(host: Host, path: string): string {
  if (host.namespaces === "direct" || host.root === "/") return path;
  if (path === host.root) return "/";
  if (!path.startsWith(`${host.root}/`)) return path;
  return path.slice(host.root.length);
}

/**
 * The text of a host file without the newline at its end; `undefined` when there is none.
 * `unavailable` when it cannot be read.
 */
export async function readHostText(host: Host, path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(hostPath(host, path))).trimEnd();
  } catch (error) {
    // ENODEV and ENXIO: sysfs files of a device that is going away.
    if (error instanceof Deno.errors.NotFound || /os error (6|19)\)/.test(String(error))) {
      return undefined;
    }
    throw new PsoError("unavailable", `host file ${path} cannot be read: ${String(error)}`, {
      cause: error,
    });
  }
}

/** Names in a host folder; none when it does not exist. */
export async function listHostFolder(host: Host, path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(hostPath(host, path))) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new PsoError("unavailable", `host folder ${path} cannot be read: ${String(error)}`, {
        cause: error,
      });
    }
  }
  return names.sort();
}

/**
 * Text, folder and link of sysfs at once, without a thread: a tenth of the cost, for rounds over
 * hundreds of devices. Only for what the kernel answers from memory, never for what may wait for a
 * device or a server. What cannot be read is unknown: `undefined`, or no names.
 */
export function peekHostText(host: Host, path: string): string | undefined {
  return peek(() => Deno.readTextFileSync(hostPath(host, path)).trimEnd());
}

/** As peekHostText(), for the names in a folder. */
export function peekHostFolder(host: Host, path: string): string[] {
  return peek(() => [...Deno.readDirSync(hostPath(host, path))].map(({ name }) => name).sort()) ??
    [];
}

/** As peekHostText(), for the text of a symbolic link. */
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
