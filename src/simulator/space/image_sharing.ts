import { Buffer } from "node:buffer";

/** Arrays reduce data in pieces; the smallest that is compared. */
const BLOCK = 4096;
const CHUNK = 1024 * 1024;
/**
 * So many bytes of images are read for one look at all sums: more would hold up the calls. What is
 * left counts as it was known before and with what it has grown by since, else whole.
 */
const READ_AT_ONCE = 512 * CHUNK;
/** A look that read more than this is followed by a rest of so many times the time that it took. */
const CHEAP_BYTES = 64 * CHUNK;
const REST_FACTOR = 20;
const ZEROES = Buffer.alloc(CHUNK);

/** When the content of two images was compared, and how much of the first the second lacks. */
interface Comparison {
  mtimeMs: number;
  baseMtimeMs: number;
  bytes: number;
  /** What the first occupied then: what is not compared again costs what it has grown by. */
  allocated: number;
  /**
   * Compared again when that may be: an image had changed so shortly before that a change after the
   * comparison could bear the same time, or was compared as it was earlier.
   */
  isFresh: boolean;
}

/** Clocks of file systems tick this seldom at most. */
const TICK_MS = 20;

function isFresh(...mtimesMs: number[]): boolean {
  return mtimesMs.some((mtimeMs) => Date.now() - mtimeMs < TICK_MS);
}

/**
 * How much of one image is not in another: what a copy costs an array that stores equal data once.
 * A copy that was just made costs nothing; then as much as is overwritten on either side.
 */
export class ImageSharing {
  readonly #pathOf: (id: string) => string;
  /** By base, then by image. */
  readonly #known = new Map<string, Map<string, Comparison>>();
  /** By image. */
  readonly #basesOf = new Map<string, Set<string>>();
  #left = READ_AT_ONCE;
  #beganMs = -Infinity;
  #readMs = 0;
  #readBytes = 0;

  constructor(pathOf: (id: string) => string) {
    this.#pathOf = pathOf;
  }

  /** Begins a look at all sums: as much is read again as is allowed at once. */
  begin(): void {
    const now = performance.now();
    const isResting = this.#readBytes > CHEAP_BYTES &&
      now - this.#beganMs < REST_FACTOR * this.#readMs;
    this.#left = isResting ? 0 : READ_AT_ONCE;
    if (isResting) return;
    this.#beganMs = now;
    this.#readMs = 0;
    this.#readBytes = 0;
  }

  /** When the image last changed, to be taken before it is copied; NaN when it is not there. */
  mtimeMs(id: string): number {
    return statOf(this.#pathOf(id))?.mtimeMs ?? NaN;
  }

  /**
   * Notes that `to` was copied whole from `from`, which had last changed at `fromMtimeMs`. What is
   * known of other images against `from` holds against the copy too; where `from` has changed
   * since, until they can be compared.
   */
  copied(from: string, to: string, fromMtimeMs: number): void {
    const mtimeMs = this.mtimeMs(to);
    // Nobody writes to the copy before the call that made it is answered.
    const copy = {
      ...{ mtimeMs, baseMtimeMs: fromMtimeMs, bytes: 0 },
      allocated: statOf(this.#pathOf(to))?.allocated ?? 0,
      isFresh: isFresh(fromMtimeMs),
    };
    this.#note(to, from, copy);
    for (const [id, known] of this.#known.get(from) ?? []) {
      if (id === to) continue;
      const isDoubtful = known.isFresh || copy.isFresh || known.baseMtimeMs !== fromMtimeMs;
      this.#note(id, to, { ...known, baseMtimeMs: mtimeMs, isFresh: isDoubtful });
    }
  }

  forget(id: string): void {
    for (const held of this.#known.get(id)?.keys() ?? []) this.#basesOf.get(held)?.delete(id);
    for (const base of this.#basesOf.get(id) ?? []) this.#known.get(base)?.delete(id);
    this.#known.delete(id);
    this.#basesOf.delete(id);
  }

  /** Bytes of `id`, which occupies `allocated`, that `base` does not hold at the same place. */
  bytesNotIn(base: string, id: string, allocated: number): number {
    const [one, other] = [statOf(this.#pathOf(id)), statOf(this.#pathOf(base))];
    if (one === undefined || other === undefined) return allocated;
    const known = this.#known.get(base)?.get(id);
    const isSame = known?.mtimeMs === one.mtimeMs && known.baseMtimeMs === other.mtimeMs;
    if (isSame && !known.isFresh) return Math.min(known.bytes, allocated);
    if (one.size > this.#left) {
      const grown = Math.max(0, allocated - (known?.allocated ?? 0));
      return Math.min((known?.bytes ?? 0) + grown, allocated);
    }
    this.#left -= one.size;
    this.#readBytes += one.size;
    const began = performance.now();
    const fresh = isFresh(one.mtimeMs, other.mtimeMs);
    const bytes = differing(this.#pathOf(id), this.#pathOf(base));
    this.#readMs += performance.now() - began;
    this.#note(id, base, {
      mtimeMs: one.mtimeMs,
      baseMtimeMs: other.mtimeMs,
      ...{ allocated, bytes, isFresh: fresh },
    });
    return Math.min(bytes, allocated);
  }

  #note(id: string, base: string, comparison: Comparison): void {
    const images = this.#known.get(base) ?? new Map<string, Comparison>();
    images.set(id, comparison);
    this.#known.set(base, images);
    this.#basesOf.set(id, (this.#basesOf.get(id) ?? new Set()).add(base));
  }
}

interface ImageStat {
  mtimeMs: number;
  size: number;
  allocated: number;
}

function statOf(path: string): ImageStat | undefined {
  try {
    const { blocks, mtime, size } = Deno.statSync(path);
    return { mtimeMs: mtime?.getTime() ?? 0, size, allocated: (blocks ?? 0) * 512 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Bytes of the blocks of `path` that hold something and differ from those of `base`. */
function differing(path: string, base: string): number {
  using one = Deno.openSync(path);
  using other = Deno.openSync(base);
  const [left, right] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
  let bytes = 0;
  for (;;) {
    const length = readFull(one, left);
    if (length === 0) return bytes;
    right.fill(0, readFull(other, right));
    if (left.compare(right, 0, length, 0, length) === 0) continue;
    for (let at = 0; at < length; at += BLOCK) {
      const end = Math.min(at + BLOCK, length);
      const isEqual = left.compare(right, at, end, at, end) === 0;
      if (!isEqual && left.compare(ZEROES, at, end, at, end) !== 0) bytes += end - at;
    }
  }
}

function readFull(file: Deno.FsFile, into: Uint8Array): number {
  let filled = 0;
  while (filled < into.length) {
    const length = file.readSync(into.subarray(filled));
    if (length === null) break;
    filled += length;
  }
  return filled;
}
