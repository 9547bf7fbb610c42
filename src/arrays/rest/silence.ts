import { PsoError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { SentCall } from "./access/session.ts";

/**
 * A caller that gave up before counts for nothing: it says more of the caller than of the array.
 * Callers that know the array to be unwell wait for less.
 */
const SILENT_AFTER_MS = 1_000;

/**
 * Whether an array answers at all. The first call whose time is over says that it does not, and the
 * first answer, whatever its status, that it does: no check need come between.
 */
export class Silence {
  readonly #array: { label: () => string; log: Logger };
  #error?: PsoError;

  constructor(array: { label: () => string; log: Logger }) {
    this.#array = array;
  }

  /** Why the array is taken for silent; absent when it is not. */
  get error(): PsoError | undefined {
    return this.#error;
  }

  /** To be told of every call once it has ended. */
  note({ method, path, status, ms, end }: SentCall): void {
    const { label, log } = this.#array;
    if (status > 0) {
      if (this.#error) log.info("array answers again", { array: label() });
      this.#error = undefined;
      return;
    }
    const isSilent = end === "timeout" || (end === "caller" && ms >= SILENT_AFTER_MS);
    if (!isSilent || this.#error) return;
    this.#error = new PsoError(
      "unavailable",
      `array ${label()} gave no answer to ${method} ${path} for ${
        Math.round(ms)
      } ms: look at the ` +
        "array and at the network before it",
    );
    log.warn("array does not answer", { array: label(), problem: this.#error.message });
  }
}
