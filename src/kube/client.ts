import { withDeadline } from "../async/wait.ts";
import { type ErrorCode, isPsoError, messageOf, PsoError } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";
import type { HttpResponse } from "../net/https.ts";
import type { KubeServer } from "./credentials.ts";
import { KUBE_LIMITS } from "./limits.ts";

/** An object of the API as it came: what this program does not know of it goes back unchanged. */
export type KubeObject = Record<string, unknown>;

/** The API server answered, and not with success. */
export class KubeError extends PsoError {
  /** The HTTP status: 404 = there is no such object, 409 = it was changed meanwhile. */
  readonly status: number;
  constructor(code: ErrorCode, message: string, { status }: { status: number }) {
    super(code, message);
    this.status = status;
  }
}

/** Whether the API server answered with one of these statuses. */
export function isKubeStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof KubeError && statuses.includes(error.status);
}

interface KubeCall {
  method: "GET" | "PUT";
  /** From `/api` or `/apis` on, with the query. */
  path: string;
  body?: KubeObject;
}

/**
 * The API of one cluster, one call at a time: nothing is repeated here. Every method throws
 * KubeError for an answer that is no success, and `unavailable`, `timeout` or `denied` when there
 * was none within 5 seconds.
 */
export class KubeClient {
  readonly #server: KubeServer;
  readonly #timeoutMs: number;

  constructor(server: KubeServer, timeoutMs: number = KUBE_LIMITS.callMs) {
    this.#server = server;
    this.#timeoutMs = timeoutMs;
  }

  /** One object. */
  get(path: string): Promise<KubeObject> {
    return this.#call({ method: "GET", path });
  }

  /**
   * Replaces the object by `body`, which was read before: status 409 when somebody changed it
   * since. Gives the object as it is now.
   */
  update(path: string, body: KubeObject): Promise<KubeObject> {
    return this.#call({ method: "PUT", path, body });
  }

  /**
   * The objects of that name below `path`, in any namespace. A right to `list` that names the
   * object is enough, because the call names it too.
   */
  async listNamed(path: string, name: string): Promise<KubeObject[]> {
    const query = `fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
    const { items } = await this.#call({ method: "GET", path: `${path}?${query}` });
    return Array.isArray(items) ? items.filter(isObject) : [];
  }

  async #call({ method, path, body }: KubeCall): Promise<KubeObject> {
    const what = `${method} ${path.split("?")[0]} of the Kubernetes API at ${this.#server.address}`;
    let response: HttpResponse;
    try {
      response = await withDeadline(
        what,
        { timeoutMs: this.#timeoutMs },
        async (signal) => {
          const { fetch, token } = await this.#server.access();
          return await fetch({
            method,
            path,
            headers: { authorization: `Bearer ${token.reveal()}` },
            body: body && JSON.stringify(body),
            answerBytes: KUBE_LIMITS.answerBytes,
            signal,
          });
        },
      );
    } catch (error) {
      if (!isPsoError(error)) throw error;
      throw new PsoError(error.code, `no answer to ${what}: ${error.message}`, { cause: error });
    }
    if (response.status < 200 || response.status > 299) throw errorOf(response, what);
    return readObject(response.text, what);
  }
}

/** What each refusal means; other statuses are trouble of the moment. */
const REFUSALS: Readonly<Record<number, { code: ErrorCode; advice: string }>> = {
  401: {
    code: "denied",
    advice: "the token of the service account is not accepted; mount a projected one",
  },
  403: { code: "denied", advice: "give the service account this right" },
  404: { code: "not_found", advice: "there is no such object; install the chart again" },
  409: { code: "busy", advice: "somebody changed it meanwhile" },
};

function errorOf({ status, text }: HttpResponse, what: string): KubeError {
  const { code, advice } = REFUSALS[status] ??
    { code: "unavailable" as const, advice: "look at the API server" };
  let said = text;
  try {
    const { message } = readObject(text, what);
    if (typeof message === "string") said = message;
  } catch {
    // A proxy answers with a page of its own.
  }
  const shown = foreignText(said, KUBE_LIMITS.messageChars);
  return new KubeError(code, `${what} is answered ${status} (${shown}): ${advice}`, { status });
}

function readObject(text: string, what: string): KubeObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw new PsoError("unavailable", `${what} is answered with no JSON: ${messageOf(error)}`);
  }
  throw new PsoError("unavailable", `${what} is answered with no object: look at the API server`);
}

/** Whether a value of JSON has members. */
export function isObject(value: unknown): value is KubeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
