import { isPsoError, PsoError } from "../errors.ts";
import { type Deadline, inUndoTime, until } from "../async/wait.ts";
import { refusedMountOption } from "../options/mount_options.ts";
import { type Host, realToolPath } from "./host.ts";
import { isReadOnlyMount, type Mount, mountAt, mountsAt, readMounts } from "./mountinfo.ts";

const MOUNT_TIMEOUT_MS = 60_000;
/**
 * Long enough for an unmount to write back what is dirty. One that takes longer waits for a device
 * or server that does not answer.
 */
const UNMOUNT_TIMEOUT_MS = 60_000;
/** Short, as a lazy unmount must still fit into the time that a caller gives. */
const NFS_UNMOUNT_TIMEOUT_MS = 15_000;
/**
 * A driver that mounts again without looking piles mounts up at one place. We unmount that many;
 * for more of them a person must find out who makes them.
 */
const STACK_MAX = 16;

/**
 * Options that belong to one mount and not to the file system below it (mount(8),
 * "filesystem-independent mount options").
 */
const PER_MOUNT_OPTIONS = new Set([
  "ro",
  "noexec",
  "nosuid",
  "nodev",
  "noatime",
  "nodiratime",
  "relatime",
  "strictatime",
]);

/**
 * Those of `flags` that a bind mount can have of its own. All others belong to the file system and
 * were given when it was staged; this includes a SELinux label (`context=`), which mount(2) ignores
 * for a bind mount.
 */
export function perMountOptions(flags: string[]): string[] {
  return flags.filter((flag) => PER_MOUNT_OPTIONS.has(flag));
}

/** The mount that bindMount() shall make. */
interface NewBindMount {
  /** A folder, a file or a device node. */
  source: string;
  target: string;
  /** Per-mount options: see perMountOptions(). */
  options: string[];
}

/** The mount that mountFileSystem() shall make. */
interface NewMount {
  /** What holds the file system: a device, or `server:/path`. */
  source: string;
  target: string;
  /** As `mount -t` wants it: `xfs`, `ext4`, `nfs`. */
  type: string;
  options: string[];
}

/**
 * Mounts a file system (mount(8)) and returns the mount as mountinfo shows it. Not safe to repeat:
 * look into mountinfo first, or mounts pile up. `unavailable` with the words of mount(8) when it
 * fails, or when mountinfo does not show the mount; `invalid`, before anything is run, for an
 * option that refusedMountOption() knows.
 */
export async function mountFileSystem(
  host: Host,
  mount: NewMount,
  signal?: AbortSignal,
): Promise<Mount> {
  const fault = refusedMountOption(mount.options);
  if (fault !== undefined) {
    throw new PsoError(
      "invalid",
      `${mount.source} is not mounted: mount option ${fault}; take it out of mountOptions of the ` +
        "PV and of its class",
    );
  }
  const options = mount.options.length > 0 ? ["-o", mount.options.join(",")] : [];
  const before = await mountsBefore(host);
  await host.run("mount", ["-t", mount.type, ...options, mount.source, mount.target], {
    timeoutMs: MOUNT_TIMEOUT_MS,
    signal,
  });
  return await provenMount(host, { target: mount.target, before });
}

/**
 * Makes `source` visible at `target` too (mount(8), --bind), and returns the mount as mountinfo
 * shows it. Not safe to repeat. `unavailable` when it fails, or when a mount that should be
 * read-only is writable; it is unmounted then.
 */
export async function bindMount(
  host: Host,
  mount: NewBindMount,
  signal?: AbortSignal,
): Promise<Mount> {
  const before = await mountsBefore(host);
  await host.run(
    "mount",
    ["-o", ["bind", ...mount.options].join(","), mount.source, mount.target],
    {
      timeoutMs: MOUNT_TIMEOUT_MS,
      signal,
    },
  );
  const made = await provenMount(host, { target: mount.target, before });
  if (!mount.options.includes("ro") || isReadOnlyMount(made)) return made;
  await inUndoTime(
    `the unmount of ${mount.target}`,
    (undoSignal) => unmountAll(host, mount.target, undoSignal),
  );
  throw new PsoError(
    "unavailable",
    `the bind mount of ${mount.source} at ${mount.target} is writable although it was asked to ` +
      "be read-only, and was unmounted: update util-linux on this node (2.27 or newer)",
  );
}

