import { AnswerTooLargeError, type HttpRequest, TransportError } from "../../net/https.ts";
import type { Permit } from "./limiter.ts";
import { RestError } from "./refusals.ts";
import { asksToComeAgain } from "./unanswered.ts";

/**
 * Repetitions after trouble that need not end (429 and 503 are repeated until the deadline
 * instead).
 */
const TROUBLE_REPEATS = 2;

/** How one attempt failed, of how many. */
interface FailedAttempt {
  error: unknown;
  /** 0 for the first. */
  attempt: number;
}

/** Tells the limiter whether the array, by the status of an answer, can bear more calls at once. */
export function tellLimiter(permit: Permit, status: number): void {
  if (status === 429 || status === 503) permit.slow();
  else if (status < 500) permit.ok();
}

/** Whether a call may be sent again although its last attempt failed so. */
export function mayRepeat(
  method: HttpRequest["method"],
  { error, attempt }: FailedAttempt,
): boolean {
  // 429: the array did nothing. 503: it is busy or fails over, and may have done it. All our
  // changes may be repeated, because "exists" and "gone" are answers to us.
  if (error instanceof RestError && asksToComeAgain(error)) return true;
  if (attempt >= TROUBLE_REPEATS) return false;
  const isRead = method === "GET";
  if (error instanceof AnswerTooLargeError) return false;
  if (error instanceof RestError) return isRead && (error.status === 502 || error.status === 504);
  if (error instanceof TransportError && error.code === "unavailable") return isRead || !error.sent;
  return false;
}

/** First wait before a repetition; doubled each time, half of it random. */
const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 5_000;

/**
 * Milliseconds to wait after that attempt failed. What the array asks for by `Retry-After` is kept,
 * and a part that is random comes on top, so that all who were told the same do not come at once.
 */
export function waitBeforeRepeat(error: unknown, attempt: number): number {
  const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** attempt) *
    (0.5 + Math.random() / 2);
  const askedMs = error instanceof RestError ? error.retryAfterMs ?? 0 : 0;
  return askedMs > 0 ? askedMs + backoffMs : backoffMs;
}
