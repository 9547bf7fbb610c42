/**
 * What every call has in common, whether its answer is one message or a stream of them: its request
 * is decoded and checked, it has a signal that fires at the caller's deadline, and its outcome
 * becomes a status, one log line and one sample.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { Fields, Logger } from "../log.ts";
import { type Histogram, type Metrics, SIDECAR_BUCKETS } from "../metrics/metrics.ts";
import { type RpcStatus, statusName, statusOf } from "./status.ts";

/** What a handler gets beside its request. */
export interface RequestContext {
  /** In every log line of the request, and in the message of an INTERNAL status. */
  requestId: string;
  /**
   * Fires at the caller's deadline, when the caller goes away, and when the endpoint stops; its
   * reason is a PsoError.
   */
  signal: AbortSignal;
  /** Milliseconds until the caller's deadline when the call came; absent: it gave none. */
  leftMs?: number;
  /** Bound to the request id, the method and what the request names. */
  log: Logger;
}

/** A request that was decoded, before anything else happened to it. */
export interface DecodedRequest {
  facts: Fields;
  printable: { toJSON(): unknown };
}

/** A row without its types, ready to be served. */
export interface ServedMethod<Decoded extends DecodedRequest> {
  /** `csi.v1.Controller` */
  service: string;
  /** `CreateVolume` */
  name: string;
  quiet: boolean;
  decode(bytes: Uint8Array): Decoded;
}

/** What calls of one endpoint share. */
export interface CallEnvironment {
  log: Logger;
  samples: Histogram;
  driverName: string;
  now?: () => number;
}

/** A call as it came. */
export interface ReceivedCall extends Pick<RequestContext, "signal" | "leftMs"> {
  bytes: Uint8Array;
}

/** How a call ended: with what its work gave, or with a status that is not OK. */
export type CallOutcome<T> = { done: T } | { status: RpcStatus };

/** One call, and what it is served by. */
export interface FollowedCall<Decoded extends DecodedRequest> {
  served: ServedMethod<Decoded>;
  call: ReceivedCall;
  environment: CallEnvironment;
  /** Read at the end, for the log line. */
  told?: () => Fields;
}

/**
 * The histogram of all calls, named and labelled as csi-lib-utils names a plugin's own, with the
 * sidecars' buckets; its `_count` is the number of calls by method and code.
 */
export function callSamples(metrics: Metrics): Histogram {
  return metrics.histogram("csi_plugin_operations_seconds", {
    help: "CSI calls served, in seconds, by method and gRPC code",
    labels: ["driver_name", "method_name", "grpc_status_code"],
    buckets: SIDECAR_BUCKETS,
    moves: "At the end of each CSI call. `_count` is the number of calls.",
    alert: "The share of codes other than `OK` stays high for 15 minutes. `ABORTED` alone is " +
      "harmless: the volume was busy with an earlier call, and the caller tries again.",
  });
}

/** Runs the work of one call: never throws, logs one line, takes one sample. */
export async function follow<Decoded extends DecodedRequest, T>(
  { served, call, environment, told }: FollowedCall<Decoded>,
  work: (request: Decoded, context: RequestContext) => Promise<T>,
): Promise<CallOutcome<T>> {
  const { samples, driverName, now = () => performance.now() } = environment;
  const { signal, leftMs } = call;
  const started = now();
  const requestId = crypto.randomUUID().slice(0, 8);
  let log = environment.log.with({ request: requestId, method: served.name });
  let outcome: CallOutcome<T>;
  let fault: unknown;
  try {
    const request = served.decode(call.bytes);
    log = log.with(request.facts);
    log.debug("rpc request", { message: request.printable });
    outcome = { done: await work(request, { requestId, signal, leftMs, log }) };
  } catch (error) {
    fault = error;
    outcome = { status: statusOf(error, { method: served.name, requestId }) };
  }
  const ms = now() - started;
  const code = "status" in outcome ? outcome.status.name : statusName(status.OK);
  samples.observe(ms / 1000, {
    driver_name: driverName,
    method_name: `/${served.service}/${served.name}`,
    grpc_status_code: code,
  });
  logOutcome(log, { quiet: served.quiet, code, ms: Math.round(ms), fault, told: told?.() });
  return outcome;
}

/** How a call ended, for its log line. */
interface LoggedOutcome {
  quiet: boolean;
  /** The gRPC name of its code. */
  code: string;
  ms: number;
  /** What the handler threw; undefined when it did not. */
  fault: unknown;
  told?: Fields;
}

function logOutcome(log: Logger, { quiet, code, ms, fault, told }: LoggedOutcome): void {
  const ended = { code, ms, ...told };
  if (fault === undefined) (quiet ? log.debug : log.info)("rpc", ended);
  else if (isPsoError(fault)) {
    log.warn("rpc", { ...ended, error: fault.message, cause: causeOf(fault) });
  } else {
    const stack = fault instanceof Error ? fault.stack : undefined;
    log.error("rpc", { ...ended, error: messageOf(fault), stack });
  }
}

function causeOf(error: PsoError): string | undefined {
  return error.cause === undefined ? undefined : messageOf(error.cause);
}

/** The request in these bytes; `invalid` when there is none in them. */
export function decodeRequest<Request extends DescMessage>(
  input: Request,
  bytes: Uint8Array,
): MessageShape<Request> {
  try {
    return fromBinary(input, bytes);
  } catch (error) {
    // Truncated, or text that is not UTF-8: the bytes are wrong, not we.
    throw new PsoError("invalid", `cannot decode the ${input.name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Request fields that say what a call is about, and the log's name for each. */
const FACTS = [
  ["volumeId", "volume"],
  ["sourceVolumeId", "volume"],
  ["snapshotId", "snapshot"],
  ["targetSnapshotId", "snapshot"],
  ["baseSnapshotId", "base"],
  ["groupSnapshotId", "group"],
  ["nodeId", "node"],
  ["name", "name"],
] as const;

/** Characters of a fact in the log. CSI allows names and ids of 128 bytes, node ids of 256. */
export const FACT_CHARS_MAX = 256;

/** What the request is about, by the names that the log has for it. */
export function requestFacts(request: object): Fields {
  const values = new Map<string, unknown>(Object.entries(request));
  return Object.fromEntries(FACTS.flatMap(([field, fact]) => {
    const text = values.get(field);
    return typeof text === "string" && text !== "" ? [[fact, cutFact(text)]] : [];
  }));
}

function cutFact(text: string): string {
  const { length } = text;
  return length > FACT_CHARS_MAX
    ? `${text.slice(0, FACT_CHARS_MAX)}… (${length} characters)`
    : text;
}
