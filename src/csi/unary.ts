/**
 * The one wrapper around every unary call. A service is a list of rows; the wrapper decodes, checks
 * what the specification demands of every field, takes the locks, gives the handler a signal that
 * fires at the caller's deadline, and turns the outcome into a status, one log line and one sample.
 *
 * ```ts
 * method(Controller.method.deleteVolume, {
 *   keys: (request) => [request.volumeId],
 *   handle: async (request, { signal }) => {
 *     await provisioner.deleteVolume(request.volumeId, signal);
 *     return {};
 *   },
 * });
 * ```
 * A method without a row answers UNIMPLEMENTED. Rows throw PsoError; `status.ts` says how each code
 * leaves.
 */
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { isPsoError, messageOf, PsoError } from "../errors.ts";
import type { KeyedLock } from "../async/keyed_lock.ts";
import type { Fields, Logger } from "../log.ts";
import { type Histogram, type Metrics, SIDECAR_BUCKETS } from "../metrics/metrics.ts";
import { redactedLazily } from "./redaction.ts";
import { checkRequest } from "./request_check.ts";
import { type RpcStatus, statusName, statusOf } from "./status.ts";

/** What a handler gets beside its request. */
interface RequestContext {
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

/** One row of a service. */
interface UnaryRow<Request extends DescMessage, Response extends DescMessage> {
  /**
   * What two calls must not do at once: the second one is answered ABORTED. Called after the fields
   * were checked; may throw PsoError. All rows of an endpoint share one set of locks. `null` is
   * written out: the call changes nothing, or what it calls has locks of its own (a node).
   */
  keys: ((request: MessageShape<Request>) => string[]) | null;
  /**
   * True for calls that a healthy system makes all the time: their line is at debug level unless
   * they fail.
   */
  quiet?: boolean;
  /**
   * Fields for the log line, over those read from the request itself (volume, snapshot, group,
   * node).
   */
  facts?: (request: MessageShape<Request>) => Fields;
  /** Makes what an older caller sends a request of today, before it is checked. */
  ofToday?: (request: MessageShape<Request>) => MessageShape<Request>;
  /**
   * Decides and acts. Must be safe to repeat. The fields are as the specification demands; paths
   * are unjudged.
   */
  handle: (
    request: MessageShape<Request>,
    context: RequestContext,
  ) => Promise<MessageInitShape<Response>> | MessageInitShape<Response>;
}

/** A request that was decoded, before anything else happened to it. */
interface DecodedRequest {
  facts: Fields;
  printable: { toJSON(): unknown };
  check(): string[];
  run(context: RequestContext): Promise<{ bytes: Uint8Array; printable: { toJSON(): unknown } }>;
}

/** A row without its types, ready to be served. */
export interface UnaryMethod {
  /** `csi.v1.Controller` */
  service: string;
  /** `CreateVolume` */
  name: string;
  quiet: boolean;
  decode(bytes: Uint8Array): DecodedRequest;
}

/** What calls of one endpoint share. */
export interface UnaryEnvironment {
  log: Logger;
  locks: KeyedLock;
  samples: Histogram;
  driverName: string;
  now?: () => number;
}

/** What goes back to the caller: bytes, or a status that is not OK. */
export type UnaryAnswer = { bytes: Uint8Array } | { status: RpcStatus };

/** Makes one row of a service, typed by the method's descriptor. */
export function method<Request extends DescMessage, Response extends DescMessage>(
  desc: DescMethodUnary<Request, Response>,
  row: UnaryRow<Request, Response>,
): UnaryMethod {
  const decode = (bytes: Uint8Array): DecodedRequest => {
    const decoded = decodeRequest(desc, bytes);
    const request = row.ofToday?.(decoded) ?? decoded;
    return {
      facts: { ...requestFacts(request), ...row.facts?.(request) },
      printable: redactedLazily(desc.input, request),
      check: () => {
        checkRequest(desc.input, request);
        return row.keys?.(request) ?? [];
      },
      run: async (context) => {
        const response = create(desc.output, await row.handle(request, context));
        return {
          bytes: toBinary(desc.output, response),
          printable: redactedLazily(desc.output, response),
        };
      },
    };
  };
  return { service: desc.parent.typeName, name: desc.name, quiet: row.quiet ?? false, decode };
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

/** A call as it came. */
interface ReceivedCall extends Pick<RequestContext, "signal" | "leftMs"> {
  bytes: Uint8Array;
}

/** Serves one call: never throws, logs one line, takes one sample. */
export async function answer(
  served: UnaryMethod,
  call: ReceivedCall,
  environment: UnaryEnvironment,
): Promise<UnaryAnswer> {
  const { locks, samples, driverName, now = () => performance.now() } = environment;
  const { signal, leftMs } = call;
  const started = now();
  const requestId = crypto.randomUUID().slice(0, 8);
  let log = environment.log.with({ request: requestId, method: served.name });
  let outcome: UnaryAnswer;
  let fault: unknown;
  try {
    const request = served.decode(call.bytes);
    log = log.with(request.facts);
    log.debug("rpc request", { message: request.printable });
    const keys = request.check();
    const work = () => request.run({ requestId, signal, leftMs, log });
    const { bytes, printable } =
      await (keys.length > 0 ? locks.tryRun([...new Set(keys)], served.name, work) : work());
    log.debug("rpc response", { message: printable });
    outcome = { bytes };
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
  logOutcome(log, { quiet: served.quiet, code, ms: Math.round(ms), fault });
  return outcome;
}

/** How a call ended, for its log line. */
interface CallOutcome {
  quiet: boolean;
  /** The gRPC name of its code. */
  code: string;
  ms: number;
  /** What the handler threw; undefined when it did not. */
  fault: unknown;
}

function logOutcome(log: Logger, { quiet, code, ms, fault }: CallOutcome): void {
  if (fault === undefined) (quiet ? log.debug : log.info)("rpc", { code, ms });
  else if (isPsoError(fault)) {
    log.warn("rpc", { code, ms, error: fault.message, cause: causeOf(fault) });
  } else {log.error("rpc", {
      code,
      ms,
      error: messageOf(fault),
      stack: fault instanceof Error ? fault.stack : undefined,
    });}
}

function causeOf(error: PsoError): string | undefined {
  return error.cause === undefined ? undefined : messageOf(error.cause);
}

function decodeRequest<Request extends DescMessage>(
  desc: DescMethodUnary<Request>,
  bytes: Uint8Array,
): MessageShape<Request> {
  try {
    return fromBinary(desc.input, bytes);
  } catch (error) {
    // Truncated, or text that is not UTF-8: the bytes are wrong, not we.
    throw new PsoError("invalid", `cannot decode the ${desc.input.name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Request fields that say what a call is about, and the log's name for each. */
const FACTS = [["volumeId", "volume"], ["sourceVolumeId", "volume"], ["snapshotId", "snapshot"], [
  "groupSnapshotId",
  "group",
], [
  "nodeId",
  "node",
], [
  "name",
  "name",
]] as const;

/** Characters of a fact in the log. CSI allows names and ids of 128 bytes, node ids of 256. */
export const FACT_CHARS_MAX = 256;

function requestFacts(request: object): Fields {
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
