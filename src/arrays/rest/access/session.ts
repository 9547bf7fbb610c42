import { SingleFlight } from "../../../async/single_flight.ts";
import { pause, withDeadline } from "../../../async/wait.ts";
import { isPsoError, PsoError } from "../../../errors.ts";
import type { Fetch, HttpResponse } from "../../../net/https.ts";
import { foreignText } from "../../../foreign_text.ts";
import { Secret } from "../../../secret.ts";
import { parseObject, refuseExcess } from "../answer.ts";
import { REST_LIMITS } from "../limits.ts";
import { restErrorOf } from "../refusals.ts";
import { waitBeforeRepeat } from "../repetition.ts";

/** One request as metrics and log see it; `status` 0 = no answer. */
export interface SentCall {
  method: string;
  /** Without version, query and name of an object. */
  path: string;
  status: number;
  ms: number;
  /** How it ended without an answer: its time was over, or its caller's; absent for other reasons. */
  end?: "timeout" | "caller";
}

/** What differs between FlashArray and FlashBlade below their resources. */
export interface Dialect {
  kindName: "FlashArray" | "FlashBlade";
  /** Key of the list in GET /api/api_version; the other kind's key betrays a wrong entry. */
  versionsKey: "version" | "versions";
  loginPath: (version: string) => string;
  /** REST 2.N that this client knows. */
  knows: (minor: number) => boolean;
  /** The same for messages: `2.4 to 2.56`. */
  known: string;
}

/** Whom a RestSession talks to, and how. */
export interface SessionOptions {
  fetch: Fetch;
  dialect: Dialect;
  token: Secret;
  /** What messages call the array. */
  label: () => string;
  now: () => number;
  timeoutMs: number;
  onCall: (call: SentCall) => void;
}

/** What is shown of one REST version that an array offers. */
const VERSION_CHARS = 20;

/** After refused credentials the array is left alone for so long: arrays lock users out. */
const REFUSED_PAUSE_MS = 30_000;

/**
 * An array that has too much to do is asked for its versions again for so long, at most: it is
 * there, and a check of it must not say otherwise in the middle of a storm of calls.
 */
const BUSY_MS = 8_000;

/** REST version and session of one array: found out when first needed, once for all who wait. */
export class RestSession {
  readonly #options: SessionOptions;
  readonly #versions = new SingleFlight<"versions", number>();
  readonly #logins = new SingleFlight<"login", Secret>();
  #minor?: number;
  #session?: Secret;
  #refused?: { atMs: number; error: PsoError };

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /**
   * The version in use; asks the array when it is not known. `unsupported` when there is none in
   * common.
   */
  async version(signal?: AbortSignal): Promise<number> {
    return this.#minor ?? await this.negotiate(signal);
  }

  /** Asks for the versions again: an upgrade changes them. */
  negotiate(signal?: AbortSignal): Promise<number> {
    return this.#versions.run("versions", () => this.#negotiate(), signal);
  }

  /**
   * The session's token, by login when there is none. `denied` when the array refuses the API
   * token.
   */
  async token(signal?: AbortSignal): Promise<Secret> {
    if (this.#session !== undefined) return this.#session;
    const minor = await this.version(signal);
    return await this.#logins.run("login", () => this.#login(`2.${minor}`), signal);
  }

  /** To be called when the array answered 401 to `token`; a newer session stays. */
  expire(token: Secret): void {
    if (this.#session === token) this.#session = undefined;
  }

  /** Ends the session on the array, as far as it can be reached. */
  async logout(): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#minor === undefined) return;
    this.#session = undefined;
    const path = this.#options.dialect.loginPath(`2.${this.#minor}`).replace(/login$/, "logout");
    // A session that stays behind ends by itself after its idle time.
    await this.#send("POST", path, { "x-auth-token": session.reveal() }).catch(() => {});
  }

  async #negotiate(): Promise<number> {
    const { dialect, label } = this.#options;
    const response = await this.#versionAnswer();
    const body = bodyOf(response.text);
    const offered = body[dialect.versionsKey];
    if (!Array.isArray(offered)) {
      const other = dialect.versionsKey === "version" ? "versions" : "version";
      throw Array.isArray(body[other])
        ? new PsoError(
          "unsupported",
          `array ${label()} is no ${dialect.kindName}: ` +
            "list it under the other kind in the configuration",
        )
        : new PsoError(
          "unavailable",
          `array ${label()} gives no list of REST versions: ` +
            "check that the address is its management endpoint",
        );
    }
    const versions = offered.slice(0, REST_LIMITS.versions.value).map((one) =>
      typeof one === "string" ? foreignText(one, VERSION_CHARS) : "?"
    );
    const minors = versions.flatMap((version) => /^2\.(\d+)$/.exec(version)?.[1] ?? []).map(Number);
    const common = minors.filter(dialect.knows);
    if (common.length === 0) {
      // Every array lists some twenty of REST 1 first, which nobody asks about.
      const second = versions.filter((version) => /^2\./.test(version));
      const shown = second.length === 0 ? versions : second;
      const list = shown.length === 0 ? "none" : foreignText(shown.join(", "));
      throw new PsoError(
        "unsupported",
        `array ${label()} speaks REST ${list}, and this driver ${dialect.known}: ` +
          "update Purity or the driver",
      );
    }
    this.#minor = Math.max(...common);
    return this.#minor;
  }

