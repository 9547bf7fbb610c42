// A client of server streams, as the sidecar for changed blocks and backups read them.
import { Buffer } from "node:buffer";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, type ClientReadableStream, credentials } from "@grpc/grpc-js";

/** One connection to a socket, and the streams on it. */
export class StreamClient implements Disposable {
  readonly #client: Client;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      "grpc.default_authority": "localhost",
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  open<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
  ): ClientReadableStream<MessageShape<O>> {
    return this.#client.makeServerStreamRequest(
      `/${desc.parent.typeName}/${desc.name}`,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => fromBinary(desc.output, bytes),
      toBinary(desc.input, create(desc.input, init)),
      { deadline: Date.now() + 60_000 },
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
