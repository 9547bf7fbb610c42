import { statfsSync } from "node:fs";
import { isPsoError } from "../errors.ts";
import type { Run } from "../run.ts";
import { MiB, TiB } from "../size.ts";
import type { Images } from "./images.ts";

interface FindmntTree {
  filesystems?: { target: string; children?: FindmntTree["filesystems"] }[];
}

/** umount(8): not mounted or no such mount point; and one of several was not. */
const UMOUNT_FAILED = 32;

/** Below this mkfs.xfs makes none with a log of LOG_BYTES. */
const MIN_IMAGE_BYTES = 20 * MiB;
const LOG_BYTES = 4 * MiB;

/**
 * Length of the image of a file system of `sizeBytes`: log, headers and the blocks that XFS keeps
 * in reserve (a twentieth, at most 8,192 blocks) come on top, so that `df` shows at least what was
 * provisioned and not much more.
 */
function imageBytes(sizeBytes: number): number {
  const bytes = sizeBytes + LOG_BYTES + 2 * MiB + Math.min(Math.ceil(sizeBytes / 20), 32 * MiB) +
    Math.ceil(sizeBytes / 1024);
  return Math.max(MIN_IMAGE_BYTES, Math.ceil(bytes / MiB) * MiB);
}

/**
 * File systems of a simulated FlashBlade: sparse images that this host mounts at `fs/<id>`, so that
 * ENOSPC, statfs and growth are real. XFS, because it alone grows while mounted without
 * CAP_SYS_RESOURCE, which containers lack (ext4's resize ioctl wants it); `--unsupported` is for
 * sizes below 300 MiB and a small log. Methods are safe to repeat; calls for one id must not
 * overlap; the mounts outlive a killed simulator and are found again by reconcile(). Nodes mount the
 * loop device themselves, and may hold it longer than we: an image never gets a second one, because
 * two would be two file systems that write over each other.
 */
export class FileSystemImages {
  readonly #images: Images;
  readonly #run: Run;
  /** What is mounted now, read from the host by reconcile(). */
  readonly #mounted = new Set<string>();
  constructor(images: Images, run: Run) {
    this.#images = images;
    this.#run = run;
    Deno.mkdirSync(`${images.root}/fs`, { recursive: true });
  }

  mountPath(id: string): string {
    return `${this.#images.root}/fs/${id}`;
  }

