import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Hono } from "hono";
import type { Logger } from "../log.ts";
import { Acceptor, type ConnectionUse } from "../net/acceptor.ts";
import { type ListenAddress, printHostPort } from "../net/address.ts";
import { ConnectionStream } from "../net/connection_stream.ts";
import { listenOnUnixSocket } from "../net/unix_listener.ts";
import { KiB } from "../size.ts";
import { adminApps, type AdminSources } from "./app.ts";

/**
 * Connections at once, of the port and of the socket each; beyond that the one that has been idle
 * longest is closed.
 */
export const ADMIN_CONNECTIONS_MAX = 64;
/** How long a connection may take for its one request and its answer. */
export const ADMIN_CONNECTION_MS = 15_000;
/** Bytes of the headers of a request. */
export const ADMIN_HEADER_BYTES_MAX = 8 * KiB;

/** Where the admin endpoint is served, and what it shows. */
interface AdminOptions extends AdminSources {
  /** Served to everybody who reaches it. */
  listen: ListenAddress;
  /** The CSI socket; the full texts are served on a socket beside it. */
  csiSocket: string;
  log: Logger;
  /** Default: ADMIN_CONNECTION_MS. */
  connectionMs?: number;
}

/** A running admin endpoint. */
interface AdminServer {
  /** `http://host:port` as it really listens. */
  address: string;
  /** The path of the socket with the full texts. */
  socket: string;
  /** Ends every connection and removes the socket. */
  stop(): Promise<void>;
}

/** `admin.sock` beside `csi.sock`; beside a socket of another name, with that name before it. */
export function adminSocketOf(csiSocket: string): string {
  const [, folder = "", name = ""] = /^(.*\/)?(.*?)(?:\.sock)?$/.exec(csiSocket) ?? [];
  return `${folder}${name === "csi" ? "" : `${name}-`}admin.sock`;
}

/**
 * Serves the admin endpoint. Throws when the address cannot be bound, or as `listenOnUnixSocket`
 * does. Port 0 takes a free one. Each connection serves one request.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { listen, csiSocket, log, connectionMs = ADMIN_CONNECTION_MS, ...sources } = options;
  const apps = adminApps(sources);
  const socket = adminSocketOf(csiSocket);
  const unix = await listenOnUnixSocket(socket, () => Promise.resolve("another process"));
  const tcp = listenOn(listen, unix);
  const { hostname, port } = tcp.addr;
  const acceptors = [
    serve(tcp, { app: apps.open, name: "the admin port", log, connectionMs }),
    serve(unix, { app: apps.full, name: socket, log, connectionMs }),
  ];
  log.info("admin endpoint listens", { hostname, port, socket });
  return {
    address: `http://${printHostPort({ host: hostname, port })}`,
    socket,
    stop: async () => {
      await Promise.all(acceptors.map((acceptor) => acceptor.stop()));
      for (const acceptor of acceptors) acceptor.closeAll();
    },
  };
}

/** The port; when it cannot be had, the socket that was bound before goes again. */
function listenOn(listen: ListenAddress, unix: Deno.UnixListener): Deno.TcpListener {
  try {
    return Deno.listen(listen);
  } catch (error) {
    unix.close();
    throw error;
  }
}

/** How one listener is served. */
interface Serving {
  app: Hono;
  name: string;
  log: Logger;
  connectionMs: number;
}

function serve(listener: Deno.Listener, serving: Serving): Acceptor {
  const { app, name, log, connectionMs } = serving;
  const uses = new WeakMap<object, ConnectionUse>();
  const server: Server = createServer(
    { maxHeaderSize: ADMIN_HEADER_BYTES_MAX },
    (incoming, outgoing) => {
      // One that is still sending its request counts as idle.
      uses.get(incoming.socket)?.begin();
      answer(app, { incoming, outgoing }).catch(() => outgoing.destroy());
    },
  );
  server.on("clientError", (_error, connection) => connection.destroy());
  return new Acceptor({
    listener,
    name,
    most: ADMIN_CONNECTIONS_MAX,
    log,
    take: (accepted, use) => {
      const connection = new ConnectionStream(accepted);
      const timer = setTimeout(() => connection.destroy(), connectionMs);
      connection.once("close", () => clearTimeout(timer));
      uses.set(connection, use);
      server.emit("connection", connection);
      return connection;
    },
  });
}

interface Exchange {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
}

/** Answers GET and HEAD; the body of a request is never read. */
async function answer(app: Hono, { incoming, outgoing }: Exchange): Promise<void> {
  const { method = "", url = "" } = incoming;
  const address = URL.parse(url, "http://admin");
  const response = (method === "GET" || method === "HEAD") && address !== null
    ? await app.fetch(new Request(address, { method }))
    : Response.json({ error: "only GET and HEAD are served" }, { status: 405 });
  const body = new Uint8Array(await response.arrayBuffer());
  outgoing.writeHead(response.status, {
    ...Object.fromEntries(response.headers),
    "content-length": body.length,
    connection: "close",
  });
  outgoing.end(body);
}
