/**
 * The gRPC endpoint of a controller or node: a unix socket, grpc-js behind the repair of GOAWAY,
 * and an orderly end.
 */
import { Buffer } from "node:buffer";
import {
  type MethodDefinition,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  status,
} from "@grpc/grpc-js";
import { PsoError } from "../errors.ts";
import { KeyedLock } from "../async/keyed_lock.ts";
import { abortError, atMost } from "../async/wait.ts";
import { waitsOf } from "../async/waits.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { Acceptor } from "../net/acceptor.ts";
import {
  CallGate,
  type CallLimits,
  CONNECTION_CALLS_MAX,
  CONNECTIONS_MAX,
  MESSAGE_BYTES_MAX,
} from "./call_limits.ts";
import { RepairedConnection } from "./goaway_repair.ts";
import { statusOf } from "./status.ts";
import {
  answer,
  callSamples,
  type UnaryAnswer,
  type UnaryEnvironment,
  type UnaryMethod,
} from "./unary.ts";
import { listenOnSocket, socketPath } from "./unix_socket.ts";

/**
 * Deadline of calls that come without one, from csi-sanity or by hand; longer than any sidecar or
 * kubelet waits.
 */
export const CEILING_MS = 300_000;
/**
 * What is kept of the caller's time to bring the answer to it: one that comes at the deadline is
 * thrown away, and with it the reason. At most a tenth of the time.
 */
const ANSWER_MS = 500;
/** After which part of that a caller is answered whose call cannot be ended yet. */
const LATE = 1 / 2;
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

/** Calls that run, and how they are told to end. */
class RunningCalls {
  readonly #calls = new Set<AbortController>();
  #idle: (() => void)[] = [];
  stopping = false;

  get size(): number {
    return this.#calls.size;
  }

  add(call: AbortController): void {
    this.#calls.add(call);
  }

  delete(call: AbortController): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  abort(reason: PsoError): void {
    for (const call of this.#calls) call.abort(reason);
  }

  /** True when all calls ended within `ms`. */
  idle(ms: number): Promise<boolean> {
    if (this.#calls.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}

/**
 * Serves `methods` on the socket. Throws as `listenOnSocket` and `socketPath` do: then nothing was
 * changed that someone uses.
 */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { log, metrics, driverName, locks = new KeyedLock(), drainMs = DRAIN_MS } = options;
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
  addServices(server, options.methods, { environment, running });
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
      injector.injectConnection(connection);
      return connection;
    },
  });
  log.info("serving", { endpoint: path, methods: options.methods.length });
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

/** What all calls of an endpoint have in common. */
interface SharedByCalls {
  environment: UnaryEnvironment;
  running: RunningCalls;
}

function addServices(
  server: Server,
  methods: UnaryMethod[],
  shared: SharedByCalls,
): void {
  for (const [service, rows] of Map.groupBy(methods, (row) => row.service)) {
    const definition: Record<string, MethodDefinition<Buffer, Uint8Array>> = {};
    const implementation: Record<
      string,
      (call: ServerUnaryCall<Buffer, Uint8Array>, reply: sendUnaryData<Uint8Array>) => void
    > = {};
    for (const row of rows) {
      if (row.name in definition) throw new TypeError(`${service}/${row.name} has two rows`);
      definition[row.name] = {
        path: `/${service}/${row.name}`,
        requestStream: false,
        responseStream: false,
        // Bytes pass through: `answer` decodes, so that undecodable requests have a status, a log
        // line and a sample as well.
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Uint8Array) =>
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      implementation[row.name] = (call, reply) => void serve({ row, call, reply }, shared);
    }
    server.addService(definition, implementation);
  }
}

interface ServedCall {
  row: UnaryMethod;
  call: ServerUnaryCall<Buffer, Uint8Array>;
  reply: sendUnaryData<Uint8Array>;
}

async function serve(
  { row, call, reply }: ServedCall,
  shared: SharedByCalls,
): Promise<void> {
  const { environment, running } = shared;
  if (running.stopping) {
    reply({
      code: status.UNAVAILABLE,
      details: "the driver is stopping; the call must be repeated",
    });
    return;
  }
  const controller = new AbortController();
  const { leftMs, lateMs, ends, hasDeadline } = deadlineOf(call);
  const timer = setTimeout(
    () =>
      controller.abort(
        new PsoError("timeout", `${row.name} was not done within ${Math.round(leftMs)} ms`),
      ),
    leftMs,
  );
  // grpc-js says "cancelled" both when the caller goes away and when it notices the deadline
  // itself.
  call.on("cancelled", () =>
    controller.abort(
      Date.now() >= ends
        ? new PsoError("timeout", `${row.name} was not done within ${Math.round(leftMs)} ms`)
        : new PsoError("timeout", `the caller of ${row.name} went away`),
    ));
  running.add(controller);
  const { signal } = controller;
  const received = { bytes: call.request, signal, leftMs: hasDeadline ? leftMs : undefined };
  const answered = answer(row, received, environment);
  const late = lateAnswer(row, { signal, lateMs });
  const outcome = await Promise.race([answered, late.answer]);
  clearTimeout(timer);
  late.forget();
  if ("status" in outcome) reply({ code: outcome.status.code, details: outcome.status.message });
  else reply(null, outcome.bytes);
  // What could not be ended keeps its locks until it has ended.
  await answered;
  running.delete(controller);
}

/**
 * What the caller is told `lateMs` after its time is over, while the call itself goes on: a change
 * that was sent to an array cannot be called back. `UNAVAILABLE` with what is waited for, if that is
 * known.
 */
function lateAnswer(
  { name }: UnaryMethod,
  { signal, lateMs }: { signal: AbortSignal; lateMs: number },
): { answer: Promise<UnaryAnswer>; forget: () => void } {
  const { promise, resolve } = Promise.withResolvers<UnaryAnswer>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = () => {
    const end = abortError(signal);
    const waits = waitsOf(signal).join(" and ");
    const error = waits === "" ? end : new PsoError(
      "unavailable",
      `${end.message}: still waiting for ${waits}; the call must be repeated`,
    );
    resolve({ status: statusOf(error, { method: name, requestId: "" }) });
  };
  const onAbort = () => {
    if (abortError(signal).code === "timeout") timer = setTimeout(tell, lateMs);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    answer: promise,
    forget: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
}

/** When the answer of a call must leave, so that its caller still waits for it. */
interface CallDeadline {
  /** CEILING_MS at most. */
  leftMs: number;
  /** From the end of `leftMs` on. */
  lateMs: number;
  ends: number;
  /** Whether the caller gave one itself. */
  hasDeadline: boolean;
}

function deadlineOf(call: ServerUnaryCall<Buffer, Uint8Array>): CallDeadline {
  const deadline = Number(call.getDeadline());
  const callerMs = Math.max(0, Math.min(deadline - Date.now(), CEILING_MS));
  const answerMs = Math.min(ANSWER_MS, callerMs / 10);
  const leftMs = callerMs - answerMs;
  return {
    leftMs,
    lateMs: answerMs * LATE,
    ends: Date.now() + leftMs,
    hasDeadline: Number.isFinite(deadline),
  };
}
