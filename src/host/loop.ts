import { PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import type { BlockDevice } from "./block_device.ts";
import { readBlockDevice } from "./block_device.ts";
import { filePath, type Host, readHostText, toolPathOf } from "./host.ts";

const RELEASE_TIMEOUT_MS = 10_000;

/** Identifies a file independently of its path, which differs between mount namespaces. */
interface FileIdentity {
  /** `major:minor` of the file system that holds it. */
  majorMinor: string;
  inode: number;
}

/** A file that attachLoop() can attach. */
export interface Image extends FileIdentity {
  path: string;
  sizeBytes: number;
}

/** A loop device and the file behind it. */
export interface LoopDevice extends FileIdentity {
  /** `loop3` */
  name: string;
  /** The file's path, as the kernel knows it; ` (deleted)` is at its end for a removed file. */
  backingFile: string;
}

/** A `st_dev` of stat(2) as `major:minor`, the form in which the kernel prints it (makedev(3)). */
export function majorMinorOf(device: number): string {
  const wide = BigInt(device);
  const major = ((wide >> 8n) & 0xfffn) | ((wide >> 32n) & ~0xfffn);
  const minor = (wide & 0xffn) | ((wide >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

/**
 * The image at a path, links followed. `undefined` when there is none; `unavailable` when it is not
 * a regular file, or its path cannot be read.
 */
export async function readImage(host: Host, path: string): Promise<Image | undefined> {
  try {
    const real = await Deno.realPath(filePath(host, path));
    const stat = await Deno.stat(real);
    if (!stat.isFile || stat.ino === null) {
      throw new PsoError(
        "unavailable",
        `image ${path} is not a regular file: see with ls -l what is there`,
      );
    }
    return {
      path: toolPathOf(host, real),
      sizeBytes: stat.size,
      inode: stat.ino,
      majorMinor: majorMinorOf(stat.dev),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof PsoError) throw error;
    throw new PsoError(
      "unavailable",
      `image ${path} cannot be read: ${String(error)}; give this process access to its folder`,
      { cause: error },
    );
  }
}

interface LosetupRow {
  name?: unknown;
  "back-file"?: unknown;
  "back-ino"?: unknown;
  "back-maj:min"?: unknown;
}

/**
 * Reads what `losetup --list --json` prints (losetup(8)), which is nothing when no device is
 * attached. Throws a SyntaxError for text that is no such JSON.
 */
export function parseLosetup(text: string): LoopDevice[] {
  if (text.trim() === "") return [];
  const rows: unknown = JSON.parse(text)?.loopdevices ?? [];
  if (!Array.isArray(rows)) throw new SyntaxError("loopdevices is no list");
  const objects: LosetupRow[] = rows.filter((row) => typeof row === "object" && row !== null);
  return objects.map((row) => ({
    name: String(row.name).replace("/dev/", ""),
    backingFile: String(row["back-file"] ?? ""),
    inode: Number(row["back-ino"]),
    majorMinor: String(row["back-maj:min"] ?? "").trim(),
  }));
}

/** All attached loop devices of this host, whoever attached them. */
export async function listLoopDevices(host: Host, signal?: AbortSignal): Promise<LoopDevice[]> {
  const { stdout } = await host.run("losetup", [
    "--list",
    "--json",
    "--output",
    "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN",
  ], { signal });
  try {
    return parseLosetup(stdout);
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `losetup --list --json printed something else than JSON: ${stdout.slice(0, 200)}; ` +
        "update util-linux on this node",
      { cause: error },
    );
  }
}

/** True when this file, and no other of the same path, is behind the loop device. */
export function shows(loop: LoopDevice, image: FileIdentity): boolean {
  return loop.inode === image.inode && loop.majorMinor === image.majorMinor;
}

/**
 * Attaches an image as a loop device, and proves by the list of devices that it is this file. Not
 * safe to repeat: look with shows() for a device that has it first. I/O is buffered, losetup's
 * default, because direct I/O needs the sector size of the file system below.
 */
export async function attachLoop(
  host: Host,
  image: Image,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const { stdout } = await host.run("losetup", ["--find", "--show", image.path], { signal });
  const name = stdout.trim().replace("/dev/", "");
  const made = (await listLoopDevices(host, signal)).find((loop) => loop.name === name);
  if (!made || !shows(made, image)) {
    throw new PsoError(
      "unavailable",
      `losetup attached ${image.path} as ${name}, but ${name} shows ${
        made?.backingFile ?? "no file"
      }: that file was replaced or detached meanwhile; kubelet will try again`,
    );
  }
  return await readBlockDevice(host, name);
}

/** Makes a loop device as large as its file is now (losetup -c). Safe to repeat. */
export async function growLoop(host: Host, name: string, signal?: AbortSignal): Promise<void> {
  await host.run("losetup", ["--set-capacity", `/dev/${name}`], { signal });
}

/**
 * The path of the file behind a loop device, as tools know it; `undefined` when no file is attached
 * there.
 */
export async function backingFileOf(host: Host, name: string): Promise<string | undefined> {
  const file = await readHostText(host, `/sys/block/${name}/loop/backing_file`);
  return file === undefined ? undefined : toolPathOf(host, file);
}

/**
 * Detaches a loop device and proves by sysfs that it is detached. Call it only for a device that
 * nothing mounts: for one in use the kernel reports success at once, and detaches it at the last
 * close. Detached already, or attached to another file by now, is success. `in_use` when a process
 * keeps it open for more than 10 s.
 */
export async function detachLoop(
  host: Host,
  loop: { name: string; backingFile: string },
  signal?: AbortSignal,
): Promise<void> {
  const isGone = async () => (await backingFileOf(host, loop.name)) !== loop.backingFile;
  if (await isGone()) return;
  // Exit 1: no such device, because another call was faster. Sysfs decides.
  await host.run("losetup", ["--detach", `/dev/${loop.name}`], { okCodes: [0, 1], signal });
  try {
    await until(`detaching of /dev/${loop.name}`, isGone, {
      timeoutMs: RELEASE_TIMEOUT_MS,
      intervalMs: 10,
      signal,
    });
  } catch (error) {
    throw new PsoError(
      "in_use",
      `loop device /dev/${loop.name} (${loop.backingFile}) cannot be detached: a process has it ` +
        `open; fuser -v /dev/${loop.name} names it`,
      { cause: error },
    );
  }
}

/** True for the kernel name of a loop device, `loop3`, and for no partition of one. */
export function isLoopName(name: string): boolean {
  return /^loop\d+$/.test(name);
}
