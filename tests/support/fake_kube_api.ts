// A Kubernetes API server as far as this program asks it: objects with resourceVersion, lists in
// pages, watches, refusals with a Status, and faults. Answers in memory, or over HTTPS.
import { type Fetch, type HttpRequest, TransportError } from "../../src/net/https.ts";
import { Secret } from "../../src/secret.ts";
import type { KubeServer } from "../../src/kube/credentials.ts";
import type { KubeObject } from "../../src/kube/client.ts";
import {
  FakeKubeStore,
  type KubeAnswer,
  type ObjectKey,
  type Selection,
  type Stored,
} from "./fake_kube_store.ts";
import { NEW_KEY, openssl } from "./openssl.ts";

const TOKEN = "token-of-the-fake-service-account";
const PATH =
  /^\/(?:api\/v1|apis\/[^/]+\/v1)\/(?:namespaces\/([^/]+)\/)?([a-z]+)(?:\/([^/]+))?(?:\/status)?$/;

const NO_ANSWER = new TransportError("timeout", "it does not answer", { sent: true });

/** How a call goes wrong: no answer, no answer to what was carried out, or a refusal. */
type KubeFault = "silent" | "answer lost" | "forbidden";

interface KubeCall {
  method: string;
  /** With the query. */
  path: string;
  body?: string;
}

/** What a Lease says of its holder; absent in a new one. */
interface LeaseSpec {
  holderIdentity?: string;
  leaseTransitions?: number;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
}

/** The state of the fake; every answer is decided by `answer`. */
export class FakeKubeApi {
  /** What each call meets, as long as it is set. */
  fault?: KubeFault;
  /** Collections of which each call is answered 403. */
  readonly forbidden = new Set<string>();
  /** Every call, as `METHOD /path?query`. */
  readonly calls: string[] = [];
  readonly store = new FakeKubeStore();

  /** Makes or replaces an object as a person or a chart would. */
  put(key: ObjectKey, fields: KubeObject = {}): void {
    this.store.put(key, fields);
  }

  /** Changes what stands beside the spec, as a person who labels the object. */
  touch(key: ObjectKey): void {
    this.edit(key, {});
  }

  /** Changes the spec as another process would. */
  edit(key: ObjectKey, spec: LeaseSpec): void {
    const stored = this.store.find(key);
    if (!stored) throw new Error(`there is no object ${key.name}`);
    this.store.put(key, { ...stored, spec: { ...specOf(stored), ...spec } }, stored.metadata.uid);
  }

  remove(key: ObjectKey): void {
    this.store.remove(key);
  }

  /** What the Lease says; empty when there is none. */
  spec(key: ObjectKey): LeaseSpec {
    return specOf(this.store.find(key) ?? {});
  }

  endWatches(): void {
    this.store.endWatches();
  }

  /** The server in memory: what `fetch` sends is answered at once. */
  server(): KubeServer {
    const token = new Secret(TOKEN);
    const fetch: Fetch = (request) => {
      const { method, path, body, onLine } = request;
      const { answer, isHeard } = this.#hear({ method, path, body });
      if (!isHeard) return Promise.reject(NO_ANSWER);
      if (answer.status === 200 && onLine && isWatch(path)) return this.#watchInMemory(request);
      return Promise.resolve({ ...answer, headers: {} });
    };
    const access = () => Promise.resolve({ fetch, token });
    return { address: "10.0.0.1:443", access, close: () => {} };
  }

