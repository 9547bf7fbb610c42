import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { messageOf, PsoError } from "../errors.ts";

/** A request with its whole body read. */
export interface Incoming {
  method: string;
  /** As sent, with the query. */
  target: string;
  headers: Headers;
  body: string;
  /** IP address that it came from. */
  client: string;
}

/** An answer, or `dropped`: the connection is closed with no byte sent. */
export type Outcome = Response | "dropped";

/** Where an HttpListener listens, and with which certificate. */
interface ListenOptions {
  hostname: string;
  /** 0 = the kernel chooses. */
  port: number;
  /** Serves HTTPS when given. */
  certificate?: { cert: string; key: string };
}

/**
 * Keep-alive connections stay open longer than any client waits between two calls, so that no
 * request races a close.
 */
const KEEP_ALIVE_MS = 10 * 60_000;

/**
 * A bound HTTP or HTTPS server. node:http rather than Deno.serve: only there a connection can be
 * closed without an answer.
 */
export class HttpListener {
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #running: Set<Promise<void>>;
  private constructor(
    server: ReturnType<typeof createServer>,
    port: number,
    running: Set<Promise<void>>,
  ) {
    this.#server = server;
    this.port = port;
    this.#running = running;
  }

  /** Binds and serves. PsoError `unavailable` when the port cannot be bound. */
  static async listen(
    options: ListenOptions,
    handle: (incoming: Incoming) => Promise<Outcome>,
  ): Promise<HttpListener> {
    const running = new Set<Promise<void>>();
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      const work = serve(request, response, handle).finally(() => running.delete(work));
      running.add(work);
    };
    const { certificate } = options;
    const server = certificate === undefined
      ? createServer(onRequest)
      : createTlsServer({ cert: certificate.cert, key: certificate.key }, onRequest);
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: Error) =>
        reject(
          new PsoError(
            "unavailable",
            `cannot listen on ${options.hostname}:${options.port}: ${
              messageOf(error)
            }; choose another port`,
            {
              cause: error,
            },
          ),
        ));
      server.listen(options.port, options.hostname, () => resolve());
    });
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : options.port;
    return new HttpListener(server, port, running);
  }

  /** Takes no new request, lets the running ones finish, then closes every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
    this.#server.closeAllConnections();
    await closed;
  }
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    request.on("data", (part: Uint8Array) => parts.push(part));
    request.on("end", () => resolve(Buffer.concat(parts).toString("utf8")));
    request.on("error", reject);
    // After "end" this changes nothing: a promise settles once.
    request.on(
      "close",
      () => reject(new Error("the caller went away before its request was complete")),
    );
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  handle: (incoming: Incoming) => Promise<Outcome>,
): Promise<void> {
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
    }
    const body = await readBody(request);
    const outcome = await handle({
      method: request.method ?? "GET",
      target: request.url ?? "/",
      headers,
      body,
      client: request.socket.remoteAddress ?? "",
    });
    if (outcome === "dropped") {
      request.socket.destroy();
      return;
    }
    const text = Buffer.from(await outcome.text());
    response.writeHead(outcome.status, {
      ...Object.fromEntries(outcome.headers),
      "content-length": String(text.length),
    });
    response.end(text);
  } catch {
    // The caller went away, or handle() broke its promise not to throw: either way nobody can be
    // told on this connection.
    request.socket.destroy();
  }
}

/** Where a listener may listen: at the first of these ports that is free. */
interface PortChoice extends Omit<ListenOptions, "port"> {
  /** In order; 0 takes any free one. */
  ports: readonly number[];
}

/** Binds the first port that is free. PsoError `unavailable` when none of them can be bound. */
export async function listenOnFirst(
  { ports, ...options }: PortChoice,
  handle: (incoming: Incoming) => Promise<Outcome>,
): Promise<HttpListener> {
  const [port = 0, ...rest] = ports;
  try {
    return await HttpListener.listen({ ...options, port }, handle);
  } catch (error) {
    if (rest.length === 0) throw error;
    return await listenOnFirst({ ...options, ports: rest }, handle);
  }
}
