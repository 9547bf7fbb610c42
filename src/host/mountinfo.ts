import { fileFault, PsoError } from "../errors.ts";
import { type Host, hostPath, realToolPath, toolPathOf } from "./host.ts";

/** One mount (proc_pid_mountinfo(5)). */
export interface Mount {
  id: number;
  /**
   * `major:minor` of the file system: for ext4 and xfs the number of its block device, for NFS one
   * that the kernel made up.
   */
  majorMinor: string;
  /**
   * Which part of the file system is mounted: `/` for all of it, a folder or file of it for a bind
   * mount, the device node (`/loop3`) for one of a devtmpfs.
   */
  root: string;
  target: string;
  /** Per-mount options: `ro`, `nosuid`, `relatime` … */
  options: string[];
  type: string;
  source: string;
  /** Options of the file system itself: `ro` here is read-only for every mount of it. */
  superOptions: string[];
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescape(text: string): string {
  return text.replaceAll(
    /\\([0-7]{3})/g,
    (_, digits: string) => String.fromCharCode(parseInt(digits, 8)),
  );
}

/**
 * The mounts in the text of a mountinfo file, in the order of mounting. `unavailable` for a line
 * that cannot be read: acting on half a list could remove a device that is mounted.
 */
export function parseMountinfo(text: string): Mount[] {
  return text.split("\n").filter((line) => line !== "").map(parseLine);
}

function parseLine(line: string): Mount {
  // Optional fields (shared:N, master:N …) stand between the options and a lone "-".
  const separator = line.indexOf(" - ");
  const [id, , majorMinor, root, target, options] = line.slice(0, separator).split(" ");
  const [type, source, superOptions] = line.slice(separator + 3).split(" ");
  if (
    separator < 0 || !majorMinor || !root || !target || !options || !type || source === undefined
  ) {
    throw new PsoError(
      "unavailable",
      `mountinfo has a line that this driver cannot read, report it with the kernel's version: ` +
        line,
    );
  }
  return {
    id: Number(id),
    majorMinor,
    root: unescape(root),
    target: unescape(target),
    options: options.split(","),
    type,
    source: unescape(source),
    superOptions: (superOptions ?? "").split(","),
  };
}

/**
 * The mounts that host tools see now: those of our own mount namespace, or with `nsenter` those of
 * the host's first process. With `chroot`, targets are written as the tools see them, and mounts
 * outside of the new root are left out. `unavailable` when they cannot be read.
 */
export async function readMounts(host: Host): Promise<Mount[]> {
  const file = hostPath(
    host,
    host.namespaces === "nsenter" ? "/proc/1/mountinfo" : "/proc/self/mountinfo",
  );
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    const fix = "mount the host's / at the folder that --host-root names";
    throw new PsoError(
      "unavailable",
      `mounts cannot be read: ${file} ${fileFault(error)}; ${fix}`,
      { cause: error },
    );
  }
  const mounts = parseMountinfo(text);
  if (host.namespaces !== "chroot" || host.root === "/") return mounts;
  return mounts.filter(({ target }) => target === host.root || target.startsWith(`${host.root}/`))
    .map((mount) => ({ ...mount, target: toolPathOf(host, mount.target) }));
}

/** All mounts at one place, which lie over each other; the visible one is last. */
export function mountsAt(mounts: Mount[], target: string): Mount[] {
  return mounts.filter((mount) => mount.target === target);
}

/** The visible mount at one place, which hides all others there; `undefined` when there is none. */
export function mountAt(mounts: Mount[], target: string): Mount | undefined {
  return mounts.findLast((mount) => mount.target === target);
}

/** True when nothing can be written through this mount: itself or its file system is read-only. */
export function isReadOnlyMount(mount: Mount): boolean {
  return mount.options.includes("ro") || mount.superOptions.includes("ro");
}

/**
 * The option by which mountinfo shows that the kernel has stopped a file system after an error:
 * `abort`, `emergency_ro` and `shutdown` are words of its own, `ro` is one when the mount itself
 * was asked to be writable. `undefined` when it shows none; a stopped xfs shows none.
 */
export function stoppedBy({ options, superOptions }: Mount): string | undefined {
  const word = superOptions.find((option) => /^(abort|emergency_ro|shutdown)$/.test(option));
  if (word !== undefined) return word;
  return options.includes("rw") && superOptions.includes("ro") ? "ro" : undefined;
}

/**
 * The kernel name of the device whose node is bind-mounted here, as for a raw block volume;
 * `undefined` for every other mount.
 */
export function boundDeviceName(mount: Mount): string | undefined {
  return mount.type === "devtmpfs" && mount.root !== "/" ? mount.root.slice(1) : undefined;
}

/** Every mount of a block device: of the file system on it, and of its device node. */
export function mountsOfDevice(
  mounts: Mount[],
  device: { name: string; majorMinor: string },
): Mount[] {
  return mounts.filter((mount) =>
    mount.majorMinor === device.majorMinor || boundDeviceName(mount) === device.name
  );
}

/**
 * `path` as mountinfo names it. Symbolic links in the folders above it are followed as the host
 * follows them, also absolute ones. The last part is not looked at, because a mount of a dead
 * server there would hang us. What does not exist is kept as it is, without a slash at its end.
 * `unavailable` when a link leads nowhere: kubelet's folder must not be taken for an empty one.
 */
export async function resolveTarget(host: Host, path: string): Promise<string> {
  return path.startsWith("/") ? await realToolPath(host, path, { followLast: false }) : path;
}
