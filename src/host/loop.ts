import { PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import type { BlockDevice } from "./block_device.ts";
import { readBlockDevice } from "./block_device.ts";
import { filePath, type Host, readHostText, toolPathOf } from "./host.ts";

const RELEASE_TIMEOUT_MS = 10_000;

/** A file by what it is and not by what it is called: the same in every mount namespace. */
export interface FileIdentity {
  /** `major:minor` of the file system that holds it. */
  majorMinor: string;
  inode: number;
}

/** An image file that can be attached. */
export interface Image extends FileIdentity {
  path: string;
  sizeBytes: number;
}

/** A loop device and the file behind it. */
export interface LoopDevice extends FileIdentity {
  /** `loop3` */
  name: string;
  /**
   * The file's path, as the kernel knows it; a file that was removed has ` (deleted)` at the end.
   */
  backingFile: string;
}

/** st_dev in the kernel's 32+32 bit form → `major:minor` (makedev(3)). */
export function majorMinorOf(device: number): string {
  const wide = BigInt(device);
  const major = ((wide >> 8n) & 0xfffn) | ((wide >> 32n) & ~0xfffn);
  const minor = (wide & 0xffn) | ((wide >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

/**
 * The image behind a path, links followed. `undefined` when there is none; `unavailable` when it is
 * not a file or cannot be read.
 */
export async function readImage(host: Host, path: string): Promise<Image | undefined> {
  try {
    const real = await Deno.realPath(filePath(host, path));
    const stat = await Deno.stat(real);
    if (!stat.isFile || stat.ino === null) {
      throw new PsoError("unavailable", `image ${path} is not a file`);
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
    throw new PsoError("unavailable", `image ${path} cannot be looked at: ${String(error)}`, {
      cause: error,
    });
  }
}

interface LosetupRow {
  name?: unknown;
  "back-file"?: unknown;
  "back-ino"?: unknown;
  "back-maj:min"?: unknown;
}

/**
 * The output of `losetup --list --json` (losetup(8)); nothing at all when no device is attached.
 */
export function parseLosetup(text: string): LoopDevice[] {
  if (text.trim() === "") return [];
  const rows: LosetupRow[] = JSON.parse(text).loopdevices ?? [];
  return rows.map((row) => ({
    name: String(row.name).replace("/dev/", ""),
    backingFile: String(row["back-file"] ?? ""),
    inode: Number(row["back-ino"]),
    majorMinor: String(row["back-maj:min"] ?? "").trim(),
  }));
}

/** All attached loop devices. */
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
      `losetup --list printed what is no JSON: ${stdout.slice(0, 200)}`,
      { cause: error },
    );
  }
}

/** True when this loop device shows this very file. */
export function shows(loop: LoopDevice, image: FileIdentity): boolean {
  return loop.inode === image.inode && loop.majorMinor === image.majorMinor;
}

/**
 * Attaches an image as a loop device and proves by the list that it is this very file. Not safe to
 * repeat: callers look for a device that shows it first. Buffered I/O (losetup's default), as
 * direct I/O needs the sector size of the file system below.
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
      `losetup gave ${name} for ${image.path}, but that device shows ${
        made?.backingFile ?? "nothing"
      }`,
    );
  }
  return await readBlockDevice(host, name);
}

/** Lets a loop device take the size that its file has now (losetup -c). Safe to repeat. */
export async function growLoop(host: Host, name: string, signal?: AbortSignal): Promise<void> {
  await host.run("losetup", ["--set-capacity", `/dev/${name}`], { signal });
}

/**
 * The backing file of a loop device from sysfs, as the tools know it; `undefined` when nothing is
 * attached there.
 */
export async function backingFileOf(host: Host, name: string): Promise<string | undefined> {
  const file = await readHostText(host, `/sys/block/${name}/loop/backing_file`);
  return file === undefined ? undefined : toolPathOf(host, file);
}

/**
 * Detaches a loop device and proves that it is gone. Only call it for a device that nothing mounts:
 * the kernel would detach it at the last close and say "done" at once. Already detached, or
 * attached to another file by now, is success. `in_use` when something keeps it open beyond 10 s.
 */
export async function detachLoop(
  host: Host,
  loop: { name: string; backingFile: string },
  signal?: AbortSignal,
): Promise<void> {
  const isGone = async () => (await backingFileOf(host, loop.name)) !== loop.backingFile;
  if (await isGone()) return;
  // 1: no such device; somebody else was faster. Sysfs decides.
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
      `loop device /dev/${loop.name} (${loop.backingFile}) is not let go: a process has it open`,
      {
        cause: error,
      },
    );
  }
}

/** True for the name of a loop device. */
export function isLoopName(name: string): boolean {
  return /^loop\d+$/.test(name);
}
