import { Slots } from "../../async/slots.ts";
import { isPsoError, PsoError } from "../../errors.ts";

/** How a round goes. */
interface RoundSetup {
  /** Who is asked, for messages: `nodes`. */
  whom: string;
  /** Questions that wait for their answers at one time. */
  atOnce: number;
  /** After so many that gave no answer in time nobody else is asked. */
  silentMax: number;
}

/**
 * Asks many, of whom many may be dead: so many at once, and nobody any more when too many were
 * silent, so that a round ends in minutes in a cluster of any size. The deadline of a question is
 * its own.
 */
export class Round {
  readonly #setup: RoundSetup;
  readonly #slots: Slots;
  #silent = 0;

  constructor(setup: RoundSetup) {
    this.#setup = setup;
    this.#slots = new Slots(setup.atOnce);
  }

  /** What `question` gives or throws; `unavailable` when it was not asked any more. */
  ask<T>(question: () => Promise<T>): Promise<T> {
    return this.#slots.run(async () => {
      const { whom, silentMax } = this.#setup;
      if (this.#silent >= silentMax) {
        throw new PsoError(
          "unavailable",
          `not asked, because ${silentMax} other ${whom} gave no answer in time`,
        );
      }
      try {
        return await question();
      } catch (error) {
        if (isPsoError(error, "timeout")) this.#silent++;
        throw error;
      }
    });
  }
}
