import { withDeadline } from "../async/wait.ts";
import { type ErrorCode, isPsoError, PsoError } from "../errors.ts";
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
  method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** From `/api` or `/apis` on, with the query. */
  path: string;
  body?: KubeObject;
  /** What the answer may be; absent: JSON of the whole object. */
  accept?: string;
  /** As in HttpRequest. */
  onLine?: (line: string) => void;
  onOpen?: () => void;
  /** Default: that of the client. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** How long one answer is waited for. */
export interface KubeWait {
  /** Absent: as long as the client waits for every answer. */
  timeoutMs?: number;
}

/** What only reads of a cluster. */
export type KubeReader = Pick<KubeClient, "get" | "list" | "text">;

/** Objects of one kind. */
export interface KubeCollection {
  /** `/api/v1/namespaces/pso/secrets`; without a namespace those of all. */
  path: string;
  /**
   * Only the objects of that name: a right that names it is enough, because the call does too. What
   * a list gives beside them is left out.
   */
  name?: string;
  /** Only the objects with these fields: `metadata.namespace`, `type`. As for a name. */
  fields?: Readonly<Record<string, string>>;
  /** Objects of one page. Default: 100; fewer where they are large. */
  pageItems?: number;
  /** Only their metadata: lists of it are a fraction of the whole. */
  isMetadataOnly?: boolean;
}

/** An API server that cannot leave the rest out gives whole objects. */
const METADATA_ONLY =
  "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/** One part of a list, and the state of the cluster that the whole list shows. */
interface KubePage {
  items: KubeObject[];
  resourceVersion: string;
  /** How long its text was. */
  bytes: number;
}

/** How a client waits; each absent one as it should be. */
interface KubeClientOptions {
  /** For one call. */
  timeoutMs?: number;
  /** Milliseconds that are never set back. */
  now?: () => number;
}

/** A watch from a state on. */
interface WatchCall {
  resourceVersion: string;
  /** Takes each line; must not throw. */
  onLine: (line: string) => void;
  /** Called when the server has taken the watch. */
  onOpen: () => void;
  signal: AbortSignal;
}

/**
 * The API of one cluster, one call at a time: nothing is repeated here. Every method throws
 * KubeError for an answer that is no success, and `unavailable`, `timeout` or `denied` when there
 * was none within 5 seconds.
 */
export class KubeClient {
  readonly #server: KubeServer;
  readonly #timeoutMs: number;
  readonly #now: () => number;

