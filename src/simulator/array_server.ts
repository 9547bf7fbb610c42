import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { pause } from "../async/wait.ts";
import { Fields } from "./body.ts";
import { type ArrayRoutes, type Call, withParametersInPlace } from "./call.ts";
import type { Clock } from "./clock.ts";
import type { Fault, Faults } from "./faults.ts";
import type { Incoming, Outcome } from "./http_listener.ts";
import type { RequestLog } from "./request_log.ts";
import { errorBody, RestError } from "./rest_error.ts";
import type { Sessions } from "./sessions.ts";

/**
 * `banner` of GET /arrays on a FlashArray of the local plane. Clients recognise it: only such
 * arrays offer the protocol `local`.
 */
export const SIMULATED_BANNER = "PSO simulated array, data plane local";
/** As SIMULATED_BANNER, in `revision` of a FlashBlade, which has no banner. */
export const SIMULATED_REVISION = "pso-simulated";
/** `banner` of a FlashArray of the kernel plane, which nodes attach as they attach a real one. */
export const KERNEL_BANNER = "PSO array simulator, data plane kernel";
/** As KERNEL_BANNER, in `revision` of a FlashBlade. */
export const KERNEL_REVISION = "pso-simulated-kernel";

/** How the two families differ below their resources. */
export interface Dialect {
  /** Key of GET /api/api_version. */
  versionsKey: "version" | "versions";
  /** FlashArray: POST /api/2.N/login; FlashBlade: POST /api/login. */
  loginHasVersion: boolean;
  loginBody: (username: string) => unknown;
  /** Of REST 1.x, which every real array lists; the simulator serves none of their calls but one. */
  oldVersions: readonly string[];
  /** A change takes its parameters in the query and in the body alike. */
  mergesParameters: boolean;
}

/** One kind of array, as the core drives it. */
export interface SimulatedArray {
  readonly kind: "flasharray" | "flashblade";
  readonly name: string;
  readonly dialect: Dialect;
  /** REST versions it serves, in ascending order: the vendor's SDK walks the list from its end. */
  readonly versions: readonly string[];
  readonly routes: ArrayRoutes;
  /** Brings the data plane in line with the stored state, after a start and after a crash. */
  start(): Promise<void>;
  /**
   * Eradicates what has been destroyed for longer than the eradication delay. Cheap when nothing is
   * due; called before each call.
   */
  expire(): Promise<void>;
  /**
   * Takes down what the data plane holds of the host (mounts, loop devices) and closes the state.
   */
  stop(): Promise<void>;
}

/** One call and its answer as they went over the wire. */
export interface ArrayAnswer {
  kind: "flasharray" | "flashblade";
  array: string;
  method: string;
  /** With the version: `/api/2.26/volumes`. */
  path: string;
  /** What stood behind the question mark, still encoded. */
  query: string;
  status: number;
  /** The answer's JSON; undefined when it had no body. */
  body: unknown;
  /** The request's JSON; undefined when it had none or was refused. */
  sent: unknown;
}

/** What an ArrayServer shares with the other arrays of its fleet, and how it behaves. */
interface ArrayServerOptions {
  clock: Clock;
  faults: Faults;
  requests: RequestLog;
  sessions: Sessions;
  /** So many calls at once; above: 429. */
  concurrency: number;
  /** Added to every call. */
  latencyMs: number;
  log: Logger;
  /**
   * Sees every answer that is sent, with its request: for tests that hold answers against a
   * specification.
   */
  onAnswer?: (answer: ArrayAnswer) => void;
  /** Kills a caller for the kill faults; default Deno.kill with SIGKILL. */
  kill?: (pid: number) => void;
}

const USERNAME = "pureuser";
/**
 * What the gateway says it allows per second and minute; the vendor's SDK needs all four headers.
 */
const RATE_HEADERS = {
  "X-RateLimit-Limit-second": "1000",
  "X-RateLimit-Limit-minute": "60000",
  "X-RateLimit-Remaining-second": "0",
  "X-RateLimit-Remaining-minute": "59000",
};