  #watchInMemory({ path, onLine, onOpen, signal }: HttpRequest): ReturnType<Fetch> {
    return new Promise((resolve, reject) => {
      onOpen?.();
      let stop = () => {};
      signal?.addEventListener("abort", () => {
        stop();
        reject(new TransportError("timeout", "aborted", { sent: true }));
      });
      stop = this.store.watch(watchOf(path), {
        send: (line) => onLine?.(line),
        end: () => resolve({ status: 200, headers: {}, text: "" }),
      });
    });
  }

  /** Carries the call out, unless a fault forbids; whether its caller gets the answer. */
  #hear(call: KubeCall): { answer: KubeAnswer; isHeard: boolean } {
    this.calls.push(`${call.method} ${call.path}`);
    if (this.fault === "silent") return { answer: refusal(504, "silent"), isHeard: false };
    if (this.fault === "forbidden") return { answer: refusal(403, "forbidden"), isHeard: true };
    return { answer: this.answer(call), isHeard: this.fault === undefined };
  }

  answer(call: KubeCall): KubeAnswer {
    const [path = "", query = ""] = call.path.split("?");
    const [, namespace, collection, name] = PATH.exec(path) ?? [];
    if (collection === undefined) return refusal(404, `no resource ${path}`);
    if (this.forbidden.has(collection)) return refusal(403, `${collection} is forbidden`);
    if (name !== undefined) return this.#one({ collection, namespace, name }, call);
    if (call.method === "POST") return this.#create({ collection, namespace }, call);
    if (call.method !== "GET") return refusal(405, "method not allowed");
    const options = new URLSearchParams(query);
    if (options.has("watch")) return { status: 200, text: "" };
    return this.#list(selectionOf({ collection, namespace }, options), options);
  }

  #list(selection: Selection, options: URLSearchParams): KubeAnswer {
    const [offset = "0", version = String(this.store.version)] =
      options.get("continue")?.split("@") ?? [];
    if (Number(version) < this.store.oldest) return refusal(410, "the continue token is too old");
    const all = this.store.select(selection);
    const end = Number(offset) + Number(options.get("limit") ?? Infinity);
    const metadata = {
      resourceVersion: version,
      ...end < all.length && { continue: `${end}@${version}` },
    };
    const items = all.slice(Number(offset), end);
    return { status: 200, text: JSON.stringify({ kind: "List", metadata, items }) };
  }

  #create(place: Omit<Selection, "name">, { body }: KubeCall): KubeAnswer {
    const sent = JSON.parse(body ?? "");
    const key = { ...place, name: sent.metadata.name };
    if (this.store.find(key)) return refusal(409, `${key.name} already exists`);
    return { status: 201, text: JSON.stringify(this.store.put(key, sent)) };
  }

  #one(key: ObjectKey, { method, body }: KubeCall): KubeAnswer {
    const stored = this.store.find(key);
    if (!stored) return refusal(404, `"${key.name}" not found`);
    if (method === "GET") return { status: 200, text: JSON.stringify(stored) };
    const { resourceVersion, uid } = stored.metadata;
    const sent = JSON.parse(body ?? "");
    if (method === "DELETE") return this.#end(key, sent.preconditions?.uid);
    if (method === "PATCH") {
      const version = sent.metadata?.resourceVersion;
      if (version !== undefined && version !== resourceVersion) {
        return refusal(409, "the object has been modified");
      }
      const changed = this.store.put(key, mergePatch(stored, sent), uid);
      if (isEnding(changed) && finalizersOf(changed).length === 0) this.store.remove(key);
      return { status: 200, text: JSON.stringify(changed) };
    }
    if (method !== "PUT") return refusal(405, "method not allowed");
    if (sent.metadata.resourceVersion !== resourceVersion || sent.metadata.uid !== uid) {
      return refusal(409, "the object has been modified");
    }
    for (const time of [sent.spec?.renewTime, sent.spec?.acquireTime]) {
      if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(time ?? "")) {
        return refusal(400, `cannot parse ${time} as a MicroTime`);
      }
    }
    return { status: 200, text: JSON.stringify(this.store.put(key, sent, uid)) };
  }

  /** An object with finalizers is only marked, and goes with the last of them. */
  #end(key: ObjectKey, wantedUid: string | undefined): KubeAnswer {
    const stored = this.store.find(key);
    if (!stored) return refusal(404, `"${key.name}" not found`);
    const { uid } = stored.metadata;
    if (wantedUid !== undefined && wantedUid !== uid) return refusal(409, "another uid");
    if (finalizersOf(stored).length === 0) this.store.remove(key);
    else if (!isEnding(stored)) {
      const metadata = { ...stored.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
      this.store.put(key, { ...stored, metadata }, uid);
    }
    return { status: 200, text: `{"kind":"Status"}` };
  }

  /**
   * Serves over HTTPS on 127.0.0.1 and writes what a pod is given into `folder`: `token` and
   * `ca.crt`. While the fault is `silent`, calls are not answered.
   */
  async serve(folder: string): Promise<ServedKubeApi> {
    await openssl(folder, [
      ...["req", "-x509", ...NEW_KEY, "-keyout", "api.key", "-out", "ca.crt", "-days", "2"],
      ...["-subj", "/CN=kube-apiserver", "-addext", "subjectAltName=IP:127.0.0.1"],
    ]);
    await Deno.writeTextFile(`${folder}/token`, TOKEN);
    const ended = new AbortController();
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: await Deno.readTextFile(`${folder}/ca.crt`),
      key: await Deno.readTextFile(`${folder}/api.key`),
      signal: ended.signal,
      onListen: () => {},
    }, (request) => this.#respond(request));
    return {
      port: server.addr.port,
      stop: async () => {
        this.endWatches();
        ended.abort();
        await server.finished;
      },
    };
  }

  async #respond(request: Request): Promise<Response> {
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) {
      return new Response(`{"message":"Unauthorized"}`, { status: 401 });
    }
    const { pathname, search } = new URL(request.url);
    const path = `${pathname}${search}`;
    const { method } = request;
    const { answer, isHeard } = this.#hear({ method, path, body: await request.text() });
    if (!isHeard) {
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    }
    const headers = { "content-type": "application/json" };
    return answer.status === 200 && isWatch(path)
      ? new Response(this.#stream(path), { headers })
      : new Response(answer.text, { status: answer.status, headers });
  }

  #stream(path: string): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    let stop = () => {};
    return new ReadableStream({
      start: (stream) => {
        stop = this.store.watch(watchOf(path), {
          send: (line) => stream.enqueue(encoder.encode(`${line}\n`)),
          end: () => stream.close(),
        });
      },
      cancel: () => stop(),
    });
  }
}

