import { PsoError } from "../../errors.ts";
import {
  type Fetch,
  type HttpRequest,
  type HttpResponse,
  TransportError,
} from "../../net/https.ts";
import type { Logger } from "../../log.ts";
import type { Secret } from "../../secret.ts";
import { abortError, pause, withDeadline } from "../../async/wait.ts";
import type { Page } from "../array.ts";
import { type Lane, Limiter, type Permit } from "./limiter.ts";
import { ChangeTrail } from "./change_trail.ts";
import { isRefusal, type NamedCall, RestError, restErrorOf } from "./refusals.ts";
import { type Dialect, RestSession, type SentCall } from "./session.ts";

/** One REST call as metrics and log see it. */
export interface CallRecord extends SentCall {
  /** What messages call the array. */
  array: string;
}

/** Whom a RestClient talks to, and how. */
export interface RestOptions {
  fetch: Fetch;
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
}

/** Parameters of a call; undefined ones are left out, a list becomes one comma-separated value. */
export type Query = Record<string, string | number | boolean | string[] | undefined>;

/** What is asked of an array, without the session and the version. */
export interface RestCall {
  method: HttpRequest["method"];
  /** Without `/api/2.N/`: `volumes`. */
  path: string;
  query?: Query;
  body?: unknown;
  /** Default `provision`. */
  lane?: Lane;
  signal?: AbortSignal;
}

/**
 * The body of a 200. Items are what the caller says they are: every field of theirs is optional and
 * read with care.
 */
interface RestBody<T> {
  items: T[];
  continuation_token?: string | null;
  more_items_remaining?: boolean;
  total_item_count?: number | null;
}

/** First wait before a repetition; doubled each time, half of it random. */
const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 5_000;
/**
 * Repetitions after trouble that need not end (429 and 503 are repeated until the deadline
 * instead).
 */
const TROUBLE_REPEATS = 2;

/**
 * `a=1&names=x,y`: lists joined by a literal comma, as the vendor's SDK writes them; undefined is
 * left out.
 */
function queryText(query: Query): string {
  const parts = Object.entries(query).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const text = Array.isArray(value)
      ? value.map(encodeURIComponent).join(",")
      : encodeURIComponent(String(value));
    return [`${key}=${text}`];
  });
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/**
 * Answers "missing", without a call, for a name that no object can have. Names come from volume
 * handles, which anybody may write: a comma would make two names of one and destroy the volume of
 * somebody else, and an empty name means "all" to some calls.
 */