/**
 * Gives an existing bind mount its per-mount options. mount(8) makes a bind mount in two steps; a
 * crash between them leaves a mount without its options. Safe to repeat.
 */
export async function remountBind(
  host: Host,
  mount: { target: string; options: string[] },
  signal?: AbortSignal,
): Promise<void> {
  const options = ["remount", "bind", ...mount.options].join(",");
  await host.run("mount", ["-o", options, mount.target], { timeoutMs: MOUNT_TIMEOUT_MS, signal });
}

/** What is mounted now; what is wrong with mountinfo shows when the mount is proven. */
async function mountsBefore(host: Host): Promise<Mount[] | undefined> {
  return await readMounts(host).catch(() => undefined);
}

/** A mount that was just made. */
interface FreshMount {
  target: string;
  /** What was mounted before it; absent: not known, and then nothing is unmounted again. */
  before?: Mount[];
}

/**
 * The mount as mountinfo shows it. `unavailable` when it shows none at the target; what was mounted
 * elsewhere in its place, because a link came between, is unmounted again.
 */
async function provenMount(host: Host, { target, before }: FreshMount): Promise<Mount> {
  const mounts = await readMounts(host);
  const made = mountAt(mounts, target);
  if (made) return made;
  const real = await realToolPath(host, target, { followLast: true });
  const stray = real === target ? undefined : mountAt(mounts, real);
  // The kernel gives the number of a mount that has gone to the next one.
  const isOld = (mount: Mount) =>
    before?.some((one) => one.id === mount.id && one.target === mount.target);
  if (stray && before && !isOld(stray)) {
    await inUndoTime(
      `the unmount of ${real}`,
      (signal) =>
        umount(host, { target: real, options: [], timeoutMs: UNMOUNT_TIMEOUT_MS }, signal),
    );
    throw new PsoError(
      "in_use",
      `${target} became a symbolic link to ${real} while it was mounted, and what was mounted ` +
        "there was unmounted again: see who made the link, and remove it",
    );
  }
  throw new PsoError(
    "unavailable",
    `mount reported success, but mountinfo shows no mount at ${target}: another process ` +
      "may have unmounted it; kubelet will try again",
  );
}

/**
 * Unmounts everything at `target`, also mounts that lie over each other, and proves by mountinfo
 * that nothing is left. Nothing there is success. `in_use` when a process uses the mount,
 * `unavailable` when umount reports success and the mount stays. What has a device is never
 * unmounted by force and never lazily: that hides a file system that is still being written to, and
 * its device would be removed. A mount of an NFS server that does not answer is.
 */
export async function unmountAll(host: Host, target: string, signal?: AbortSignal): Promise<void> {
  await unmountProven(host, { target, prove: () => Promise.resolve() }, signal);
}

/** What is to be unmounted, and the proof that it may be. */
interface ProvenTarget {
  target: string;
  /** Called with each mount before it goes; what it throws ends the work. */
  prove: (mount: Mount) => Promise<void>;
}

/** As unmountAll(), for a place where something else may be mounted: each mount is proven first. */
export async function unmountProven(
  host: Host,
  { target, prove }: ProvenTarget,
  signal?: AbortSignal,
): Promise<void> {
  for (let left = STACK_MAX; left > 0; left--) {
    const layers = mountsAt(await readMounts(host), target);
    const before = layers.length;
    const uppermost = layers.at(-1);
    if (!uppermost) return;
    await prove(uppermost);
    await unmountOnce(host, target, signal);
    const after = mountsAt(await readMounts(host), target).length;
    if (after >= before) {
      throw new PsoError(
        "unavailable",
        `umount of ${target} reported success, but mountinfo still shows the mount; kubelet will ` +
          "try again",
      );
    }
  }
  throw new PsoError(
    "unavailable",
    `more than ${STACK_MAX} mounts lie over each other at ${target}: find out who makes them, ` +
      `then unmount each with umount ${target}`,
  );
}

