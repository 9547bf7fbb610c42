import { messageOf, PsoError } from "../errors.ts";
import type { Run } from "../run.ts";

/** A copy of a large image that is really full takes time; more than this is a hung file system. */
const COPY_TIMEOUT_MS = 10 * 60_000;
/** Sums over all images are measured again when this many times the cost of the last measurement has passed: at most 5 % of the time. */
const REMEASURE_FACTOR = 20;

/** Where one host reaches one volume: `hosts/<host>/<name>`. */
export interface PlaneLink {
  /** Host object's name (block) or client address, or `any` (file). */
  host: string;
  /** LUN number (block) or name of the file system (file). */
  name: string;
  /** Id of the volume or file system. */
  id: string;
}

/**
 * The local data plane of one array, a folder that nodes on this machine are given by --local-plane:
 *
 *     DIR/<array>/images/<id>            sparse image of a volume, a file system or a snapshot, of the provisioned size
 *     DIR/<array>/hosts/<host>/<lun>     block: link to the image, there exactly while host and volume are connected
 *     DIR/<array>/fs/<id>                file: where the simulator mounts the image of a file system (file_system_images.ts)
 *     DIR/<array>/hosts/<client>/<name>  file: link to that folder for each NFS rule with an IP address as client, and below
 *                                        `any` for the rule `*`. A node looks at its own data address first, then at `any`.
 *
 * Links are relative, so that they hold wherever DIR is bind-mounted. Every method is safe to repeat.
 */
export class LocalPlane {
  /** DIR/<array>. */
  readonly root: string;
  readonly #run: Run;
  #measured: { bytes: Map<string, number>; atMs: number; costMs: number } | undefined;

  constructor(root: string, options: { array: string; run: Run }) {
    this.root = `${root}/${options.array}`;
    this.#run = options.run;
    for (const folder of ["images", "hosts", "fs"]) Deno.mkdirSync(`${this.root}/${folder}`, { recursive: true });
  }

  imagePath(id: string): string {
    return `${this.root}/images/${id}`;
  }

  /**
   * Makes an image of zeroes, `sizeBytes` long and without a block of its own. PsoError `exhausted` when this host's file system
   * refuses the size.
   */
  createImage(id: string, sizeBytes: number): void {
    Deno.openSync(this.imagePath(id), { create: true, write: true, truncate: true }).close();
    this.sizeImage(id, sizeBytes);
  }

  /** Makes the image larger or smaller; what is beyond a smaller size is gone. `exhausted` as createImage(). */
  sizeImage(id: string, sizeBytes: number): void {
    const path = this.imagePath(id);
    try {
      Deno.truncateSync(path, sizeBytes);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw error;
      throw new PsoError(
        "exhausted",
        `image ${path} cannot be ${sizeBytes} bytes long: ${messageOf(error)}; the local data plane is bound by this host's file system`,
        { cause: error },
      );
    }
  }

  /** Copies all bytes of `from` as they are now; holes stay holes. The copy appears whole or not at all. */
  async copyImage(from: string, to: string): Promise<void> {
    const fresh = `${this.imagePath(to)}.new`;
    await this.#copy(this.imagePath(from), fresh);
    Deno.renameSync(fresh, this.imagePath(to));
  }

  /** Replaces the bytes and the size of `to` by those of `from`, in place: hosts that have `to` attached keep it. */
  async overwriteImage(from: string, to: string): Promise<void> {
    await this.#copy(this.imagePath(from), this.imagePath(to));
  }

  removeImage(id: string): void {
    removeIfThere(this.imagePath(id));
  }

  /** Bytes that the image really occupies. 0 for an image that was never written, and for one that is not there. */
  allocatedBytes(id: string): number {
    return blocksOf(this.imagePath(id));
  }

  /** allocatedBytes() of every image; up to a moment old when there are many (see REMEASURE_FACTOR). */
  allocated(): ReadonlyMap<string, number> {
    const now = performance.now();
    const last = this.#measured;
    if (last !== undefined && now - last.atMs < REMEASURE_FACTOR * last.costMs) return last.bytes;
    const bytes = new Map<string, number>();
    for (const { name } of Deno.readDirSync(`${this.root}/images`)) bytes.set(name, blocksOf(this.imagePath(name)));
    this.#measured = { bytes, atMs: performance.now(), costMs: performance.now() - now };
    return bytes;
  }

  /** Forgets the last sums: for callers that have just made or removed much. */
  remeasure(): void {
    this.#measured = undefined;
  }

  /** Connects a host to the image of a block volume. */
  linkImage(link: PlaneLink): void {
    this.#link(link, "images");
  }

  /** Exports the mounted folder of a file system to a client. */
  linkFileSystem(link: PlaneLink): void {
    this.#link(link, "fs");
  }

  unlink(host: string, name: string): void {
    removeIfThere(`${this.root}/hosts/${host}/${name}`);
    try {
      Deno.removeSync(`${this.root}/hosts/${host}`);
    } catch {
      // Not empty, or gone already: other connections of this host remain.
    }
  }

  /** The links that exist now. */
  links(): PlaneLink[] {
    const found: PlaneLink[] = [];
    for (const { name: host } of Deno.readDirSync(`${this.root}/hosts`)) {
      for (const { name } of Deno.readDirSync(`${this.root}/hosts/${host}`)) {
        const target = Deno.readLinkSync(`${this.root}/hosts/${host}/${name}`);
        found.push({ host, name, id: target.slice(target.lastIndexOf("/") + 1) });
      }
    }
    return found;
  }

  /**
   * Brings images and links in line with the stored state after a start: images of objects that the state does not know are removed
   * (a crash between image and state), links are made and removed. PsoError `unavailable` when an image is missing: making an empty
   * one would hide lost data.
   */
  reconcile(wanted: { ids: Iterable<string>; links: PlaneLink[]; linkTo: "images" | "fs" }): void {
    const ids = new Set(wanted.ids);
    const present = new Set([...Deno.readDirSync(`${this.root}/images`)].map(({ name }) => name));
    for (const name of present) if (!ids.has(name)) removeIfThere(`${this.root}/images/${name}`);
    for (const id of ids) {
      if (!present.has(id)) {
        throw new PsoError(
          "unavailable",
          `image ${this.imagePath(id)} is missing, although the simulator's state knows it; restore it or remove the state folder`,
        );
      }
    }
    const key = (link: PlaneLink) => `${link.host}/${link.name}/${link.id}`;
    const keep = new Set(wanted.links.map(key));
    const existing = this.links();
    for (const link of existing) if (!keep.has(key(link))) this.unlink(link.host, link.name);
    for (const link of wanted.links) this.#link(link, wanted.linkTo);
    this.remeasure();
  }

  #link(link: PlaneLink, folder: "images" | "fs"): void {
    Deno.mkdirSync(`${this.root}/hosts/${link.host}`, { recursive: true });
    const path = `${this.root}/hosts/${link.host}/${link.name}`;
    removeIfThere(path);
    Deno.symlinkSync(`../../${folder}/${link.id}`, path);
  }

  async #copy(from: string, to: string): Promise<void> {
    await this.#run("cp", ["--sparse=always", "--reflink=auto", from, to], { timeoutMs: COPY_TIMEOUT_MS });
  }
}

function blocksOf(path: string): number {
  try {
    return (Deno.statSync(path).blocks ?? 0) * 512;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
