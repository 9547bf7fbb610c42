/**
 * Mounts and loop devices of this machine, as the scripts that start and stop a stand see and clean
 * them. They run with -A.
 */
import { until } from "../src/async/wait.ts";
import { exists, readIfThere } from "./paths.ts";
import { runTool, tryTool } from "./shell.ts";

/** One line of mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  path: string;
  type: string;
  source: string;
}

/** A loop device and the file behind it. */
export interface LoopDevice {
  device: string;
  file: string;
}

/** How the path of every temporary folder of a test, a stand or a bench begins. */
export const TEMPORARY = "/tmp/pso-";

/** A mount namespace: where its mounts are read, and what stands before a command run in it. */
export interface MountView {
  mountinfo: string;
  enter: string[];
}

/** The mount namespace of this process. */
const HERE: MountView = { mountinfo: "/proc/self/mountinfo", enter: [] };

const RELEASE_MS = 20_000;

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescape(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits: string) => String.fromCharCode(parseInt(digits, 8)),
  );
}

export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split("\n").filter((line) => line !== "").map((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [type = "", source = ""] = right.split(" ");
    return { path: unescape(left.split(" ")[4] ?? ""), type, source: unescape(source) };
  });
}

/** All mounts of a namespace, in the order in which they were made. */
export async function mounts({ mountinfo }: MountView = HERE): Promise<Mount[]> {
  return parseMounts(await Deno.readTextFile(mountinfo));
}

/**
 * Takes what is mounted below temporary folders out of a namespace that was just copied: a copy
 * would keep the devices of others busy. They keep theirs.
 */
export async function dropTemporary(view: MountView): Promise<void> {
  const copies = async () =>
    (await mounts(view)).map(({ path }) => path).filter((path) => path.startsWith(TEMPORARY));
  const found = await copies();
  if (found.length === 0) return;
  // lazy takes what is below a mount with it, and umount(8) then complains that this is gone
  const { stderr } = await tryTool(...commandIn(view, "umount", ["--lazy", ...found]));
  if ((await copies()).length > 0) throw new Error(`copies of mounts stay: ${stderr.trim()}`);
}

/** The command that runs a tool in a namespace. */
function commandIn(
  { enter: [first, ...words] }: MountView,
  tool: string,
  args: string[],
): [string, string[]] {
  return first === undefined ? [tool, args] : [first, [...words, tool, ...args]];
}

/** True when `path` is `folder` or lies below it. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The attached loop devices. */
export async function loopDevices(): Promise<LoopDevice[]> {
  const found: LoopDevice[] = [];
  for await (const { name } of Deno.readDir("/sys/block")) {
    if (!name.startsWith("loop")) continue;
    // detached between the two reads
    const file = await readIfThere(`/sys/block/${name}/loop/backing_file`).catch(() => undefined);
    if (file !== undefined) {
      found.push({ device: `/dev/${name}`, file: file.trimEnd().replace(/ \(deleted\)$/, "") });
    }
  }
  return found.sort((a, b) => a.device.localeCompare(b.device));
}

/** The attached loop devices of files below these folders. */
async function loopsBelow(folders: string[]): Promise<LoopDevice[]> {
  return (await loopDevices()).filter((loop) =>
    folders.some((folder) => loop.file.includes(`${folder}/`))
  );
}

/**
 * Unmounts everything below `folders` and every mount, wherever it is, of a loop device whose file
 * lies below them; then detaches those loop devices. Throws, naming it, when something is still
 * there after 20 s. Doing it again finds nothing to do.
 */
export async function releaseBelow(folders: string[], view: MountView = HERE): Promise<void> {
  const ours = (path: string) => folders.some((folder) => isBelow(path, folder));
  let last = "";
  const isFree = async () => {
    const loops = await loopsBelow(folders);
    const mounted = (await mounts(view)).filter((mount) =>
      ours(mount.path) || loops.some((loop) => loop.device === mount.source)
    );
    for (const mount of mounted.reverse()) {
      last = (await tryTool(...commandIn(view, "umount", [mount.path]))).stderr.trim() || last;
    }
    // Looked for again: one that went with its last mount may serve somebody else by now.
    for (const loop of await loopsBelow(folders)) {
      last = (await tryTool("losetup", ["-d", loop.device])).stderr.trim() || last;
    }
    return mounted.length === 0 && loops.length === 0;
  };
  try {
    await until("all was let go", isFree, { timeoutMs: RELEASE_MS, intervalMs: 100 });
  } catch (error) {
    throw new Error(
      `cannot let go of what is mounted or attached below ${folders.join(" and ")}: ${last}`,
      { cause: error },
    );
  }
}

/**
 * Removes a folder and what is in it, and refuses while anything is mounted below: through a bind
 * mount of / it would empty the machine.
 */
export async function removeFolder(folder: string, view: MountView = HERE): Promise<void> {
  const mounted = (await mounts(view)).filter((mount) => isBelow(mount.path, folder));
  if (mounted.length > 0) {
    throw new Error(
      `cannot remove ${folder}: ${mounted.map((mount) => mount.path).join(", ")} is still mounted`,
    );
  }
  if (!await exists(folder)) return;
  await runTool(...commandIn(view, "rm", ["-rf", "--one-file-system", folder]));
}

/**
 * Makes `folder` a shared mount of itself, so that what is later mounted below it shows up below
 * the host roots too, and leaves them when it is unmounted. On a host whose / is private a host
 * root would otherwise keep mounts that the host has long given up.
 */
export async function shareFolder(folder: string): Promise<void> {
  await runTool("mount", ["--bind", folder, folder]);
  await runTool("mount", ["--make-private", folder]);
  await runTool("mount", ["--make-shared", folder]);
}

/**
 * Mounts the host's / at the empty folder `at`, as a DaemonSet pod mounts it at /host: with /proc,
 * /sys and /dev, with `shared` (see shareFolder), and with `etc` in the place of /etc, which gives
 * each node initiator names of its own. It follows mounts of the host and passes none back. Other
 * mounts of the host are left out: a copy of them here would hold them when their owner lets go.
 */
export async function mountHostRoot(
  at: string,
  options: { shared: string; etc: string },
): Promise<void> {
  await runTool("mount", ["--bind", "/", at]);
  await runTool("mount", ["--make-rslave", at]);
  for (const folder of ["/proc", "/sys", "/dev"]) {
    await runTool("mount", ["--rbind", folder, `${at}${folder}`]);
  }
  const above = (await mounts()).map((mount) => mount.path).filter((path) =>
    path !== "/" && path !== options.shared && isBelow(options.shared, path)
  );
  for (const path of new Set(above)) await runTool("mount", ["--bind", path, `${at}${path}`]);
  await runTool("mount", ["--bind", options.shared, `${at}${options.shared}`]);
  await runTool("mount", ["--bind", options.etc, `${at}/etc`]);
  await runTool("mount", ["--make-rslave", at]);
}
