import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  Agent as PlainAgent,
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
} from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import type { Socket } from "node:net";
import { withoutBrackets } from "./address.ts";
import { trustSystemAuthorities } from "./authorities.ts";
import { AnswerReader, type HttpResponse, TOO_LARGE, withCode } from "./answer_reader.ts";
import { type ShownCertificate, shownCertificate } from "./certificate.ts";
import { plainHex, withColons } from "./fingerprint.ts";
import { messageOf, PsoError } from "../errors.ts";
import { certificateReason, connectionReason, isCertificateCode } from "./connection_faults.ts";
import { type ClientIdentity, TlsHandshakes, type TlsTrust } from "./tls_handshakes.ts";

export type { HttpResponse } from "./answer_reader.ts";

// HTTP over node:https and not fetch: Deno's fetch refuses the self-signed certificates with
// CA:TRUE that arrays ship, even when told to trust them, and cannot pin one.

/** One request; the client adds content-length, and content-type where `headers` has none. */
export interface HttpRequest {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** With the query: `/api/2.4/volumes?limit=1`. */
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** Less than is read otherwise; absent: as much as the server may send. */
  answerBytes?: number;
  /**
   * For an answer without end: takes each line of a success (status 200) as it comes, and must not
   * throw. `answerBytes` is the limit of one line then, and the text of the answer empty.
   */
  onLine?: (line: string) => void;
  /** Called when the head of a success has come, and its lines may. */
  onOpen?: () => void;
  /**
   * Called when the connection is there, right before the first byte leaves. What it throws ends
   * the request, of which nothing was sent then.
   */
  beforeBytes?: () => void;
  signal?: AbortSignal;
}

/**
 * The edge to one HTTP server. Rejects with TransportError when no complete answer came, and at
 * once when the signal fires, whatever the server does.
 */
export type Fetch = (request: HttpRequest) => Promise<HttpResponse>;

/**
 * No complete answer: `denied` for a refused certificate, `timeout` when the signal fired, else
 * `unavailable`.
 */
export class TransportError extends PsoError {
  /** `false` only when the request surely never left: nothing can have happened on the server. */
  readonly sent: boolean;
  constructor(
    code: "denied" | "timeout" | "unavailable",
    message: string,
    options: { sent: boolean; cause?: unknown },
  ) {
    super(code, message, { cause: options.cause });
    this.sent = options.sent;
  }
}

/** The answer was larger than is read: fewer objects may be asked for. */
export class AnswerTooLargeError extends TransportError {}

/** One server, and how much is waited for and read of it. */
export interface HttpsOptions {
  scheme?: "https" | "http";
  /** Host with `:port` where it is not the scheme's own; IPv6 in brackets. */
  address: string;
  tls: TlsTrust;
  /** Shown to a server that asks for it. */
  identity?: ClientIdentity;
  /** The name that the certificate must have, where that is not the host (default: the host). */
  serverName?: string;
  /** Longest wait for a connection, TLS included (default 10 s). */
  connectTimeoutMs?: number;
  /** A larger answer is cut off and refused (default 4 MiB). */
  maxResponseBytes?: number;
  /** Of answers that are larger than this, one is read at a time (default 64 KiB). */
  smallAnswerBytes?: number;
}

/**
 * Idle connections are closed by us before the server does, so that a request seldom meets a
 * connection that is being closed.
 */
const IDLE_MS = 15_000;
const MAX_IDLE_CONNECTIONS = 64;

/**
 * One server with its own connections: a kept connection is used again without a new check, so
 * trust must never be shared.
 */
export class HttpsClient {
  readonly #options: HttpsOptions;
  readonly #agent: PlainAgent | TlsAgent;
  readonly #host: string;
  readonly #port: number;
  readonly #pin: string | undefined;
  readonly #handshakes: TlsHandshakes;
  readonly #reader: AnswerReader;

