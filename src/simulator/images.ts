import { messageOf, PsoError } from "../errors.ts";
import type { Run } from "../run.ts";
import { ImageSharing } from "./space/image_sharing.ts";

/** A copy of a large image that is really full takes time; more than this is a hung file system. */
const COPY_TIMEOUT_MS = 10 * 60_000;
/**
 * Sums over many images are measured again when this many times the cost of the last measurement
 * has passed: at most 5 % of the time.
 */
const REMEASURE_FACTOR = 20;
/** So few images are measured at each look, however slow the machine is. */
const FEW_IMAGES = 32;

/** Stored bytes of every image, when that was measured, and how long it took. */
interface Measurement {
  bytes: Map<string, number>;
  atMs: number;
  costMs: number;
}

/**
 * What the volumes, file systems and snapshots of one array hold: `<root>/images/<id>`, a sparse
 * file of the provisioned size. Every data plane serves these. Every method is safe to repeat.
 */
export class Images {
  /** The array's folder in the plane's. */
  readonly root: string;
  /** What copies have in common with what they were made from. */
  readonly sharing = new ImageSharing((id) => this.imagePath(id));
  readonly #run: Run;
  #measured: Measurement | undefined;

  constructor(root: string, run: Run) {
    this.root = root;
    this.#run = run;
    Deno.mkdirSync(`${root}/images`, { recursive: true });
  }

  imagePath(id: string): string {
    return `${this.root}/images/${id}`;
  }

  /**
   * Makes an image of zeroes, `sizeBytes` long and without a block of its own. PsoError `exhausted`
   * when this host's file system refuses the size.
   */
  createImage(id: string, sizeBytes: number): void {
    Deno.openSync(this.imagePath(id), { create: true, write: true, truncate: true }).close();
    this.sizeImage(id, sizeBytes);
  }

  /**
   * Makes the image larger or smaller; what is beyond a smaller size is gone. `exhausted` as
   * createImage().
   */
  sizeImage(id: string, sizeBytes: number): void {
    const path = this.imagePath(id);
    try {
      Deno.truncateSync(path, sizeBytes);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw error;
      throw new PsoError(
        "exhausted",
        `image ${path} cannot be ${sizeBytes} bytes long: ${
          messageOf(error)
        }; the data plane is bound by this host's file system`,
        { cause: error },
      );
    }
  }

  /**
   * Copies all bytes of `from` as they are now; holes stay holes. The copy appears whole or not at
   * all.
   */
  async copyImage(from: string, to: string): Promise<void> {
    const fresh = `${this.imagePath(to)}.new`;
    const mtimeMs = this.sharing.mtimeMs(from);
    await this.#copy(this.imagePath(from), fresh);
    Deno.renameSync(fresh, this.imagePath(to));
    this.sharing.copied(from, to, mtimeMs);
  }

  /**
   * Replaces the bytes and the size of `to` by those of `from`, in place: hosts that have `to`
   * attached keep it.
   */
  async overwriteImage(from: string, to: string): Promise<void> {
    const mtimeMs = this.sharing.mtimeMs(from);
    await this.#copy(this.imagePath(from), this.imagePath(to));
    this.sharing.copied(from, to, mtimeMs);
  }

  /** Takes an image of another array in: one file for both, so that either has the same bytes. */
  shareImage(id: string, from: Images): void {
    try {
      Deno.linkSync(from.imagePath(id), this.imagePath(id));
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }

  removeImage(id: string): void {
    this.sharing.forget(id);
    removeIfThere(this.imagePath(id));
  }

  /**
   * Bytes that the image really occupies. 0 for an image that was never written, and for one that
   * is not there.
   */
  allocatedBytes(id: string): number {
    return blocksOf(this.imagePath(id));
  }

  /**
   * allocatedBytes() of every image; up to a moment old when there are many (see REMEASURE_FACTOR).
   */
  allocated(): ReadonlyMap<string, number> {
    const now = performance.now();
    const last = this.#measured;
    const isMany = last !== undefined && last.bytes.size > FEW_IMAGES;
    if (isMany && now - last.atMs < REMEASURE_FACTOR * last.costMs) return last.bytes;
    const bytes = new Map<string, number>();
    for (const { name } of Deno.readDirSync(`${this.root}/images`)) {
      bytes.set(name, blocksOf(this.imagePath(name)));
    }
    this.#measured = { bytes, atMs: performance.now(), costMs: performance.now() - now };
    return bytes;
  }

  /** Forgets the last sums: for callers that have just made or removed much. */
  remeasure(): void {
    this.#measured = undefined;
  }

  /**
   * Removes images of objects that the stored state does not know, which a crash between image and
   * state leaves. PsoError `unavailable` when an image is missing: making an empty one would hide
   * lost data.
   */
  keepOnly(wanted: Iterable<string>): void {
    const ids = new Set(wanted);
    const present = new Set([...Deno.readDirSync(`${this.root}/images`)].map(({ name }) => name));
    for (const name of present) if (!ids.has(name)) removeIfThere(`${this.root}/images/${name}`);
    for (const id of ids) {
      if (!present.has(id)) {
        throw new PsoError(
          "unavailable",
          `image ${
            this.imagePath(id)
          } is missing, although the simulator's state knows it; restore it, or remove the state ` +
            "folder",
        );
      }
    }
    this.remeasure();
  }

  async #copy(from: string, to: string): Promise<void> {
    await this.#run("cp", ["--sparse=always", "--reflink=auto", from, to], {
      timeoutMs: COPY_TIMEOUT_MS,
    });
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

/** Removes a file, a link or an empty folder; one that is gone is right. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
