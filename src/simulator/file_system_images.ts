import { isPsoError } from "../errors.ts";
import type { Run } from "../run.ts";
import type { LocalPlane } from "./plane.ts";

interface FindmntTree {
  filesystems?: { target: string; children?: FindmntTree["filesystems"] }[];
}

/** umount(8): not mounted or no such mount point; and one of several was not. */
const UMOUNT_FAILED = 32;

/**
 * File systems of a simulated FlashBlade on the local plane: sparse ext4 images that this host mounts at `fs/<id>`, so that ENOSPC,
 * statfs and growth are real. No journal: the state does not claim to survive a power loss, and a mount after SIGKILL is the
 * same mount. Methods are safe to repeat; the mounts outlive a killed simulator and are found again by reconcile().
 */
export class FileSystemImages {
  readonly #plane: LocalPlane;
  readonly #run: Run;
  constructor(plane: LocalPlane, run: Run) {
    this.#plane = plane;
    this.#run = run;
  }

  mountPath(id: string): string {
    return `${this.#plane.root}/fs/${id}`;
  }

  /** Makes an empty file system of `sizeBytes` and mounts it. `exhausted` when this host's file system refuses the size. */
  async create(id: string, sizeBytes: number): Promise<void> {
    this.#plane.createImage(id, sizeBytes);
    // One inode per 64 KiB and no reserve for root: almost all of the provisioned size is for files.
    const options = ["-q", "-F", "-m", "0", "-i", "65536", "-O", "^has_journal", "-E", "lazy_itable_init=1"];
    await this.#run("mkfs.ext4", [...options, this.#plane.imagePath(id)]);
    await this.mount(id);
    // What an NFS client of a FlashBlade would not see.
    await Deno.remove(`${this.mountPath(id)}/lost+found`, { recursive: true });
  }

  /** Mounts the image where nothing is mounted yet. */
  async mount(id: string): Promise<void> {
    const path = this.mountPath(id);
    Deno.mkdirSync(path, { recursive: true });
    if ((await this.mounted()).has(id)) return;
    await this.#run("mount", ["-t", "ext4", "-o", "loop,nosuid,nodev", this.#plane.imagePath(id), path]);
  }

  /** Grows image, loop device and file system, while mounted. A size that it has already is success. */
  async grow(id: string, sizeBytes: number): Promise<void> {
    const image = this.#plane.imagePath(id);
    this.#plane.sizeImage(id, sizeBytes);
    for (const device of await this.#loopDevices(id)) {
      await this.#run("losetup", ["-c", device]);
      await this.#run("resize2fs", [device]);
      return;
    }
    await this.#run("resize2fs", [image]);
  }

  /** Copies the file system's bytes of one instant to a new image (a snapshot), which is not mounted. */
  async snapshot(id: string, snapshotId: string): Promise<void> {
    const path = this.mountPath(id);
    if (!(await this.mounted()).has(id)) return await this.#plane.copyImage(id, snapshotId);
    await this.#run("fsfreeze", ["-f", path]);
    try {
      await this.#plane.copyImage(id, snapshotId);
    } finally {
      await this.#run("fsfreeze", ["-u", path]);
    }
  }

  /** Makes a new, mounted file system from an unmounted image (a snapshot). */
  async clone(snapshotId: string, id: string): Promise<void> {
    await this.#plane.copyImage(snapshotId, id);
    await this.mount(id);
  }

  /** Restores a snapshot over a file system, which is unmounted for it: clients that use it see stale files, as on an array. */
  async restore(snapshotId: string, id: string): Promise<void> {
    await this.unmount(id);
    await this.#plane.copyImage(snapshotId, id);
    await this.mount(id);
  }

  /** Takes the mount away; its loop device goes with the last user. The image stays. */
  async unmount(id: string): Promise<void> {
    const path = this.mountPath(id);
    if ((await this.mounted()).has(id)) await this.#umount(path);
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Unmounts and removes the image. */
  async remove(id: string): Promise<void> {
    await this.unmount(id);
    this.#plane.removeImage(id);
  }

  /** Bytes that files occupy, and bytes that they can: from the mounted file system; zeroes when it is not mounted. */
  usage(id: string): { usedBytes: number } {
    return { usedBytes: this.#plane.allocatedBytes(id) };
  }

  /** Ids of the file systems of this array that are mounted now. */
  async mounted(): Promise<Set<string>> {
    const folder = `${Deno.realPathSync(`${this.#plane.root}/fs`)}/`;
    const { stdout } = await this.#run("findmnt", ["-J", "-o", "TARGET", "-t", "ext4"], { okCodes: [0, 1] });
    const tree: FindmntTree = stdout.trim() === "" ? {} : JSON.parse(stdout); // findmnt -J, util-linux
    const targets = (tree.filesystems ?? []).flatMap(function flat(entry): string[] {
      return [entry.target, ...(entry.children ?? []).flatMap(flat)];
    });
    return new Set(targets.filter((target) => target.startsWith(folder)).map((target) => target.slice(folder.length)));
  }

  /** After a start: mounts what should be mounted, thaws what a crash left frozen, unmounts what the state does not know. */
  async reconcile(ids: Iterable<string>): Promise<void> {
    const wanted = new Set(ids);
    for (const id of await this.mounted()) {
      if (wanted.has(id)) await this.#run("fsfreeze", ["-u", this.mountPath(id)], { okCodes: [0, 1] });
      else await this.unmount(id);
    }
    for (const id of wanted) await this.mount(id);
  }

  /** Unmounts everything of this array, at the end of the simulator. */
  async stop(): Promise<void> {
    for (const id of await this.mounted()) await this.unmount(id);
  }

  async #umount(path: string): Promise<void> {
    try {
      await this.#run("umount", [path]);
    } catch (error) {
      if (!isPsoError(error, "unavailable")) throw error;
      // A process on this host works inside: an array takes a file system away from its clients all the same.
      await this.#run("umount", ["-l", path], { okCodes: [0, UMOUNT_FAILED] });
    }
  }

  async #loopDevices(id: string): Promise<string[]> {
    const { stdout } = await this.#run("losetup", ["-n", "-O", "NAME", "-j", this.#plane.imagePath(id)]);
    return stdout.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  }
}