  /**
   * Makes an empty file system of `sizeBytes` and mounts it. `exhausted` when this host's file
   * system refuses the size.
   */
  async create(id: string, sizeBytes: number): Promise<void> {
    const bytes = imageBytes(sizeBytes);
    this.#images.createImage(id, bytes);
    // One allocation group where it can be (1 TiB at most): growth adds more of the first one's
    // size. No reflink and reverse map: they reserve room. No large counters of extents: with them
    // xfsprogs 6.13 wants a log that is four times as large.
    const groups = bytes < TiB ? ["-d", "agcount=1"] : [];
    const features = [
      "-m",
      "crc=1,reflink=0,rmapbt=0,finobt=0",
      "-i",
      "sparse=0,nrext64=0",
      "-l",
      `size=${LOG_BYTES}`,
    ];
    await this.#run("mkfs.xfs", [
      "--unsupported",
      "-q",
      "-f",
      "-K",
      ...groups,
      ...features,
      this.#images.imagePath(id),
    ]);
    await this.mount(id);
  }

  /** Mounts the image where it is not mounted yet, by the loop device that it has or by a new one. */
  async mount(id: string): Promise<void> {
    if (this.#mounted.has(id)) return;
    const path = this.mountPath(id);
    Deno.mkdirSync(path, { recursive: true });
    const [attached] = await this.#loopDevices(id);
    const device = attached ?? await this.#attach(this.#images.imagePath(id));
    try {
      // nouuid: a clone has the UUID of its source. allocsize: what XFS allocates ahead of a
      // growing file would count as stored.
      await this.#run("mount", [
        "-t",
        "xfs",
        "-o",
        "nosuid,nodev,nouuid,discard,allocsize=64k",
        device,
        path,
      ]);
    } finally {
      // Detaches now if nothing is mounted from it, else with the last mount, which nodes may hold
      // longer than we.
      await this.#run("losetup", ["-d", device]);
    }
    this.#mounted.add(id);
  }

  /**
   * Grows image, loop device and file system, while mounted. A size that it has already, or a
   * smaller one, changes nothing.
   */
  async grow(id: string, sizeBytes: number): Promise<void> {
    const bytes = imageBytes(sizeBytes);
    const { bsize, blocks } = statfsSync(this.mountPath(id));
    if (bsize * blocks >= bytes - LOG_BYTES - MiB) return;
    if (Deno.statSync(this.#images.imagePath(id)).size < bytes) this.#images.sizeImage(id, bytes);
    for (const device of await this.#loopDevices(id)) await this.#run("losetup", ["-c", device]);
    await this.#run("xfs_growfs", [this.mountPath(id)]);
  }

  /**
   * Copies the file system's bytes of one instant to a new image (a snapshot), which is not
   * mounted. Writers are held meanwhile.
   */
  async snapshot(id: string, snapshotId: string): Promise<void> {
    const path = this.mountPath(id);
    await this.#run("fsfreeze", ["-f", path]);
    try {
      await this.#images.copyImage(id, snapshotId);
    } finally {
      await this.#run("fsfreeze", ["-u", path]);
    }
  }

  /** Makes a new, mounted file system from an unmounted image (a snapshot). */
  async clone(snapshotId: string, id: string): Promise<void> {
    await this.#images.copyImage(snapshotId, id);
    await this.mount(id);
  }

  /**
   * Puts the files of a snapshot in the place of those of a file system, under the mounts that
   * clients hold.
   */
  async restore(snapshotId: string, id: string): Promise<void> {
    const aside = this.mountPath(`${snapshotId}.restore`);
    const path = this.mountPath(id);
    Deno.mkdirSync(aside, { recursive: true });
    // norecovery: a frozen XFS is whole on disk, but marks its log, which a read-only mount could
    // not clear.
    await this.#run("mount", [
      "-t",
      "xfs",
      "-o",
      "loop,nosuid,nodev,nouuid,ro,norecovery",
      this.#images.imagePath(snapshotId),
      aside,
    ]);
    try {
      for (const { name } of [...Deno.readDirSync(path)]) {
        await Deno.remove(`${path}/${name}`, { recursive: true });
      }
      await this.#run("cp", ["--archive", "--sparse=always", `${aside}/.`, path], {
        timeoutMs: 10 * 60_000,
      });
    } finally {
      await this.#umount(aside);
      Deno.removeSync(aside);
    }
  }

  /** Takes the mount away; its loop device goes with the last user. The image stays. */
  async unmount(id: string): Promise<void> {
    if (!this.#mounted.has(id)) return;
    await this.#umount(this.mountPath(id));
    this.#mounted.delete(id);
    Deno.removeSync(this.mountPath(id));
  }

  /** Unmounts and removes the image. */
  async remove(id: string): Promise<void> {
    await this.unmount(id);
    this.#images.removeImage(id);
  }

  /**
   * Bytes in use inside the mounted file system as `df` counts them, XFS's own included; 0 when it
   * is not mounted.
   */
  usedBytes(id: string): number {
    if (!this.#mounted.has(id)) return 0;
    const { bsize, blocks, bfree } = statfsSync(this.mountPath(id));
    return bsize * (blocks - bfree);
  }

  /**
   * After a start: mounts what should be mounted, thaws what a crash left frozen, unmounts what the
   * state does not know.
   */
  async reconcile(ids: Iterable<string>): Promise<void> {
    const wanted = new Set(ids);
    for (const id of await this.#found()) {
      this.#mounted.add(id);
      if (!wanted.has(id)) await this.unmount(id);
    }
    for (const id of await this.#attachedOnly()) await this.#run("losetup", ["-d", id]);
    for (const { name } of [...Deno.readDirSync(`${this.#images.root}/fs`)]) {
      if (!this.#mounted.has(name)) Deno.removeSync(`${this.#images.root}/fs/${name}`);
    }
    for (const id of wanted) {
      await this.mount(id);
      // What nodes hold may be frozen, too, although our own mount is new.
      await this.#run("fsfreeze", ["-u", this.mountPath(id)], { okCodes: [0, 1] });
    }
  }

  /** Unmounts everything of this array, at the end of the simulator. */
  async stop(): Promise<void> {
    for (const id of [...this.#mounted]) await this.unmount(id);
  }

  /** Ids of the file systems of this array that the host has mounted. */
  async #found(): Promise<Set<string>> {
    const folder = `${Deno.realPathSync(`${this.#images.root}/fs`)}/`;
    const { stdout } = await this.#run("findmnt", ["-J", "-o", "TARGET", "-t", "xfs"], {
      okCodes: [0, 1],
    });
    // findmnt -J, util-linux
    const tree: FindmntTree = stdout.trim() === "" ? {} : JSON.parse(stdout);
    const targets = (tree.filesystems ?? []).flatMap(function flat(entry): string[] {
      return [entry.target, ...(entry.children ?? []).flatMap(flat)];
    });
    return new Set(
      targets.filter((target) => target.startsWith(folder)).map((target) =>
        target.slice(folder.length)
      ),
    );
  }

  /**
   * A loop device that serves the image and takes writes: one keeps the mark of `blockdev --setro`
   * when it is detached, and would mount the next image read-only without a word.
   */
  async #attach(image: string): Promise<string> {
    const device = (await this.#run("losetup", ["--find", "--show", image])).stdout.trim();
    try {
      await this.#run("blockdev", ["--setrw", device]);
      return device;
    } catch (error) {
      await this.#run("losetup", ["-d", device]);
      throw error;
    }
  }

  async #umount(path: string): Promise<void> {
    try {
      await this.#run("umount", [path]);
    } catch (error) {
      if (!isPsoError(error, "unavailable")) throw error;
      // A process on this host works inside: an array takes a file system away from its clients all
      // the same.
      await this.#run("umount", ["-l", path], { okCodes: [0, UMOUNT_FAILED] });
    }
  }

  /** Loop devices that a crash left between attaching an image and mounting it. */
  async #attachedOnly(): Promise<string[]> {
    const folder = `${Deno.realPathSync(`${this.#images.root}/images`)}/`;
    const { stdout } = await this.#run("losetup", ["-n", "-l", "-O", "NAME,AUTOCLEAR,BACK-FILE"]);
    const rows = stdout.split("\n").map((line) => /^(\S+)\s+(\d)\s+(.*)$/.exec(line.trim()));
    return rows.flatMap((row) =>
      row !== null && row[2] === "0" && (row[3] ?? "").startsWith(folder) ? [row[1] ?? ""] : []
    );
  }

  async #loopDevices(id: string): Promise<string[]> {
    const { stdout } = await this.#run("losetup", [
      "-n",
      "-O",
      "NAME",
      "-j",
      this.#images.imagePath(id),
    ]);
    return stdout.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  }
}
