/**
 * How grpc-js is told what is served here, and how one of its calls becomes one of ours: its
 * deadline, its signal, its answer.
 */
import { Buffer } from "node:buffer";
import {
  type MethodDefinition,
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { PsoError } from "../errors.ts";
import { abortError } from "../async/wait.ts";
import { waitsOf } from "../async/waits.ts";
import type { RepairedConnection } from "./goaway_repair.ts";
import { statusOf } from "./status.ts";
import { answerStream, type Send, type StreamMethod } from "./streamed.ts";
import { answer, type UnaryAnswer, type UnaryEnvironment, type UnaryMethod } from "./unary.ts";

/**
 * Deadline of calls that come without one, from csi-sanity or by hand; longer than any sidecar or
 * kubelet waits.
 */
export const CEILING_MS = 300_000;
/**
 * The same of streams, which go on as long as the caller reads; one that is cut is taken up where it
 * was.
 */
export const STREAM_CEILING_MS = 3_600_000;
/**
 * What is kept of the caller's time to bring the answer to it: one that comes at the deadline is
 * thrown away, and with it the reason. At most a tenth of the time.
 */
const ANSWER_MS = 500;
/** After which part of that a caller is answered whose call cannot be ended yet. */
const LATE = 1 / 2;

/** The other end of a connection, as grpc-js is told it. */
type Peer = Pick<RepairedConnection, "remoteAddress" | "remotePort">;

/** Calls that run, and how they are told to end. */
export class RunningCalls {
  readonly #calls = new Set<AbortController>();
  /** Streams by the connection that they are on. */
  readonly #streams = new Map<AbortController, string>();
  #idle: (() => void)[] = [];
  stopping = false;

  get size(): number {
    return this.#calls.size;
  }

  add(call: AbortController): void {
    this.#calls.add(call);
  }

  /** A stream from that peer, as grpc-js calls it. */
  addStream(call: AbortController, peer: string): void {
    this.#calls.add(call);
    this.#streams.set(call, peer);
  }

  /**
   * Ends the streams of a connection that its client has ended: nobody reads them any more. grpc-js
   * does not notice that while one waits for room. True when there were any.
   */
  leave({ remoteAddress, remotePort }: Peer): boolean {
    const left = [...this.#streams].filter(([, peer]) => peer === `${remoteAddress}:${remotePort}`);
    for (const [call] of left) {
      call.abort(new PsoError("timeout", "the caller of the stream went away"));
    }
    return left.length > 0;
  }

  delete(call: AbortController): void {
    this.#calls.delete(call);
    this.#streams.delete(call);
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

/** What all calls of an endpoint have in common. */
interface SharedByCalls {
  environment: UnaryEnvironment;
  running: RunningCalls;
}

/** What is served, by how it is answered. */
interface ServedRows {
  methods: UnaryMethod[];
  streams: StreamMethod[];
}

/** A row, how grpc-js must know it, and what it calls then. */
interface Registered {
  row: UnaryMethod | StreamMethod;
  isStream: boolean;
  handler: UntypedHandleCall;
}

/** Registers every row with the server. TypeError when two rows are of one method. */
export function addServices(
  server: Server,
  { methods, streams }: ServedRows,
  shared: SharedByCalls,
): void {
  const registered: Registered[] = [
    ...methods.map((row) => {
      const handler = (call: UnaryCall, reply: sendUnaryData<Uint8Array>) =>
        void serve({ row, call, reply }, shared);
      return { row, isStream: false, handler };
    }),
    ...streams.map((row) => {
      const handler = (call: StreamCall) => void serveStream({ row, call }, shared);
      return { row, isStream: true, handler };
    }),
  ];
  for (const [service, rows] of Map.groupBy(registered, ({ row }) => row.service)) {
    const definition: Record<string, MethodDefinition<Buffer, Uint8Array>> = {};
    const implementation: Record<string, UntypedHandleCall> = {};
    for (const { row, isStream, handler } of rows) {
      if (row.name in definition) throw new TypeError(`${service}/${row.name} has two rows`);
      definition[row.name] = {
        path: `/${service}/${row.name}`,
        requestStream: false,
        responseStream: isStream,
        // Bytes pass through: our rows decode, so that undecodable requests have a status, a log
        // line and a sample as well.
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Uint8Array) =>
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      implementation[row.name] = handler;
    }
    server.addService(definition, implementation);
  }
}

type UnaryCall = ServerUnaryCall<Buffer, Uint8Array>;
type StreamCall = ServerWritableStream<Buffer, Uint8Array>;

/** What both kinds of call have. */
interface AnyCall {
  getDeadline(): ReturnType<UnaryCall["getDeadline"]>;
  on(event: "cancelled", listener: () => void): unknown;
}

/** For a call that comes while the endpoint ends. */
const STOPPING = {
  code: status.UNAVAILABLE,
  details: "the driver is stopping; the call must be repeated",
};

interface ServedCall {
  row: UnaryMethod;
  call: UnaryCall;
  reply: sendUnaryData<Uint8Array>;
}

async function serve(
  { row, call, reply }: ServedCall,
  { environment, running }: SharedByCalls,
): Promise<void> {
  if (running.stopping) return reply(STOPPING);
  const begun = begin(row.name, { call, ceilingMs: CEILING_MS });
  const { signal } = begun.controller;
  running.add(begun.controller);
  const received = { bytes: call.request, signal, leftMs: begun.leftMs };
  const answered = answer(row, received, environment);
  const late = lateAnswer(row, { signal, lateMs: begun.lateMs });
  const outcome = await Promise.race([answered, late.answer]);
  begun.done();
  late.forget();
  if ("status" in outcome) reply({ code: outcome.status.code, details: outcome.status.message });
  else reply(null, outcome.bytes);
  // What could not be ended keeps its locks until it has ended.
  await answered;
  running.delete(begun.controller);
}

interface ServedStream {
  row: StreamMethod;
  call: StreamCall;
}

/** A stream only reads: nothing that it began must be waited for, and it ends with its signal. */
async function serveStream(
  { row, call }: ServedStream,
  { environment, running }: SharedByCalls,
): Promise<void> {
  if (running.stopping) return void call.emit("error", STOPPING);
  const begun = begin(row.name, { call, ceilingMs: STREAM_CEILING_MS });
  const { signal } = begun.controller;
  running.addStream(begun.controller, call.getPeer());
  const received = { bytes: call.request, signal, leftMs: begun.leftMs };
  const { samples, driverName, log } = environment;
  const send = sender(call, signal);
  const ended = await answerStream(row, received, { samples, driverName, log, send });
  begun.done();
  if (ended) call.emit("error", { code: ended.code, details: ended.message });
  else call.end();
  running.delete(begun.controller);
}

/**
 * Writes one message; while the caller does not read, it waits for room, and holds no more than
 * grpc-js does for one call (16 messages).
 */
function sender(call: StreamCall, signal: AbortSignal): Send {
  return async (bytes) => {
    if (signal.aborted) throw abortError(signal);
    if (!call.write(bytes)) await drained(call, signal);
  };
}

function drained(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const forget = () => {
      call.off("drain", onDrain);
      signal.removeEventListener("abort", onAbort);
    };
    const onDrain = () => {
      forget();
      resolve();
    };
    const onAbort = () => {
      forget();
      reject(abortError(signal));
    };
    call.on("drain", onDrain);
    signal.addEventListener("abort", onAbort);
  });
}

/** A call of grpc-js whose time runs. */
interface BegunCall {
  controller: AbortController;
  /** Absent: the caller gave no deadline. */
  leftMs?: number;
  /** As CallDeadline. */
  lateMs: number;
  /** The call was answered: its deadline is no matter any more. */
  done(): void;
}

/** A call that has come, and how long it may take at most. */
interface BeginningCall {
  call: AnyCall;
  ceilingMs: number;
}

/** Fires the controller's signal when the caller's time is over, and when the caller goes away. */
function begin(name: string, { call, ceilingMs }: BeginningCall): BegunCall {
  const controller = new AbortController();
  const { leftMs, lateMs, ends, hasDeadline } = deadlineOf(call, ceilingMs);
  const isOver = () => new PsoError("timeout", `${name} was not done within ${leftMs} ms`);
  const timer = setTimeout(() => controller.abort(isOver()), leftMs);
  // grpc-js says "cancelled" both when the caller goes away and when it notices the deadline
  // itself. It says nothing when a connection breaks: what has one answer is brought to its end
  // then, at most by its deadline, and found done by whoever repeats the call.
  call.on("cancelled", () => {
    clearTimeout(timer);
    const isGone = () => new PsoError("timeout", `the caller of ${name} went away`);
    controller.abort(Date.now() >= ends ? isOver() : isGone());
  });
  return {
    controller,
    leftMs: hasDeadline ? leftMs : undefined,
    lateMs,
    done: () => clearTimeout(timer),
  };
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
  /** The ceiling at most. */
  leftMs: number;
  /** From the end of `leftMs` on. */
  lateMs: number;
  ends: number;
  /** Whether the caller gave one itself. */
  hasDeadline: boolean;
}

function deadlineOf(call: AnyCall, ceilingMs: number): CallDeadline {
  const deadline = Number(call.getDeadline());
  const callerMs = Math.max(0, Math.min(deadline - Date.now(), ceilingMs));
  const answerMs = Math.min(ANSWER_MS, callerMs / 10);
  const leftMs = Math.round(callerMs - answerMs);
  return {
    leftMs,
    lateMs: answerMs * LATE,
    ends: Date.now() + leftMs,
    hasDeadline: Number.isFinite(deadline),
  };
}
