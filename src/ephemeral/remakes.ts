import { PsoError } from "../errors.ts";
import type { EphemeralVolume } from "./object.ts";

/** So often a volume is made at once: a node that cannot mount one gives it back and asks anew. */
const AT_ONCE = 3;
/** The first pause after that; each further one is twice as long, up to the longest. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 600_000;
/** Who asked for nothing so long begins anew. */
const FORGET_MS = 3 * LONGEST_PAUSE_MS;

/** How often a volume was made and destroyed. */
interface Past {
  times: number;
  /** When it was destroyed last. */
  atMs: number;
}

/**
 * How often volumes of pods were made and given back. A destroyed volume counts among those that an
 * array can have until it is eradicated, a day later: a node that asks for the same one again and
 * again would use up an array.
 */
export class Remakes {
  /** By the name of the object, which is of one volume of one pod; what ended last stands last. */
  readonly #past = new Map<string, Past>();
  readonly #nowMs: () => number;

  /** `nowMs` is a clock that never goes back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The volume is destroyed. */
  ended(name: string): void {
    const nowMs = this.#nowMs();
    const times = this.#timesOf(name) + 1;
    this.#past.delete(name);
    this.#past.set(name, { times, atMs: nowMs });
    for (const [old, { atMs }] of this.#past) {
      if (nowMs - atMs <= FORGET_MS) break;
      this.#past.delete(old);
    }
  }

  /** `unavailable` for one that was given back often and lately: it will be made later. */
  refuseTooSoon({ name, spec: { node, pod } }: EphemeralVolume): void {
    const times = this.#timesOf(name);
    if (times < AT_ONCE) return;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (times - AT_ONCE), LONGEST_PAUSE_MS);
    if (this.#nowMs() - (this.#past.get(name)?.atMs ?? 0) >= pauseMs) return;
    throw new PsoError(
      "unavailable",
      `node ${node} gave the volume of pod ${pod.namespace}/${pod.name} back ${times} times, and ` +
        `gets it anew ${pauseMs / 1000} s after the last time: see in the log of its node plugin ` +
        "why it does not keep the volume",
    );
  }

  #timesOf(name: string): number {
    const past = this.#past.get(name);
    return past && this.#nowMs() - past.atMs <= FORGET_MS ? past.times : 0;
  }
}
