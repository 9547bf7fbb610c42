import type { Images } from "../images.ts";

/** An image with its age. */
interface Aged {
  id: string;
  createdMs: number;
}

/** A volume or a file system, as far as its costs go. */
interface Costed extends Aged {
  /** What its bytes were copied from; absent: they are its own. */
  copiedFrom?: string;
  source: { id: string } | null;
}

/** What an array holds. */
interface Holdings {
  images: Images | undefined;
  owners: () => Iterable<Costed>;
  snapshotsOf: (ownerId: string) => Aged[];
}

const NOTHING: ReadonlyMap<string, number> = new Map();

/**
 * What each image costs an array that stores equal data once: a snapshot what its owner, or its
 * next younger snapshot, does not hold any more; a copy what it has and its source has not.
 */
export class ImageCosts {
  readonly #holdings: Holdings;
  #held: { of: ReadonlyMap<string, number>; bytes: ReadonlyMap<string, number> } | undefined;

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
  }

  /** Bytes by image; computed again when the images have been measured again. */
  get(): ReadonlyMap<string, number> {
    const allocated = this.#holdings.images?.allocated();
    if (allocated === undefined) return NOTHING;
    if (this.#held?.of !== allocated) {
      this.#held = { of: allocated, bytes: this.#compute(allocated) };
    }
    return this.#held.bytes;
  }

  #compute(allocated: ReadonlyMap<string, number>): Map<string, number> {
    const { owners, snapshotsOf, images } = this.#holdings;
    const bytes = new Map(allocated);
    const sharing = images?.sharing;
    sharing?.begin();
    const share = (id: string, base: string) => {
      const own = allocated.get(id) ?? 0;
      if (own > 0) bytes.set(id, sharing?.bytesNotIn(base, id, own) ?? own);
    };
    // A base must count itself before a copy can lean on it: copies of each other count once.
    const counted = new Set<string>();
    for (const { id, copiedFrom, source } of [...owners()].toSorted(byAge)) {
      // The snapshot that it was made from may be gone, and the volume of that still be there.
      const base = [copiedFrom, source?.id].find((one) => one !== undefined && counted.has(one));
      if (copiedFrom !== undefined && base !== undefined) share(id, base);
      counted.add(id);
      const line = snapshotsOf(id).toSorted(byAge);
      for (const [at, snapshot] of line.entries()) {
        share(snapshot.id, line[at + 1]?.id ?? id);
        counted.add(snapshot.id);
      }
    }
    return bytes;
  }
}

function byAge(one: Aged, other: Aged): number {
  return one.createdMs - other.createdMs;
}
