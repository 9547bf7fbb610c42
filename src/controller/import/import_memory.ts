import { KeyedQueue } from "../../async/keyed_queue.ts";
import { BoundedMap } from "../bounded_map.ts";

/** Volumes that are remembered; only a FlashBlade, which has no tags, needs it. */
const MAX_REMEMBERED = 10_000;

/**
 * What this process took in. Where an array has no tags, this stands for them until Kubernetes has
 * the PersistentVolume; a restart forgets it.
 */
export class ImportMemory {
  /** One volume is judged and marked for one claim after another. */
  readonly turns = new KeyedQueue();
  readonly #marks = new BoundedMap<string, ReadonlyMap<string, string>>(MAX_REMEMBERED);

  /** What marksOf() gives from now on: the tags that an array would keep of the volume. */
  mark(volume: string, tags: Readonly<Record<string, string>>): void {
    this.#marks.set(volume, new Map(Object.entries(tags)));
  }

  /** The last marks of the volume; none when it was not taken in, or that is forgotten. */
  marksOf(volume: string): ReadonlyMap<string, string> {
    return this.#marks.get(volume) ?? new Map();
  }
}