  /** The answer of status 200 with the versions. */
  async #versionAnswer(): Promise<HttpResponse> {
    const until = performance.now() + BUSY_MS;
    for (let attempt = 0;; attempt++) {
      const response = await this.#send("GET", "/api/api_version", {});
      if (response.status === 200) return response;
      const array = this.#options.label();
      const error = restErrorOf(response, { array, call: "GET api_version" });
      const waitMs = waitBeforeRepeat(error, attempt);
      if (response.status !== 429 || performance.now() + waitMs > until) throw error;
      await pause(waitMs);
    }
  }

  async #login(version: string): Promise<Secret> {
    const { dialect, label, now, token } = this.#options;
    const refused = this.#refused;
    if (refused && now() - refused.atMs < REFUSED_PAUSE_MS) throw refused.error;
    const response = await this.#send("POST", dialect.loginPath(version), {
      "api-token": token.reveal(),
    });
    const session = response.headers["x-auth-token"];
    if (response.status === 200 && session) {
      if (session.length > REST_LIMITS.sessionChars.value || !/^[\x21-\x7e]+$/.test(session)) {
        throw new PsoError(
          "unavailable",
          `array ${label()} gave a session that cannot be sent back: check that the address is ` +
            "its management endpoint",
        );
      }
      this.#refused = undefined;
      return this.#session = new Secret(session);
    }
    const cause = restErrorOf(response, { array: label(), call: "the login" });
    // A bad token is answered by 400, 401 or 403, which differs between releases. Every other
    // status is trouble of the moment.
    if (![400, 401, 403].includes(response.status)) throw cause;
    const error = new PsoError(
      "denied",
      `array ${label()} refuses the API token (status ${response.status}): create one with ` +
        "`pureadmin create --api-token` for a user with the role Storage Admin " +
        "and put it into the configuration",
      { cause },
    );
    this.#refused = { atMs: now(), error };
    throw error;
  }

  async #send(
    method: "GET" | "POST",
    path: string,
    headers: Record<string, string>,
  ): Promise<HttpResponse> {
    const { fetch, timeoutMs, label, onCall } = this.#options;
    const answerBytes = REST_LIMITS.smallAnswerBytes.value;
    const started = performance.now();
    let status = 0;
    let end: SentCall["end"];
    try {
      const response = await withDeadline(
        `the login at array ${label()}`,
        { timeoutMs },
        (signal) => fetch({ method, path, headers, answerBytes, signal }),
      );
      status = response.status;
      return response;
    } catch (error) {
      if (isPsoError(error, "timeout")) end = "timeout"; // no caller can end it
      throw error;
    } finally {
      onCall({
        method,
        path: path.replace(/^\/api\/(2\.\d+\/)?/, ""),
        status,
        ms: performance.now() - started,
        end,
      });
    }
  }
}

function bodyOf(text: string): Record<string, unknown> {
  try {
    refuseExcess(text, 0);
    return parseObject(text);
  } catch {
    return {};
  }
}
