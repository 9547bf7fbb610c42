/**
 * The gRPC endpoint of a controller or node: a unix socket, grpc-js behind the repair of GOAWAY,
 * and an orderly end.
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { PsoError } from "../errors.ts";
import { KeyedLock } from "../async/keyed_lock.ts";
import { atMost } from "../async/wait.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { Acceptor } from "../net/acceptor.ts";
import { callSamples } from "./call.ts";
import {
  CallGate,
  type CallLimits,
  CONNECTION_CALLS_MAX,
  CONNECTIONS_MAX,
  MESSAGE_BYTES_MAX,
} from "./call_limits.ts";
import { RepairedConnection } from "./goaway_repair.ts";
import { addServices, RunningCalls } from "./serving.ts";
import type { StreamMethod } from "./streamed.ts";
import type { UnaryEnvironment, UnaryMethod } from "./unary.ts";
import { listenOnSocket, socketPath } from "./unix_socket.ts";

/**
 * How long stop() lets running calls finish. With ABORT_MS and FLUSH_MS it takes 20 s at most;
 * kubelet kills the pod after 30 s.
 */
export const DRAIN_MS = 17_500;
/** How long aborted calls get to unwind and answer. */
export const ABORT_MS = 2_000;
/** How long clients get to take the last answers and close. */
export const FLUSH_MS = 500;

/** What an endpoint serves, and where. */
interface EndpointOptions {
  /** `unix:///path` or `/path`. */
  endpoint: string;
  driverName: string;
  /** The rows of all services that are served here. */
  methods: UnaryMethod[];
  /** Those that answer with a stream. */
  streams?: StreamMethod[];
  log: Logger;
  metrics: Metrics;
  /**
   * Locks shared with others that must not touch the same volumes at once; default: the endpoint's
   * own.
   */
  locks?: KeyedLock;
  drainMs?: number;
  /** Other limits than the endpoint's own. */
  limits?: Partial<CallLimits>;
}

/** An endpoint that serves. */
export interface Endpoint {
  /** The socket's path. */
  path: string;
  /** How many calls run now. */
  running(): number;
  /**
   * Takes no more connections and calls, removes the socket, lets running calls finish for
   * `drainMs`, then fires their signals and ends after 20 s at the latest. Never throws; a second
   * call waits for the first.
   */
  stop(): Promise<void>;
}

/**
 * Serves `methods` on the socket. Throws as `listenOnSocket` and `socketPath` do: then nothing was
 * changed that someone uses.
 */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { log, metrics, driverName, locks = new KeyedLock(), drainMs = DRAIN_MS } = options;
  const { methods, streams = [] } = options;
  const path = socketPath(options.endpoint);
  const running = new RunningCalls();
  const environment: UnaryEnvironment = { log, locks, driverName, samples: callSamples(metrics) };
  const gate = new CallGate(options.limits);
  const server = new Server({
    "grpc.enable_channelz": 0,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_concurrent_streams": CONNECTION_CALLS_MAX,
    interceptors: [gate.intercept],
  });
  addServices(server, { methods, streams }, { environment, running });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await listenOnSocket(path);
  const acceptor = new Acceptor({
    listener,
    name: path,
    most: CONNECTIONS_MAX,
    log,
    take: (accepted, use) => {
      const connection = new RepairedConnection(accepted, gate.enter(use));
      connection.once("close", () => gate.leave(connection.remotePort));
      connection.once("close", () => running.leave(connection));
      connection.once("end", () => running.leave(connection) && connection.destroy());
      injector.injectConnection(connection);
      return connection;
    },
  });
  log.info("serving", { endpoint: path, methods: methods.length + streams.length });
  let stopped: Promise<void> | undefined;
  return {
    path,
    running: () => running.size,
    stop: () => stopped ??= stop({ server, acceptor, running, log, drainMs }),
  };
}

/** What stop() ends. */
interface ServingEndpoint {
  server: Server;
  acceptor: Acceptor;
  running: RunningCalls;
  log: Logger;
  drainMs: number;
}

async function stop(
  { server, acceptor, running, log, drainMs }: ServingEndpoint,
): Promise<void> {
  running.stopping = true;
  log.info("stopping", { running: running.size });
  // Removes the socket at once.
  await acceptor.stop();
  // Tells each client that no new call is taken, and lets the ones that run be answered.
  const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  if (!await running.idle(drainMs)) {
    log.warn("aborting calls", { running: running.size });
    running.abort(new PsoError("unavailable", "the driver is stopping; the call must be repeated"));
    if (!await running.idle(ABORT_MS)) {
      log.error("calls ignored the end", { running: running.size });
    }
  }
  // What was answered must reach its caller before connections are cut.
  await atMost(FLUSH_MS, Promise.all([acceptor.closed(), drained]));
  server.forceShutdown();
  acceptor.closeAll();
}
