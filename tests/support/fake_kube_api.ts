// A Kubernetes API server with Leases and one CSIDriver, as far as a controller asks it: objects
// with resourceVersion, refusals with a Status, and faults. Answers in memory, or over HTTPS.
import { type Fetch, TransportError } from "../../src/net/https.ts";
import { Secret } from "../../src/secret.ts";
import type { KubeServer } from "../../src/kube/credentials.ts";
import type { KubeObject } from "../../src/kube/client.ts";
import { NEW_KEY, openssl } from "./openssl.ts";

const TOKEN = "token-of-the-fake-service-account";
const LEASES =
  /^\/apis\/coordination\.k8s\.io\/v1\/(?:namespaces\/([^/]+)\/)?leases(?:\/([^/]+))?$/;
const DRIVERS = "/apis/storage.k8s.io/v1/csidrivers/";

const NO_ANSWER = new TransportError("timeout", "it does not answer", { sent: true });

/** How a call goes wrong: no answer, no answer to what was carried out, or a refusal. */
type KubeFault = "silent" | "answer lost" | "forbidden";

interface KubeCall {
  method: string;
  /** With the query. */
  path: string;
  body?: string;
}

interface KubeAnswer {
  status: number;
  text: string;
}

/** What a Lease says of its holder; absent in a new one. */
interface LeaseSpec {
  holderIdentity?: string;
  leaseTransitions?: number;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
}

/** Where an object stands; without a namespace it is the cluster's. */
interface ObjectKey {
  namespace?: string;
  name: string;
}

interface Stored {
  metadata: ObjectKey & { uid: string; resourceVersion: string };
  spec?: LeaseSpec;
  [field: string]: unknown;
}

/** The state of the fake; every answer is decided by `answer`. */
export class FakeKubeApi {
  /** What each call meets, as long as it is set. */
  fault?: KubeFault;
  readonly #objects = new Map<string, Stored>();
  #version = 0;

  /** Makes or replaces an object as a person or a chart would. */
  put(key: ObjectKey, fields: KubeObject = {}): void {
    const id = idOf(key);
    const uid = crypto.randomUUID();
    this.#objects.set(id, {
      ...fields,
      metadata: { ...(fields.metadata ?? {}), ...key, uid, resourceVersion: this.#next() },
    });
  }

  /** Changes what stands beside the spec, as a person who labels the object. */
  touch(key: ObjectKey): void {
    this.#get(key).metadata.resourceVersion = this.#next();
  }

  /** Changes the spec as another process would. */
  edit(key: ObjectKey, spec: LeaseSpec): void {
    const stored = this.#get(key);
    stored.spec = { ...stored.spec, ...spec };
    stored.metadata.resourceVersion = this.#next();
  }

  remove(key: ObjectKey): void {
    this.#objects.delete(idOf(key));
  }

  /** What the Lease says; empty when there is none. */
  spec(key: ObjectKey): LeaseSpec {
    return this.#objects.get(idOf(key))?.spec ?? {};
  }

  #get(key: ObjectKey): Stored {
    const stored = this.#objects.get(idOf(key));
    if (!stored) throw new Error(`there is no object ${idOf(key)}`);
    return stored;
  }

  /** The server in memory: what `fetch` sends is answered at once. */
  server(): KubeServer {
    const token = new Secret(TOKEN);
    const fetch: Fetch = (request) => {
      const { method, path, body } = request;
      const { answer, isHeard } = this.#hear({ method, path, body });
      if (!isHeard) return Promise.reject(NO_ANSWER);
      return Promise.resolve({ ...answer, headers: {} });
    };
    const access = () => Promise.resolve({ fetch, token });
    return { address: "10.0.0.1:443", access, close: () => {} };
  }

  /** Carries the call out, unless a fault forbids; whether its caller gets the answer. */
  #hear(call: KubeCall): { answer: KubeAnswer; isHeard: boolean } {
    if (this.fault === "silent") return { answer: refusal(504, "silent"), isHeard: false };
    if (this.fault === "forbidden") return { answer: refusal(403, "forbidden"), isHeard: true };
    return { answer: this.answer(call), isHeard: this.fault === undefined };
  }

  answer(call: KubeCall): KubeAnswer {
    const [path = "", query = ""] = call.path.split("?");
    if (path.startsWith(DRIVERS)) return this.#one({ name: path.slice(DRIVERS.length) }, call);
    const [, namespace, name] = LEASES.exec(path) ?? [];
    if (namespace !== undefined && name !== undefined) return this.#one({ namespace, name }, call);
    const wanted = decodeURIComponent(query).replace(/^fieldSelector=metadata\.name=/, "");
    const items = [...this.#objects.values()].filter(({ metadata }) =>
      metadata.namespace !== undefined && metadata.name === wanted
    );
    return { status: 200, text: JSON.stringify({ kind: "LeaseList", items }) };
  }

  #one(key: ObjectKey, { method, body }: KubeCall): KubeAnswer {
    const id = idOf(key);
    const stored = this.#objects.get(id);
    if (!stored) return refusal(404, `"${key.name}" not found`);
    if (method === "GET") return { status: 200, text: JSON.stringify(stored) };
    if (method !== "PUT") return refusal(405, "method not allowed");
    const sent: Stored = JSON.parse(body ?? "");
    const { resourceVersion, uid } = stored.metadata;
    if (sent.metadata.resourceVersion !== resourceVersion || sent.metadata.uid !== uid) {
      return refusal(409, "the object has been modified");
    }
    for (const time of [sent.spec?.renewTime, sent.spec?.acquireTime]) {
      if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(time ?? "")) {
        return refusal(400, `cannot parse ${time} as a MicroTime`);
      }
    }
    const metadata = { ...stored.metadata, resourceVersion: this.#next() };
    this.#objects.set(id, { ...sent, metadata });
    return { status: 200, text: JSON.stringify(this.#objects.get(id)) };
  }

  #next(): string {
    return String(++this.#version);
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
    }, async (request) => {
      if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) {
        return new Response(`{"message":"Unauthorized"}`, { status: 401 });
      }
      const { pathname, search } = new URL(request.url);
      const { method } = request;
      const call = { method, path: `${pathname}${search}`, body: await request.text() };
      const { answer, isHeard } = this.#hear(call);
      if (!isHeard) {
        await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      }
      return new Response(answer.text, { status: answer.status });
    });
    return {
      port: server.addr.port,
      stop: async () => {
        ended.abort();
        await server.finished;
      },
    };
  }
}

/** A fake API server that listens. */
export interface ServedKubeApi {
  port: number;
  stop(): Promise<void>;
}

function idOf({ namespace = "", name }: ObjectKey): string {
  return `${namespace}/${name}`;
}

function refusal(status: number, message: string): KubeAnswer {
  return { status, text: JSON.stringify({ kind: "Status", code: status, message }) };
}