/**
 * Unmounts a mount whose server has answered that the file system no longer exists (ESTALE), and
 * proves it by mountinfo. Call it only for such a mount: it ends in a lazy unmount, which hides
 * nothing here, because processes that use the mount get an error from every call and can write
 * nothing back.
 */
export async function unmountStale(
  host: Host,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await unmountAll(host, target, signal);
  } catch (error) {
    if (!isPsoError(error, "in_use", "unavailable")) throw error;
    await host.run("umount", ["--lazy", target], { timeoutMs: UNMOUNT_TIMEOUT_MS, signal });
    if (mountsAt(await readMounts(host), target).length > 0) throw error;
  }
}

async function unmountOnce(host: Host, target: string, signal?: AbortSignal): Promise<void> {
  const isNfs = /^nfs4?$/.test(mountAt(await readMounts(host), target)?.type ?? "");
  if (isNfs) return await unmountNfs(host, target, signal);
  await umount(host, { target, options: [], timeoutMs: UNMOUNT_TIMEOUT_MS }, signal);
}

/**
 * Unmounts what is mounted from an NFS server, also when that is gone. umount(8) would look the
 * path up first and its helper would tell the server, and both wait for an answer that never comes:
 * neither is done. When the kernel itself waits, what it cannot write back is lost either way, and
 * no device is taken from below it, so the mount is taken out of sight (lazy), which ends at once.
 */
async function unmountNfs(host: Host, target: string, signal?: AbortSignal): Promise<void> {
  const options = ["--no-canonicalize", "--internal-only"];
  const timeoutMs = NFS_UNMOUNT_TIMEOUT_MS;
  try {
    await umount(host, { target, options, timeoutMs }, signal);
  } catch (error) {
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    if (mountsAt(await readMounts(host), target).length === 0) return;
    const lazy = [...options, "--force", "--lazy"];
    await umount(host, { target, options: lazy, timeoutMs }, signal);
  }
}

/** One umount(8), and where. */
interface Umount {
  target: string;
  options: string[];
  timeoutMs: number;
}

async function umount(
  host: Host,
  { target, options, timeoutMs }: Umount,
  signal?: AbortSignal,
): Promise<void> {
  // umount(8): 1 is wrong use or no permission, 32 a failure. Both also come for a mount that has
  // gone meanwhile, so mountinfo decides.
  const okCodes = [0, 1, 32];
  const result = await host.run("umount", [...options, target], { okCodes, timeoutMs, signal });
  if (result.code === 0) return;
  if (mountsAt(await readMounts(host), target).length === 0) return;
  const said = result.stderr.trim();
  if (/busy/.test(said)) {
    throw new PsoError(
      "in_use",
      `${target} cannot be unmounted, because a process uses it: fuser -vm ${target} names the ` +
        "process; end it",
    );
  }
  throw new PsoError(
    "unavailable",
    `${target} cannot be unmounted: ${said || `umount ended with code ${result.code}`}; ` +
      "kubelet will try again",
  );
}

/**
 * Waits until mountinfo shows none of the mounts that `select` picks. Returns those that are left
 * when the time is over, so none means success. Throws only when mountinfo cannot be read.
 */
export async function untilUnmounted(
  host: Host,
  select: (mounts: Mount[]) => Mount[],
  options: Deadline,
): Promise<Mount[]> {
  let left: Mount[] = [];
  try {
    await until("unmounting", async () => (left = select(await readMounts(host))).length === 0, {
      ...options,
      intervalMs: 20,
    });
  } catch (error) {
    if (left.length === 0) throw error;
  }
  return left;
}