  constructor(server: KubeServer, options: KubeClientOptions = {}) {
    const { timeoutMs = KUBE_LIMITS.callMs, now = () => performance.now() } = options;
    this.#server = server;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  /** One object. */
  get(path: string, wait: KubeWait = {}): Promise<KubeObject> {
    return this.#call({ method: "GET", path, ...wait });
  }

  /**
   * Replaces the object by `body`, which was read before: status 409 when somebody changed it
   * since. Gives the object as it is now.
   */
  update(path: string, body: KubeObject): Promise<KubeObject> {
    return this.#call({ method: "PUT", path, body });
  }

  /** What the API server gives as plain text, such as the log of a container. */
  async text(path: string, wait: KubeWait = {}): Promise<string> {
    return (await this.#send({ method: "GET", path, ...wait })).response.text;
  }

  /** Makes the object below `path`: status 409 when there is one of its name. */
  create(path: string, body: KubeObject): Promise<KubeObject> {
    return this.#call({ method: "POST", path, body });
  }

  /** Changes those fields alone (JSON merge patch), whatever the others are by now. */
  patch(path: string, body: KubeObject): Promise<KubeObject> {
    return this.#call({ method: "PATCH", path, body });
  }

  /**
   * Deletes the object that has this uid, and no other of its name: status 409 when it is another
   * one by now, 404 when there is none.
   */
  async remove(path: string, uid: string): Promise<void> {
    const body = { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid } };
    await this.#call({ method: "DELETE", path, body });
  }

  /**
   * The objects of a collection, however many pages they come in. `unavailable` for more of them
   * than can be kept, `timeout` when they take longer than five minutes.
   */
  async list(collection: KubeCollection, signal?: AbortSignal): Promise<KubeObject[]> {
    const found: KubeObject[] = [];
    let all = 0;
    for await (const { items, bytes } of this.pages(collection, signal)) {
      all += bytes;
      if (found.length + items.length > KUBE_LIMITS.listItems) {
        throw this.#endless(collection, `${KUBE_LIMITS.listItems} objects`);
      }
      if (all > KUBE_LIMITS.listBytes) {
        throw this.#endless(collection, `${KUBE_LIMITS.listBytes} bytes`);
      }
      for (const item of items) found.push(item);
    }
    return found;
  }

  /**
   * The pages of a list, one after another: who keeps nothing of them can read a list of any
   * length. Status 410 when the list has become too old between two pages: it must be begun anew.
   * `timeout` when all of them take longer than five minutes.
   */
  async *pages(collection: KubeCollection, signal?: AbortSignal): AsyncGenerator<KubePage> {
    let next = "";
    const endMs = this.#now() + KUBE_LIMITS.listMs;
    for (let count = 0; count < KUBE_LIMITS.pages; count++) {
      const timeoutMs = Math.min(this.#timeoutMs, endMs - this.#now());
      if (timeoutMs <= 0) throw this.#slow(collection);
      const path = pathOf(collection, {
        limit: `${collection.pageItems ?? KUBE_LIMITS.pageItems}`,
        ...next !== "" && { continue: next },
      });
      const accept = collection.isMetadataOnly ? METADATA_ONLY : undefined;
      const { response, what } = await this.#send({
        method: "GET",
        path,
        accept,
        timeoutMs,
        signal,
      });
      const { items, metadata } = readObject(response.text, what);
      const { resourceVersion, continue: more } = isObject(metadata) ? metadata : {};
      const objects = Array.isArray(items) ? items.filter(isObject) : [];
      yield {
        // Who leaves the selector out, as a proxy may, must not give another's object.
        items: objects.filter((object) => isOf(object, collection)),
        resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "",
        bytes: response.text.length,
      };
      if (typeof more !== "string" || more === "") return;
      next = more;
    }
    throw this.#endless(collection, `${KUBE_LIMITS.pages} pages`);
  }

  #endless({ path }: KubeCollection, limit: string): PsoError {
    return new PsoError(
      "unavailable",
      `the list ${path} of the Kubernetes API at ${this.#server.address} has more than ${limit}: ` +
        "look at what fills it",
    );
  }

  #slow({ path }: KubeCollection): PsoError {
    return new PsoError(
      "timeout",
      `the list ${path} of the Kubernetes API at ${this.#server.address} took longer than ` +
        `${KUBE_LIMITS.listMs / 1000} s: look at what fills it, and at the API server's load`,
    );
  }

  /**
   * What happens in a collection from a state on, a line of JSON for each event. Resolves when the
   * server ends the watch, as it does after a minute; status 410 when the state is too old.
   */
  async watch(
    collection: KubeCollection,
    { resourceVersion, onLine, onOpen, signal }: WatchCall,
  ): Promise<void> {
    const path = pathOf(collection, {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion,
      timeoutSeconds: `${KUBE_LIMITS.watchMs / 1000}`,
    });
    const timeoutMs = KUBE_LIMITS.watchMs + this.#timeoutMs;
    await this.#send({ method: "GET", path, onLine, onOpen, timeoutMs, signal });
  }

  async #call(call: KubeCall): Promise<KubeObject> {
    const { response, what } = await this.#send(call);
    return readObject(response.text, what);
  }

  async #send(call: KubeCall): Promise<{ response: HttpResponse; what: string }> {
    const { method, path, body, accept, onLine, onOpen, signal } = call;
    const { timeoutMs = this.#timeoutMs } = call;
    const verb = onLine ? "watch" : method;
    const what = `${verb} ${path.split("?")[0]} of the Kubernetes API at ${this.#server.address}`;
    let response: HttpResponse;
    try {
      response = await withDeadline(what, { timeoutMs, signal }, async (signal) => {
        const { fetch, token } = await this.#server.access();
        return await fetch({
          method,
          path,
          headers: {
            ...token && { authorization: `Bearer ${token.reveal()}` },
            ...accept && { accept },
            ...method === "PATCH" && { "content-type": "application/merge-patch+json" },
          },
          body: body && JSON.stringify(body),
          answerBytes: onLine ? KUBE_LIMITS.eventBytes : KUBE_LIMITS.answerBytes,
          onLine,
          onOpen,
          signal,
        });
      });
    } catch (error) {
      if (!isPsoError(error)) throw error;
      throw new PsoError(error.code, `no answer to ${what}: ${error.message}`, { cause: error });
    }
    if (response.status < 200 || response.status > 299) throw errorOf(response, { what, call });
    return { response, what };
  }
}