  constructor(options: HttpsOptions) {
    this.#options = options;
    const scheme = options.scheme ?? "https";
    const url = new URL(`${scheme}://${options.address}`);
    this.#host = withoutBrackets(url.hostname);
    this.#port = url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port);
    this.#pin = options.tls.verify && options.tls.fingerprint !== undefined
      ? plainHex(options.tls.fingerprint)
      : undefined;
    this.#handshakes = new TlsHandshakes({
      ...{ host: this.#host, port: this.#port, pin: this.#pin },
      ...{ tls: options.tls, identity: options.identity, serverName: options.serverName },
      timeoutMs: options.connectTimeoutMs ?? 10_000,
    });
    this.#reader = new AnswerReader({
      answerBytes: options.maxResponseBytes ?? 4 * 1024 * 1024,
      smallAnswerBytes: options.smallAnswerBytes ?? 64 * 1024,
    });
    const pool = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS, timeout: IDLE_MS };
    if (scheme === "https") trustSystemAuthorities();
    this.#agent = scheme === "http" ? new PlainAgent(pool) : this.#tlsAgent(pool);
  }

  /** Sends one request and reads the whole answer. Nothing is repeated. */
  readonly fetch: Fetch = (request) =>
    new Promise((resolve, reject) => {
      if (request.signal?.aborted) return reject(this.#abortError(request, false));
      const state = { sent: false };
      const outgoing = this.#start(request);
      const send = () => {
        if (outgoing.destroyed) return;
        try {
          request.beforeBytes?.();
        } catch (error) {
          reject(error);
          outgoing.destroy();
          return;
        }
        state.sent = true;
        outgoing.end(request.body);
      };
      outgoing.on("socket", (socket: Socket) => {
        // A TLS socket is only given out after its handshake (see #tlsAgent); a plain one may still
        // be on its way.
        if (socket.connecting) socket.once("connect", send);
        else send();
      });
      const onAbort = () => {
        reject(this.#abortError(request, state.sent)); // not when the socket agrees to close
        outgoing.destroy();
      };
      request.signal?.addEventListener("abort", onAbort, { once: true });
      const settle = () => request.signal?.removeEventListener("abort", onAbort);
      const fail = (error: unknown) => {
        outgoing.destroy();
        this.#explain(error, state.sent).then(reject).finally(settle);
      };
      this.#answerTo(outgoing, request).then(resolve, fail).finally(settle);
    });

  /** The whole answer to a request; an Error when its connection ends in any other way. */
  #answerTo(
    outgoing: ClientRequest,
    { answerBytes, onLine, onOpen }: HttpRequest,
  ): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.on("upgrade", (_: IncomingMessage, socket: Socket) => {
        socket.destroy();
        reject(withCode("it answered 101 and leaves HTTP; check what listens there", "EPROTO"));
      });
      const countAnew = this.#reader.watch(outgoing, { answerBytes, refuse: reject });
      const lines = onLine && ((line: string) => {
        countAnew();
        onLine(line);
      });
      let isAnswered = false;
      outgoing.on("response", (incoming: IncomingMessage) => {
        isAnswered = true;
        if (incoming.statusCode === 200) onOpen?.();
        this.#reader.read(incoming, { answerBytes, onLine: lines }).then(resolve, reject);
      });
      outgoing.on("close", () => {
        if (!isAnswered) reject(withCode("closed before the answer", "ECONNRESET"));
      });
    });
  }

  /** Closes all connections; requests that still run fail. */
  close(): void {
    this.#handshakes.close();
    this.#agent.destroy();
  }

  /**
   * SHA-256 of the certificate that the server shows now, as `AB:CD:…`, without any
   * check. `undefined` when the server shows none in time.
   */
  presentedFingerprint(): Promise<string | undefined> {
    return this.#handshakes.presented(({ fingerprint256 }) => fingerprint256);
  }

  /**
   * SHA-256 of the public key that the server proves to have now, whatever its certificate says and
   * whoever signed that: a renewed certificate may have the same key. `undefined` when there is
   * none in time, and over plain HTTP.
   */
  async presentedKey(): Promise<string | undefined> {
    if (this.#options.scheme === "http") return undefined;
    const key = await this.#handshakes.presented(({ pubkey }) => pubkey);
    return key && createHash("sha256").update(key).digest("hex");
  }

  /** The certificate that the server shows now, without any check. `undefined` as above. */
  presentedCertificate(): Promise<ShownCertificate | undefined> {
    return this.#options.scheme === "http"
      ? Promise.resolve(undefined)
      : this.#handshakes.presented(shownCertificate);
  }

  #start(request: HttpRequest): ClientRequest {
    const headers: Record<string, string> = { accept: "application/json", ...request.headers };
    if (request.body !== undefined) headers["content-type"] ??= "application/json";
    if (request.method !== "GET") {
      headers["content-length"] = String(Buffer.byteLength(request.body ?? ""));
    }
    const options = {
      host: this.#host,
      port: this.#port,
      path: request.path,
      method: request.method,
      headers,
      agent: this.#agent,
    };
    const outgoing = this.#agent instanceof TlsAgent ? tlsRequest(options) : plainRequest(options);
    // Deno 2.9 (not Node) repeats a request by itself when a kept connection ends before the
    // answer, even a POST and even one that was aborted. It does so only when this property is
    // true. A transport must not repeat changes, so the property is always false.
    Object.defineProperty(outgoing, "reusedSocket", { get: () => false, set: () => {} });
    return outgoing;
  }

  /**
   * An agent that hands out a socket only when its certificate is accepted: no byte of a request (a
   * token!) leaves before that.
   */
  #tlsAgent(pool: ConstructorParameters<typeof TlsAgent>[0]): TlsAgent {
    const agent = new TlsAgent(pool);
    const create = (_options: unknown, done: (error: Error | null, socket?: Socket) => void) => {
      this.#handshakes.connect().then((socket) => done(null, socket), (error) => done(error));
    };
    // The types know only agents that answer at once; node:http takes the callback form too.
    return Object.assign(agent, { createConnection: create });
  }

  #abortError(request: HttpRequest, sent: boolean): TransportError {
    const cause = request.signal?.reason;
    const [path] = request.path.split("?");
    const what = `${this.#options.address} did not answer ${request.method} ${path} in time`;
    const why = cause instanceof PsoError ? cause.message : "look at its load and at the network";
    return new TransportError("timeout", `${what}: ${why}`, { sent, cause });
  }

  async #explain(error: unknown, sent: boolean): Promise<TransportError> {
    const code = codeOf(error);
    if (isCertificateCode(code)) return await this.#certificateError(error, code);
    const options = { sent, cause: error };
    const { address } = this.#options;
    if (code === TOO_LARGE) {
      const message = `${address} gave more than is read: ${messageOf(error)}`;
      return new AnswerTooLargeError("unavailable", message, options);
    }
    const reason = connectionReason({ error, code, sent });
    return new TransportError("unavailable", `${address} cannot be reached: ${reason}`, options);
  }

  async #certificateError(error: unknown, code: string): Promise<TransportError> {
    const { address, tls } = this.#options;
    const why = certificateReason({
      error,
      code,
      shown: await this.presentedFingerprint(),
      pinned: this.#pin === undefined ? undefined : withColons(this.#pin),
      hasOwnCa: tls.caPem !== undefined,
    });
    return new TransportError("denied", `the certificate of ${address} is not trusted: ${why}`, {
      sent: false,
      cause: error,
    });
  }
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}
