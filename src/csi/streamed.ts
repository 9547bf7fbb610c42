/**
 * The wrapper around every call whose answer is a stream of messages. The next message is asked for
 * when the caller has taken those before, so that what is held does not grow with the stream.
 *
 * ```ts
 * streamed(SnapshotMetadata.method.getMetadataAllocated, {
 *   handle: (request, { signal }) => messagesOf(request, signal),
 * });
 * ```
 * Every stream of this driver only reads: a change of an array that is tried on its behalf is
 * refused before it leaves.
 */
import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { onlyReading } from "../async/only_reads.ts";
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
interface StreamRow<Request extends DescMessage, Response extends DescMessage> {
  /**
   * The messages in their order, each made when it is asked for. Ended early when the caller goes
   * away or the signal fires.
   */
  handle: (
    request: MessageShape<Request>,
    context: RequestContext,
  ) => AsyncIterable<MessageInitShape<Response>>;
}

/** Gives one message to the caller; resolves when there is room for the next. */
export type Send = (bytes: Uint8Array) => Promise<void>;

/** A request whose answer is a stream. */
interface StreamedRequest extends DecodedRequest {
  run(context: RequestContext, send: Send): Promise<void>;
}

/** A row without its types, ready to be served. */
export type StreamMethod = ServedMethod<StreamedRequest>;

/** Makes one row of a service, typed by the method's descriptor. */
export function streamed<Request extends DescMessage, Response extends DescMessage>(
  desc: DescMethodServerStreaming<Request, Response>,
  row: StreamRow<Request, Response>,
): StreamMethod {
  const decode = (bytes: Uint8Array): StreamedRequest => {
    const request = decodeRequest(desc.input, bytes);
    return {
      facts: requestFacts(request),
      printable: redactedLazily(desc.input, request),
      run: async (context, send) => {
        checkRequest(desc.input, request);
        for await (const message of row.handle(request, context)) {
          await send(toBinary(desc.output, create(desc.output, message)));
        }
      },
    };
  };
  return { service: desc.parent.typeName, name: desc.name, quiet: false, decode };
}

/**
 * Serves one call by `send`: never throws, logs one line with the number of messages, takes one
 * sample. Gives the status that the stream ends with; undefined for OK.
 */
export async function answerStream(
  served: StreamMethod,
  call: ReceivedCall,
  { send, ...environment }: CallEnvironment & { send: Send },
): Promise<RpcStatus | undefined> {
  let messages = 0;
  const counted: Send = async (bytes) => {
    await send(bytes);
    messages++;
  };
  const followed = { served, call, environment, told: () => ({ messages }) };
  const outcome = await follow(
    followed,
    (request, context) => onlyReading(() => request.run(context, counted)),
  );
  return "status" in outcome ? outcome.status : undefined;
}
