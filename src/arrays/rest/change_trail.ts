import { isNeverFinal, isPsoError, PsoError } from "../../errors.ts";
import { FencedError } from "../../async/fence.ts";
import { TransportError } from "../../net/https.ts";
import { NothingMadeError } from "../array.ts";
import { isRefusal, provesNothingMade, RestError, unclearRefusal } from "./refusals.ts";

/**
 * What an array may have done of one change, over all attempts of it. One attempt without a clear
 * answer is enough: whatever a later one is told proves nothing about the first.
 */
export class ChangeTrail {
  #mayBeDone = false;
  #isAnswered = false;

  /** An attempt begins, with the session and the version that it needs. */
  begin(): void {
    this.#isAnswered = false;
  }

  /** The request was handed to the network, and no answer came. */
  lost(error: unknown): void {
    const isKnown = error instanceof TransportError || error instanceof FencedError;
    if (!isKnown || error.sent) this.#mayBeDone = true;
  }

  /** The array answered with success. */
  done(): void {
    this.#mayBeDone = true;
  }

  /** The array answered with a refusal, or a gateway before it did. */
  refused({ status, isOwn }: RestError): void {
    this.#isAnswered = true;
    // 429: too many calls; whoever says that has not carried the call out.
    if (status !== 429 && (status >= 500 || !isOwn)) this.#mayBeDone = true;
  }

  /**
   * The error to throw for one that ended the attempts of a change: `unavailable` in place of a
   * final code when what one of them did is not known.
   */
  settled(error: unknown): unknown {
    const isFinal = isPsoError(error) && !isNeverFinal(error);
    return this.#mayBeDone && isFinal ? unclear(error) : error;
  }

  /**
   * As `settled`, of a create: NothingMadeError if the error proves that nothing was made,
   * `unavailable` if it looks like a proof and is none: a proxy said it, or an earlier attempt is
   * unclear. That this process may not change arrays proves nothing about any of them.
   */
  judged(error: unknown): unknown {
    if (!isPsoError(error) || error instanceof FencedError) return error;
    if (this.#mayBeDone) return provesNothingMade(error) ? unclear(error) : this.settled(error);
    if (this.#isAnswered && !provesNothingMade(error)) return error;
    const isOfThisVolume = error.code === "exhausted" && !isRefusal(error, "limit");
    return new NothingMadeError(error, { isOfThisVolume });
  }
}

function unclear(error: PsoError): PsoError {
  if (error instanceof RestError) return unclearRefusal(error);
  const message = `${error.message}; it may have been carried out all the same`;
  return new PsoError("unavailable", message, { cause: error });
}
