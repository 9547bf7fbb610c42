/**
 * The wrapper around every unary call. A service is a list of rows; the wrapper checks what the
 * specification demands of every field, takes the locks, and calls the handler.
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
import { create, toBinary } from "@bufbuild/protobuf";
import type { KeyedLock } from "../async/keyed_lock.ts";
import type { Fields } from "../log.ts";
import {
  type CallEnvironment,
  type DecodedRequest,
  decodeRequest,
  follow,
  type ReceivedCall,
  type RequestContext,
  requestFacts,
  type ServedMethod,
} from "./call.ts";
import { redactedLazily } from "./redaction.ts";
import { checkRequest } from "./request_check.ts";
import type { RpcStatus } from "./status.ts";

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

/** A request whose answer is one message. */
interface UnaryRequest extends DecodedRequest {
  check(): string[];
  run(context: RequestContext): Promise<{ bytes: Uint8Array; printable: { toJSON(): unknown } }>;
}

/** A row without its types, ready to be served. */
export type UnaryMethod = ServedMethod<UnaryRequest>;

/** What unary calls of one endpoint share. */
export interface UnaryEnvironment extends CallEnvironment {
  locks: KeyedLock;
}

/** What goes back to the caller: bytes, or a status that is not OK. */
export type UnaryAnswer = { bytes: Uint8Array } | { status: RpcStatus };

/** Makes one row of a service, typed by the method's descriptor. */
export function method<Request extends DescMessage, Response extends DescMessage>(
  desc: DescMethodUnary<Request, Response>,
  row: UnaryRow<Request, Response>,
): UnaryMethod {
  const decode = (bytes: Uint8Array): UnaryRequest => {
    const decoded = decodeRequest(desc.input, bytes);
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

/** Serves one call: never throws, logs one line, takes one sample. */
export async function answer(
  served: UnaryMethod,
  call: ReceivedCall,
  environment: UnaryEnvironment,
): Promise<UnaryAnswer> {
  const { locks } = environment;
  const outcome = await follow({ served, call, environment }, async (request, context) => {
    const keys = request.check();
    const work = () => request.run(context);
    const { bytes, printable } =
      await (keys.length > 0 ? locks.tryRun([...new Set(keys)], served.name, work) : work());
    context.log.debug("rpc response", { message: printable });
    return bytes;
  });
  return "status" in outcome ? outcome : { bytes: outcome.done };
}
