import { isPsoError, PsoError } from "../../errors.ts";
import { type ChangeFence, FencedError, NO_FENCE } from "../../async/fence.ts";
import { isOnlyReading } from "../../async/only_reads.ts";
import {
  AnswerTooLargeError,
  type Fetch,
  type HttpRequest,
  type HttpResponse,
  TransportError,
} from "../../net/https.ts";
import type { Logger } from "../../log.ts";
import type { Secret } from "../../secret.ts";
import { noteWait } from "../../async/waits.ts";
import { abortError, pause, withDeadline, withGrace } from "../../async/wait.ts";
import type { Page } from "../array.ts";
import { readAnswer, type RestBody } from "./answer.ts";
import { Limiter } from "./limiter.ts";
import { ChangeTrail } from "./change_trail.ts";
import { REST_LIMITS } from "./limits.ts";
import { queryText, refuseImpossibleNames } from "./query.ts";
import { isRefusal, type NamedCall, RestError, restErrorOf } from "./refusals.ts";
import { mayRepeat, tellLimiter, waitBeforeRepeat } from "./repetition.ts";
import type { ReadingCall, RestCall } from "./access/rest_call.ts";
import type { Dialect, SentCall } from "./access/session.ts";
import { Way } from "./access/way.ts";
import { Silence } from "./silence.ts";
import { endOf, unsettledError } from "./unanswered.ts";

export type { ReadingCall, RestCall } from "./access/rest_call.ts";

/** One REST call as metrics and log see it. */
export interface CallRecord extends SentCall {
  /** What messages call the array. */
  array: string;
}

/** Whom a RestClient talks to, and how. */
export interface RestOptions {
  fetch: Fetch;
  /** Closes the connections of `fetch`, when they are needed no more. */
  close?: () => void;
  dialect: Dialect;
  token: Secret;
  /** What messages and metrics call the array. */
  label: () => string;
  log: Logger;
  onCall?: (call: CallRecord) => void;
  now?: () => number;
  /** Longest wait for one answer (default 30 s; a destroy with many snapshots can pass 20). */
  callTimeoutMs?: number;
  /**
   * Longest time for one call with all its repetitions when the caller gives no signal (default 120
   * s).
   */
  budgetMs?: number;
  limiter?: Limiter;
  /** Whether changes may be sent, judged before each attempt; default: always. */
  fence?: ChangeFence;
}

/**
 * A change that was sent is not called back by closing its connection: the array may carry it out
 * later, after another call has looked at what is there and found nothing. So a caller that goes
 * away still holds its locks until the answer is there, or for so long.
 */
export const CHANGE_GRACE_MS = 5_000;
/** A page that is too large to be read is asked for again with so many times fewer items. */
const FEWER = 5;