/** What each refusal means; other statuses are trouble of the moment. */
const REFUSALS: Readonly<Record<number, { code: ErrorCode; advice: string }>> = {
  401: {
    code: "denied",
    advice: "the credentials are not accepted; log in again, and in a pod mount a projected token",
  },
  403: { code: "denied", advice: "give the account this right" },
  404: { code: "not_found", advice: "there is no such object; install the chart again" },
  409: { code: "busy", advice: "somebody changed it meanwhile" },
  410: { code: "unavailable", advice: "what was asked from is too old; the list is read again" },
};

/** What is asked for by its fields, that of its name among them. */
function fieldsOf({ name, fields }: KubeCollection): [string, string][] {
  return Object.entries({ ...name !== undefined && { "metadata.name": name }, ...fields });
}

function isOf(object: KubeObject, collection: KubeCollection): boolean {
  return fieldsOf(collection).every(([field, wanted]) => {
    let value: unknown = object;
    for (const key of field.split(".")) value = isObject(value) ? value[key] : undefined;
    return value === wanted;
  });
}

function pathOf(collection: KubeCollection, query: Record<string, string>): string {
  const fields = fieldsOf(collection).map(([field, value]) => `${field}=${value}`).join(",");
  const selector: Record<string, string> = fields === "" ? {} : { fieldSelector: fields };
  return `${collection.path}?${new URLSearchParams({ ...selector, ...query })}`;
}

const RBAC_VERBS = { PUT: "update", POST: "create", PATCH: "patch", DELETE: "delete" } as const;
const PATH =
  /^\/(?:api|apis\/[^/]+)\/[^/]+\/(?:namespaces\/([^/]+)\/)?([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?/;

/** The right that a call needs, in the words of RBAC; empty for what is no object. */
function rightFor({ method, path, onLine }: KubeCall): string {
  const [, namespace, collection, name, part] = PATH.exec(path.split("?")[0] ?? "") ?? [];
  if (collection === undefined) return "";
  const reading = onLine ? "watch" : name === undefined ? "list" : "get";
  const verb = method === "GET" ? reading : RBAC_VERBS[method];
  const place = namespace === undefined ? "" : ` in namespace ${namespace}`;
  return ` (${verb} ${collection}${part === undefined ? "" : `/${part}`}${place})`;
}

function errorOf(
  { status, text }: HttpResponse,
  { what, call }: { what: string; call: KubeCall },
): KubeError {
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
  const right = status === 403 ? rightFor(call) : "";
  return new KubeError(code, `${what} is answered ${status} (${shown}): ${advice}${right}`, {
    status,
  });
}

/** The text itself is told nowhere, not even in part: it may be a Secret. */
function readObject(text: string, what: string): KubeObject {
  const value = jsonOf(text);
  if (isObject(value)) return value;
  throw new PsoError(
    "unavailable",
    `${what} is answered with ${value === undefined ? "no JSON" : "no object"}: look at the API ` +
      "server",
  );
}

/** The value of a text; undefined for one that is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value of JSON has members. */
export function isObject(value: unknown): value is KubeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
