import { FencedError } from "../../async/fence.ts";
import { abortError } from "../../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { RestError } from "./refusals.ts";

/** How the attempts of one call ended. */
interface CallEnd {
  /** What messages call the array. */
  array: string;
  error: unknown;
  /** What the attempt before was told; undefined when there was none. */
  last: unknown;
  /** Of the caller. */
  signal: AbortSignal;
}

/** Whether the array only asks to come again, because it is busy: that says nothing of the call. */
export function asksToComeAgain({ status }: RestError): boolean {
  return status === 429 || status === 503;
}

/**
 * The error that a call ends with. One that a deadline ended, the caller's or that of one answer, is
 * `unavailable`: the array is what did not answer in time, and the caller is told which one, and
 * what it said before. A clear answer stays, also when it came at the last moment.
 */
export function endOf(
  { method, path }: { method: string; path: string },
  { array, error, last, signal }: CallEnd,
): unknown {
  const isOver = signal.aborted && abortError(signal).code === "timeout";
  const isClear = error instanceof FencedError ||
    (error instanceof RestError && !asksToComeAgain(error));
  if (!isPsoError(error, "timeout") && (!isOver || isClear)) return error;
  const said = [error, last].find((one) => one instanceof RestError);
  const why = isPsoError(error, "timeout") ? error : abortError(signal);
  return new PsoError(
    "unavailable",
    `array ${array} gave no ${said ? "good " : ""}answer to ${method} ${path}: ${messageOf(why)}` +
      (said ? `; it said: ${said.message}` : ""),
    { cause: said ?? error },
  );
}

/** A create that may not be sent yet: who looked for its object before looked too early. */
export function unsettledError(array: string): FencedError {
  return new FencedError(
    `array ${array} may still carry out creates of a controller that led before; try again`,
    { sent: false },
  );
}