/**
 * A path taken apart: `/api/2.26/volumes` → minor 26, resource `/volumes`; `/api/login` → no minor.
 */
interface Place {
  version: string | undefined;
  resource: string;
}

function placeOf(pathname: string): Place {
  const found = /^\/api\/(\d+\.[A-Za-z0-9]+)(\/.*)$/.exec(pathname);
  if (found !== null) return { version: found[1], resource: found[2] ?? "/" };
  return {
    version: undefined,
    resource: pathname.startsWith("/api/") ? pathname.slice("/api".length) : pathname,
  };
}

function killProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // Gone already: the call it was to die at came from somebody else.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The management endpoint of one array: gate, faults, login and error bodies around the resources
 * of its kind.
 */
export class ArrayServer {
  readonly array: SimulatedArray;
  readonly #options: ArrayServerOptions;
  #running = 0;
  constructor(array: SimulatedArray, options: ArrayServerOptions) {
    this.array = array;
    this.#options = options;
  }

  /** Answers one request; never throws. */
  async handle(incoming: Incoming): Promise<Outcome> {
    const url = new URL(incoming.target, "http://array");
    const { resource } = placeOf(url.pathname);
    const started = performance.now();
    const outcome = await this.#guarded(incoming, url);
    this.#options.requests.add({
      timeMs: this.#options.clock.now(),
      client: incoming.client,
      array: this.array.name,
      method: incoming.method,
      path: resource,
      query: url.search,
      status: outcome === "dropped" ? 0 : outcome.status,
      durationMs: Math.round((performance.now() - started) * 10) / 10,
    });
    if (outcome === "dropped") return outcome;
    // Always answered, with the caller's own id if it sent one: the vendor's SDK pages with it.
    outcome.headers.set(
      "X-Request-ID",
      incoming.headers.get("x-request-id") || crypto.randomUUID(),
    );
    await this.#show(incoming, url, outcome);
    return outcome;
  }

  async #show({ method, body }: Incoming, url: URL, outcome: Response): Promise<void> {
    const { onAnswer } = this.#options;
    if (onAnswer === undefined) return;
    const text = await outcome.clone().text();
    onAnswer({
      ...{
        kind: this.array.kind,
        array: this.array.name,
        method,
        path: url.pathname,
        query: url.search.slice(1),
        status: outcome.status,
      },
      body: text === "" ? undefined : JSON.parse(text),
      // What was refused may have been no JSON at all.
      sent: outcome.status === 200 ? parseBody(body) : undefined,
    });
  }

  async #guarded(incoming: Incoming, url: URL): Promise<Outcome> {
    if (this.#running >= this.#options.concurrency) {
      return this.#error(
        new RestError(429, "API rate limit exceeded: too many calls at once."),
        RATE_HEADERS,
      );
    }
    this.#running++;
    try {
      return await this.#withFaults(incoming, url);
    } catch (error) {
      if (error instanceof RestError) {
        return this.#error(error, error.status === 429 ? RATE_HEADERS : {});
      }
      this.#options.log.error("simulator call failed", {
        array: this.array.name,
        method: incoming.method,
        target: incoming.target,
        error,
      });
      return this.#error(new RestError(500, `Internal error: ${messageOf(error)}`));
    } finally {
      this.#running--;
    }
  }

  async #withFaults(incoming: Incoming, url: URL): Promise<Outcome> {
    const { faults, latencyMs } = this.#options;
    const kill = this.#options.kill ?? killProcess;
    const hit = faults.take({
      array: this.array.name,
      method: incoming.method,
      path: placeOf(url.pathname).resource,
    });
    const find = (action: Fault["action"]) => hit.find((fault) => fault.action === action);
    if (find("down")) return "dropped";
    const delayMs = hit.filter(({ action }) => action === "delay").reduce(
      (sum, { value }) => sum + value,
      latencyMs,
    );
    if (delayMs > 0) await pause(delayMs);

    const killBefore = find("kill-before");
    if (killBefore !== undefined) kill(killBefore.value);
    if (killBefore !== undefined || find("drop-before")) return "dropped";
    const status = find("status");
    if (status !== undefined) {
      const { value, message = `Simulated fault: status ${value}.`, context = null } = status;
      throw new RestError(value, message, context);
    }

    const answer = await this.#answer(incoming, url, {
      stale: find("stale") !== undefined,
      full: find("full") !== undefined,
    });
    const killAfter = find("kill-after");
    if (killAfter !== undefined) kill(killAfter.value);
    return killAfter !== undefined || find("drop-after") ? "dropped" : answer;
  }

  async #answer(
    incoming: Incoming,
    url: URL,
    state: Pick<Call, "stale" | "full">,
  ): Promise<Response> {
    const { version, resource } = placeOf(url.pathname);
    const { dialect, versions, routes } = this.array;
    const { sessions } = this.#options;
    if (url.pathname === "/api/api_version" && incoming.method === "GET") {
      return Response.json({ [dialect.versionsKey]: [...dialect.oldVersions, ...versions] });
    }
    const hasOwnLogin = dialect.loginHasVersion === (version !== undefined);
    const isOld = hasOwnLogin && dialect.oldVersions.includes(version ?? "");
    if (isOld && resource === "/auth/apitoken" && incoming.method === "POST") {
      return this.#apiToken(parseBody(incoming.body));
    }
    const minor = this.#minor(version);
    if (hasOwnLogin && resource === "/login" && incoming.method === "POST") {
      return this.#login(incoming.headers.get("api-token"));
    }
    const session = incoming.headers.get("x-auth-token") ?? "";
    if (hasOwnLogin && resource === "/logout" && incoming.method === "POST") {
      sessions.logout(session);
      return new Response(null, { status: 200 });
    }
    if (!sessions.use(session)) {
      throw new RestError(401, "Authentication required: the session is unknown or has expired.");
    }
    if (minor === undefined) throw new RestError(404, "Not found.", url.pathname);
    await this.array.expire();
    const call: Call = { minor, query: url.searchParams, body: parseBody(incoming.body), ...state };
    const isChange = incoming.method !== "GET";
    const read = dialect.mergesParameters && isChange ? withParametersInPlace(call) : call;
    return await routes.answer(incoming.method, resource, read);
  }

  /**
   * The API token for a user's password, as REST 1.x gives it. The one password is the token
   * itself: a second secret would be one more to keep.
   */
  #apiToken(body: unknown): Response {
    const fields = new Fields(body);
    const [username, password] = [fields.text("username"), fields.text("password") ?? ""];
    const session = username === USERNAME ? this.#options.sessions.login(password) : undefined;
    if (session === undefined) {
      return Response.json([{ ctx: username ?? "", msg: "invalid credentials" }], { status: 400 });
    }
    this.#options.sessions.logout(session);
    return Response.json({ api_token: password });
  }

  /**
   * N of 2.N; `undefined` for a path without a version; RestError 404 for a version this array does
   * not serve.
   */
  #minor(version: string | undefined): number | undefined {
    if (version === undefined) return undefined;
    const { versions, dialect } = this.array;
    // Only a FlashBlade accepts this alias of its newest version.
    const asked = version === "2.latest" && !dialect.loginHasVersion
      ? versions.at(-1) ?? version
      : version;
    if (!versions.includes(asked) || !asked.startsWith("2.")) {
      throw new RestError(404, `REST version ${version} is not supported.`, version);
    }
    return Number(asked.slice("2.".length));
  }

  #login(apiToken: string | null): Response {
    const token = apiToken === null ? undefined : this.#options.sessions.login(apiToken);
    if (token === undefined) throw new RestError(401, "Invalid API token.");
    return Response.json(this.array.dialect.loginBody(USERNAME), {
      headers: { "x-auth-token": token },
    });
  }

  #error(error: RestError, headers: Record<string, string> = {}): Response {
    return Response.json(errorBody(error), { status: error.status, headers });
  }
}

function parseBody(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new RestError(400, "The request body is not valid JSON.");
  }
}
