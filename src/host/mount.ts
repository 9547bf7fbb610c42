import { isPsoError, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import type { Host } from "./host.ts";
import { isReadOnlyMount, type Mount, mountAt, mountsAt, readMounts } from "./mountinfo.ts";

const MOUNT_TIMEOUT_MS = 60_000;
/**
 * A clean unmount writes back what is dirty; more than this is a device or server that does not
 * answer.
 */
const UNMOUNT_TIMEOUT_MS = 60_000;
/**
 * Mounts pile up at one place when a driver mounts again without looking; more than this is not our
 * doing.
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
 * Those of `flags` that a bind mount can have of its own. The others came with the file system when
 * it was staged, a SELinux label (`context=`) too: mount(2) ignores it for a bind mount.
 */
export function perMountOptions(flags: string[]): string[] {
  return flags.filter((flag) => PER_MOUNT_OPTIONS.has(flag));
}

/**
 * Mounts the file system on `source` at `target` (mount(8)) and returns what mountinfo then says of
 * it. Not safe to repeat: callers look at mountinfo first, or mounts would pile up. `unavailable`
 * with the tool's words when it is refused or did not appear.
 */
export async function mountFileSystem(
  host: Host,
  mount: { source: string; target: string; type: string; options: string[] },
  signal?: AbortSignal,
): Promise<Mount> {
  const options = mount.options.length > 0 ? ["-o", mount.options.join(",")] : [];
  await host.run("mount", ["-t", mount.type, ...options, mount.source, mount.target], {
    timeoutMs: MOUNT_TIMEOUT_MS,
    signal,
  });
  return await provenMount(host, mount.target);
}

/**
 * Makes `source` (a folder, a file or a device node) visible at `target` too, with the per-mount
 * `options` given (mount(8), --bind). A mount that should be read-only and is not is taken away
 * again, and `unavailable`.
 */
export async function bindMount(
  host: Host,
  mount: { source: string; target: string; options: string[] },
  signal?: AbortSignal,
): Promise<Mount> {
  await host.run(
    "mount",
    ["-o", ["bind", ...mount.options].join(","), mount.source, mount.target],
    {
      timeoutMs: MOUNT_TIMEOUT_MS,
      signal,
    },
  );
  const made = await provenMount(host, mount.target);
  if (!mount.options.includes("ro") || isReadOnlyMount(made)) return made;
  await unmountAll(host, mount.target, signal);
  throw new PsoError(
    "unavailable",
    `bind mount of ${mount.source} at ${mount.target} came up writable although read-only was asked for`,
  );
}

/**
 * Gives an existing bind mount its per-mount options (again): the second half of a bind mount that
 * a crash cut in two.
 */
export async function remountBind(
  host: Host,
  mount: { target: string; options: string[] },
  signal?: AbortSignal,
): Promise<void> {
  const options = ["remount", "bind", ...mount.options].join(",");
  await host.run("mount", ["-o", options, mount.target], { timeoutMs: MOUNT_TIMEOUT_MS, signal });
}

async function provenMount(host: Host, target: string): Promise<Mount> {
  const made = mountAt(await readMounts(host), target);
  if (made) return made;
  throw new PsoError(
    "unavailable",
    `mount at ${target} ended well, but the mount is not in mountinfo; it will be tried again`,
  );
}

/**
 * Unmounts everything at `target`, the whole stack, and proves by mountinfo that nothing is left.
 * Nothing there is success. `in_use` when a process keeps it busy, `unavailable` when the tool says
 * "done" and the mount stays. Never forced and never lazy: a lazy unmount hides a file system that
 * is still written to.
 */
export async function unmountAll(host: Host, target: string, signal?: AbortSignal): Promise<void> {
  for (let left = STACK_MAX; left > 0; left--) {
    const before = mountsAt(await readMounts(host), target).length;
    if (before === 0) return;
    await unmountOnce(host, target, signal);
    const after = mountsAt(await readMounts(host), target).length;
    if (after >= before) {
      throw new PsoError(
        "unavailable",
        `umount of ${target} ended well, but mountinfo still shows it; it will be tried again`,
      );
    }
  }
  throw new PsoError(
    "unavailable",
    `more than ${STACK_MAX} mounts lie over each other at ${target}; unmount them by hand with umount ${target}`,
  );
}

/**
 * Takes a mount away whose server has said that the file system is no longer there (ESTALE), and
 * proves it by mountinfo. What keeps it busy gets an error at every step already and can write
 * nothing back, so a lazy unmount hides nothing. Only for such a mount.
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
  // 1: incorrect invocation or not permitted, 32: failed (umount(8)). Gone meanwhile is success;
  // mountinfo decides.
  const result = await host.run("umount", [target], {
    okCodes: [0, 1, 32],
    timeoutMs: UNMOUNT_TIMEOUT_MS,
    signal,
  });
  if (result.code === 0) return;
  if (mountsAt(await readMounts(host), target).length === 0) return;
  const said = result.stderr.trim();
  if (/busy/.test(said)) {
    throw new PsoError(
      "in_use",
      `${target} cannot be unmounted: a process still uses it (fuser -vm ${target} names it)`,
    );
  }
  throw new PsoError(
    "unavailable",
    `${target} cannot be unmounted: ${said || `umount ended with code ${result.code}`}`,
  );
}

/**
 * Waits until mountinfo shows none of the mounts that `select` picks, and returns those that are
 * left when the time is over.
 */
export async function untilUnmounted(
  host: Host,
  select: (mounts: Mount[]) => Mount[],
  options: { timeoutMs: number; signal?: AbortSignal },
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