function refuseImpossibleNames(call: RestCall, array: string): void {
  for (const [key, value] of Object.entries(call.query ?? {})) {
    if (value === undefined || !key.endsWith("names")) continue;
    const impossible = [value].flat().find((name) => !/^[^,*\s'"\\]+$/.test(String(name)));
    if (impossible === undefined) continue;
    const message = `${
      JSON.stringify(impossible)
    } is on array ${array}: no object can have that name`;
    throw new RestError("not_found", `nothing named ${message}`, {
      refusal: "missing",
      status: 400,
      said: "",
      context: String(impossible),
      isOwn: false,
    });
  }
}

/** A string inside the expression of a `filter`: in quotes, with quotes and backslashes escaped. */
export function filterText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** The REST of one array: login, versions, limits, repetition and errors. Knows no resource. */
export class RestClient {
  readonly #options: RestOptions;
  readonly #session: RestSession;
  readonly #limiter: Limiter;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#limiter = options.limiter ?? new Limiter();
    this.#session = new RestSession({
      fetch: options.fetch,
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
    return this.#session.version(signal);
  }

  /** Asks the array for its versions again. */
  negotiate(signal?: AbortSignal): Promise<number> {
    return this.#session.negotiate(signal);
  }

  /** Ends the session on the array. */
  logout(): Promise<void> {
    return this.#session.logout();
  }

  /**
   * One call. Within the caller's deadline it is repeated: always after 429 and 503, once after 401
   * with a new session, after other trouble if it is a read or surely never left. A change that was
   * sent and got no clear answer is `unavailable` or `timeout`. RestError for every answer that is
   * no success.
   */
  async call<T>(call: RestCall): Promise<RestBody<T>> {
    return await this.#follow<T>(call, new ChangeTrail());
  }

  /**
   * As `call`, for the POST that makes an object. NothingMadeError when it is proven, over all
   * attempts, that nothing was made.
   */
  async create<T>(call: Omit<RestCall, "method">): Promise<RestBody<T>> {
    const trail = new ChangeTrail();
    try {
      return await this.#follow<T>({ ...call, method: "POST" }, trail);
    } catch (error) {
      throw call.signal?.aborted ? error : trail.judged(error);
    }
  }

  async #follow<T>(call: RestCall, trail: ChangeTrail): Promise<RestBody<T>> {
    refuseImpossibleNames(call, this.#options.label());
    if (call.signal) return await this.#repeat<T>(call, { trail, signal: call.signal });
    const what = `${call.method} ${call.path} on array ${this.#options.label()}`;
    return await withDeadline(
      what,
      { timeoutMs: this.#options.budgetMs ?? 120_000 },
      (signal) => this.#repeat<T>(call, { trail, signal }),
    );
  }

  /** One page of a list. `stale_token` when the array no longer takes the token. */
  async page<T>(
    call: Omit<RestCall, "method">,
    options: { limit?: number; token?: string },
  ): Promise<Page<T>> {
    const query = { ...call.query, limit: options.limit, continuation_token: options.token };
    let body: RestBody<T>;
    try {
      body = await this.call<T>({ ...call, method: "GET", query });
    } catch (error) {
      if (options.token === undefined || !(error instanceof RestError) || error.status !== 400) {
        throw error;
      }
      throw new PsoError(
        "stale_token",
        `array ${this.#options.label()} does not take the list token any more: ` +
          "start the list again",
        { cause: error },
      );
    }
    const token = body.continuation_token || undefined;
    // FlashArray says whether more follows; FlashBlade has no such field, and gives a token only if
    // more follows.
    const more = body.more_items_remaining ?? token !== undefined;
    if (!more) return { items: body.items };
    if (token === undefined || token === options.token) {
      throw new PsoError(
        "unavailable",
        `array ${this.#options.label()} cut a list of ${call.path} off and gave no token for ` +
          "the rest; try again",
      );
    }
    return { items: body.items, nextToken: token };
  }

  /** All items, page by page; only one page is held at a time. */
  async *all<T>(call: Omit<RestCall, "method">, limit = 1000): AsyncGenerator<T> {
    let token: string | undefined;
    do {
      const page: Page<T> = await this.page<T>(call, { limit, token });
      yield* page.items;
      token = page.nextToken;
    } while (token !== undefined);
  }

  async #repeat<T>(
    call: RestCall,
    { trail, signal }: { trail: ChangeTrail; signal: AbortSignal },
  ): Promise<RestBody<T>> {
    const requestId = crypto.randomUUID();
    let renewed = false;
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#once<T>(call, { requestId, trail, signal });
      } catch (error) {
        if (isRefusal(error, "session") && !renewed) {
          renewed = true;
          continue;
        }
        if (signal.aborted || !mayRepeat(call, error, attempt)) throw error;
      }
      const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** attempt);
      await pause(waitMs * (0.5 + Math.random() / 2), signal);
    }
  }

  async #once<T>(
    call: RestCall,
    context: { requestId: string; trail: ChangeTrail; signal: AbortSignal },
  ): Promise<RestBody<T>> {
    const { label } = this.#options;
    const { trail } = context;
    trail.begin();
    const session = await this.#session.token(context.signal);
    const minor = await this.#session.version(context.signal);
    const headers = { "x-auth-token": session, "x-request-id": context.requestId };
    const path = `/api/2.${minor}/${call.path}${queryText(call.query ?? {})}`;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const response = await this.#limited(call, {
      method: call.method,
      path,
      headers,
      body,
      signal: context.signal,
    }).catch((error) => {
      trail.lost(error);
      throw error;
    });
    const where: NamedCall = { array: label(), call: `${call.method} ${call.path}` };
    if (response.status === 401) this.#session.expire(session);
    // 207: a list that is not complete, because some fleet member did not answer (only with
    // allow_errors, which we never send).
    if (response.status !== 200) {
      const error = restErrorOf(response, where);
      trail.refused(error);
      throw error;
    }
    trail.done();
    return parseBody<T>(response, where);
  }

  /** Sends within the limits of the array, and tells the limiter how it went. */
  async #limited(
    call: RestCall,
    request: HttpRequest & { signal: AbortSignal },
  ): Promise<HttpResponse> {
    const { callTimeoutMs = 30_000, fetch } = this.#options;
    const permit = await this.#limiter.acquire(call.lane ?? "provision", request.signal);
    const started = performance.now();
    let status = 0;
    try {
      const what = `${call.method} ${call.path}`;
      const response = await withDeadline(
        what,
        { timeoutMs: callTimeoutMs, signal: request.signal },
        (signal) => fetch({ ...request, signal }),
      );
      status = response.status;
      tellLimiter(permit, status);
      return response;
    } catch (error) {
      if (error instanceof TransportError && error.code === "timeout" && !request.signal.aborted) {
        permit.slow();
      }
      throw request.signal.aborted && !(error instanceof TransportError)
        ? abortError(request.signal)
        : error;
    } finally {
      permit.release();
      this.#record({
        method: call.method,
        path: call.path,
        status,
        ms: performance.now() - started,
      });
    }
  }

  #record(call: SentCall): void {
    const record = { array: this.#options.label(), ...call };
    this.#options.onCall?.(record);
    this.#options.log.debug("rest", { ...record, ms: Math.round(record.ms) });
  }
}

function tellLimiter(permit: Permit, status: number): void {
  if (status === 429 || status === 503) permit.slow();
  else if (status < 500) permit.ok();
}

/** Whether the call may be sent again although it failed so. */
function mayRepeat(call: RestCall, error: unknown, attempt: number): boolean {
  // 429: the array did nothing. 503: it is busy or fails over, and may have done it. All our
  // changes may be repeated, because "exists" and "gone" are answers to us.
  if (error instanceof RestError && (error.status === 429 || error.status === 503)) return true;
  if (attempt >= TROUBLE_REPEATS) return false;
  const isRead = call.method === "GET";
  if (error instanceof RestError) return isRead && (error.status === 502 || error.status === 504);
  if (error instanceof TransportError && error.code === "unavailable") return isRead || !error.sent;
  return false;
}

function parseBody<T>(response: HttpResponse, where: NamedCall): RestBody<T> {
  if (response.text.trim() === "") return { items: [] }; // DELETE answers so
  let body: { items?: unknown } | null;
  try {
    body = JSON.parse(response.text);
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `array ${where.array} answered ${where.call} with something that is not JSON; ` +
        "check that the address is its management endpoint",
      { cause: error },
    );
  }
  const items = body?.items ?? [];
  // The edge of the wire: fields are optional, and checked where they are read.
  if (Array.isArray(items)) return { ...body, items } as RestBody<T>;
  throw new PsoError(
    "unavailable",
    `array ${where.array} answered ${where.call} without a list of items`,
  );
}