/** A fake API server that listens. */
export interface ServedKubeApi {
  port: number;
  stop(): Promise<void>;
}

function isWatch(path: string): boolean {
  return new URLSearchParams(path.split("?")[1]).has("watch");
}

function selectionOf(place: Omit<Selection, "name">, options: URLSearchParams): Selection {
  const name = options.get("fieldSelector")?.replace(/^metadata\.name=/, "");
  return { ...place, name };
}

function watchOf(call: string): { selection: Selection; since: number } {
  const [path = "", query = ""] = call.split("?");
  const [, namespace, collection = ""] = PATH.exec(path) ?? [];
  const options = new URLSearchParams(query);
  const selection = selectionOf({ collection, namespace }, options);
  return { selection, since: Number(options.get("resourceVersion")) };
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: KubeObject): KubeObject {
  const isObject = (value: unknown): value is KubeObject =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const merged: KubeObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = isObject(value) ? mergePatch(merged[key], value) : value;
  }
  return merged;
}

function finalizersOf({ metadata }: Stored): unknown[] {
  const { finalizers } = { finalizers: [], ...metadata };
  return finalizers;
}

function isEnding({ metadata }: Stored): boolean {
  return "deletionTimestamp" in metadata;
}

function specOf({ spec }: KubeObject): LeaseSpec {
  return typeof spec === "object" && spec !== null ? spec : {};
}

function refusal(status: number, message: string): KubeAnswer {
  return { status, text: JSON.stringify({ kind: "Status", code: status, message }) };
}