/** The REST of one array: login, versions, limits, repetition and errors. Knows no resource. */
export class RestClient {
  readonly #options: RestOptions;
  #way: Way;
  readonly #limiter: Limiter;
  readonly #fence: ChangeFence;
  readonly #silence: Silence;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#fence = options.fence ?? NO_FENCE;
    this.#limiter = options.limiter ?? new Limiter();
    this.#silence = new Silence(options);
    this.#way = new Way({
      fetch: options.fetch,
      close: options.close,
      dialect: options.dialect,
      token: options.token,
      label: options.label,
      now: options.now ?? Date.now,
      timeoutMs: options.callTimeoutMs ?? 30_000,
      onCall: (call) => this.#record(call),
    });
  }

  /**
   * N of REST 2.N; finds it out on the first call. `unsupported` when the array and this client
   * have none in common.
   */
  minor(signal?: AbortSignal): Promise<number> {
    return this.#way.use(({ session }) => session.version(signal));
  }

  /** As StorageArray.silence. */
  get silence(): PsoError | undefined {
    return this.#silence.error;
  }

  /** As StorageArray.crowding. */
  get crowding(): number {
    return this.#limiter.crowding;
  }

  /** Asks the array for its versions again. */
  negotiate(signal?: AbortSignal): Promise<number> {
    return this.#way.use(({ session }) => session.negotiate(signal));
  }

  /**
   * Goes on by the connections and the credentials of another client of the same array, which is
   * used no more. A call that is under way ends on those that it began on.
   */
  take(other: RestClient): void {
    const before = this.#way;
    this.#way = other.#way;
    this.#way.onCall = (call) => this.#record(call);
    before.retire();
  }

  /** Ends session and connections: at once, or once the calls that are under way have ended. */
  async close({ atOnce }: { atOnce: boolean }): Promise<void> {
    if (atOnce) await this.#way.end();
    else this.#way.retire();
  }

  /**
   * One call. Within the caller's deadline it is repeated: always after 429 and 503, once after 401
   * with a new session, after other trouble if it is a read or surely never left. A change that was
   * sent and got no clear answer is `unavailable`, and so is a call that its deadline ended.
   * RestError for every answer that is no success.
   */
  async call(call: RestCall): Promise<RestBody<never>>;
  async call<T>(call: ReadingCall<T>): Promise<RestBody<T>>;
  async call<T>(call: RestCall<T>): Promise<RestBody<T>> {
    const trail = new ChangeTrail();
    if (call.method !== "GET") refuseWhileReading(call);
    try {
      return await this.#follow<T>(call, trail);
    } catch (error) {
      throw call.method === "GET" ? error : trail.settled(error);
    }
  }

  /**
   * As `call`, for the POST that makes an object. NothingMadeError when it is proven, over all
   * attempts, that nothing was made. FencedError while a leader that died may have sent the same:
   * whoever looked for the object before looked too early.
   */
  async create<T>(call: Omit<ReadingCall<T>, "method">): Promise<RestBody<T>> {
    const trail = new ChangeTrail();
    refuseWhileReading({ method: "POST", path: call.path });
    if (!this.#fence.isSettled) throw unsettledError(this.#options.label());
    try {
      return await this.#follow<T>({ ...call, method: "POST" }, trail);
    } catch (error) {
      throw call.signal?.aborted ? trail.settled(error) : trail.judged(error);
    }
  }

  async #follow<T>(call: RestCall<T>, trail: ChangeTrail): Promise<RestBody<T>> {
    refuseImpossibleNames(call.query, this.#options.label());
    const array = `array ${this.#options.label()}`;
    if (call.signal) {
      const { signal } = call;
      const waited = noteWait(signal, `${array} to answer ${call.method} ${call.path}`);
      return await this.#repeat<T>(call, { trail, signal }).finally(waited);
    }
    const what = `${call.method} ${call.path} on ${array}`;
    return await withDeadline(
      what,
      { timeoutMs: this.#options.budgetMs ?? 120_000 },
      (signal) => this.#repeat<T>(call, { trail, signal }),
    );
  }

  /**
   * One page of a list, of `limit` items at most and often fewer; without an item only at the end of
   * the list. `stale_token` when the array no longer takes the token.
   */
  async page<T>(
    call: Omit<ReadingCall<T>, "method">,
    options: { limit?: number; token?: string },
  ): Promise<Page<T>> {
    let { token } = options;
    for (let empty = 0; empty < REST_LIMITS.emptyPages.value; empty++) {
      const page = await this.#page<T>(call, { ...options, token });
      if (page.items.length > 0 || page.nextToken === undefined) return page;
      token = page.nextToken;
    }
    throw this.#cutOff(call.path, "gave page after page without anything on it");
  }

  async #page<T>(
    call: Omit<ReadingCall<T>, "method">,
    options: { limit?: number; token?: string },
  ): Promise<Page<T>> {
    const body = await this.#pageBody(call, options);
    const token = body.continuationToken;
    // FlashArray says whether more follows; FlashBlade has no such field, and gives a token only if
    // more follows.
    const more = body.moreItemsRemaining ?? token !== undefined;
    if (!more) return { items: body.items };
    if (token !== undefined && token !== options.token) {
      return { items: body.items, nextToken: token };
    }
    throw this.#cutOff(call.path, "cut it off and gave no token for the rest");
  }

  #cutOff(path: string, how: string): PsoError {
    return new PsoError(
      "unavailable",
      `array ${this.#options.label()} was asked for the list of ${path} and ${how}; try again`,
    );
  }

  /** Asks for fewer items where they are so large that a page of them is not read. */
  async #pageBody<T>(
    call: Omit<ReadingCall<T>, "method">,
    { limit = Infinity, token }: { limit?: number; token?: string },
  ): Promise<RestBody<T>> {
    let items = Math.min(limit, REST_LIMITS.pageItems.value);
    for (;;) {
      const query = { ...call.query, limit: items, continuation_token: token };
      try {
        return await this.call<T>({ ...call, method: "GET", query });
      } catch (error) {
        if (error instanceof AnswerTooLargeError && items >= FEWER) {
          items = Math.floor(items / FEWER);
        } else if (token !== undefined && error instanceof RestError && error.status === 400) {
          throw new PsoError(
            "stale_token",
            `array ${this.#options.label()} does not take the list token any more: ` +
              "start the list again",
            { cause: error },
          );
        } else throw error;
      }
    }
  }

  /** All items, page by page; only one page is held at a time. `unavailable` when they never end. */
  async *all<T>(call: Omit<ReadingCall<T>, "method">): AsyncGenerator<T> {
    const { gatheredItems, pages } = REST_LIMITS;
    let token: string | undefined;
    let [items, gotten] = [0, 0];
    do {
      const page: Page<T> = await this.page<T>(call, { token });
      items += page.items.length;
      if (items > gatheredItems.value || ++gotten > pages.value) {
        throw this.#cutOff(
          call.path,
          `gave more than ${gatheredItems.value} items or ${pages.value} pages`,
        );
      }
      yield* page.items;
      token = page.nextToken;
    } while (token !== undefined);
  }

  async #repeat<T>(
    call: RestCall<T>,
    { trail, signal }: { trail: ChangeTrail; signal: AbortSignal },
  ): Promise<RestBody<T>> {
    const requestId = crypto.randomUUID();
    let renewed = false;
    let last: unknown;
    for (let attempt = 0;; attempt++) {
      const way = this.#way;
      try {
        return await way.use(() => this.#once<T>(call, { requestId, trail, signal, way }));
      } catch (error) {
        // What an old token or certificate was refused, the new one may do.
        if (way !== this.#way && isPsoError(error, "denied")) continue;
        if (isRefusal(error, "session") && !renewed) {
          renewed = true;
          continue;
        }
        if (!mayRepeat(call.method, { error, attempt }) || signal.aborted) {
          throw endOf(call, { array: this.#options.label(), error, last, signal });
        }
        last = error;
      }
      await pause(waitBeforeRepeat(last, attempt), signal).catch((error) => {
        throw endOf(call, { array: this.#options.label(), error, last, signal });
      });
    }
  }

  async #once<T>(
    call: RestCall<T>,
    context: { requestId: string; trail: ChangeTrail; signal: AbortSignal; way: Way },
  ): Promise<RestBody<T>> {
    const { label } = this.#options;
    const { trail, way } = context;
    trail.begin();
    const session = await way.session.token(context.signal);
    const minor = await way.session.version(context.signal);
    const headers = { "x-auth-token": session.reveal(), "x-request-id": context.requestId };
    const path = `/api/2.${minor}/${call.path}${queryText(call.query ?? {})}`;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const response = await this.#limited(call, {
      method: call.method,
      path,
      headers,
      body,
      answerBytes: call.query?.limit === undefined
        ? REST_LIMITS.namedAnswerBytes.value
        : REST_LIMITS.answerBytes.value,
      signal: context.signal,
      fetch: way.fetch,
    }).catch((error) => {
      trail.lost(error);
      throw error;
    });
    const where: NamedCall = { array: label(), call: `${call.method} ${call.path}` };
    if (response.status === 401) way.session.expire(session);
    // 207: a list that is not complete, because some fleet member did not answer (only with
    // allow_errors, which we never send).
    if (response.status !== 200) {
      const error = restErrorOf(response, where);
      trail.refused(error);
      throw error;
    }
    trail.done();
    const { query, item } = call;
    return readAnswer(response.text, { ...where, query, item, isChange: call.method !== "GET" });
  }

  /** Sends within the limits of the array, and tells the limiter how it went. */
  async #limited(
    call: RestCall<unknown>,
    { fetch, ...request }: HttpRequest & { signal: AbortSignal; fetch: Fetch },
  ): Promise<HttpResponse> {
    const { callTimeoutMs = 30_000 } = this.#options;
    const permit = await this.#limiter.acquire(call.lane ?? "provision", request.signal);
    const started = performance.now();
    let status = 0;
    let end: SentCall["end"];
    const send = (within: AbortSignal, beforeBytes?: () => void) =>
      withDeadline(
        `${call.method} ${call.path}`,
        { timeoutMs: callTimeoutMs, signal: within },
        (signal) => fetch({ ...request, signal, beforeBytes }),
      );
    const change = (patience: AbortSignal) =>
      this.#fence.pass(patience, async ({ signal, check, unclear }) => {
        const response = await send(signal, check);
        // A gateway's answer: behind it the call may go on.
        if (response.status === 502 || response.status === 504) unclear();
        return response;
      });
    try {
      const response = call.method === "GET"
        ? await send(request.signal)
        : await withGrace({ signal: request.signal, graceMs: CHANGE_GRACE_MS }, change);
      status = response.status;
      tellLimiter(permit, status);
      return response;
    } catch (error) {
      if (request.signal.aborted) end = "caller";
      else if (error instanceof TransportError && error.code === "timeout") end = "timeout";
      if (end === "timeout") permit.slow();
      const isKnown = error instanceof TransportError || error instanceof FencedError;
      throw request.signal.aborted && !isKnown ? abortError(request.signal) : error;
    } finally {
      permit.release();
      this.#record({
        method: call.method,
        path: call.path,
        status,
        ms: performance.now() - started,
        end,
      });
    }
  }

  #record(call: SentCall): void {
    this.#silence.note(call);
    const record = { array: this.#options.label(), ...call };
    this.#options.onCall?.(record);
    this.#options.log.debug("rest", { ...record, ms: Math.round(record.ms) });
  }
}

/** A change on behalf of work that only reads is a fault of the driver, and never leaves. */
function refuseWhileReading({ method, path }: Pick<RestCall, "method" | "path">): void {
  if (isOnlyReading()) throw new Error(`${method} ${path} on behalf of a call that only reads`);
}
