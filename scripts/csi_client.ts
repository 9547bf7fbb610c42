// A CSI client for the demo, the tests and the benches: it speaks to the compiled program as
// kubelet and the sidecars do.
import { Buffer } from "node:buffer";
import {
  create,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { Controller, Identity, Node } from "../src/csi/generated/csi_pb.ts";

type Method<S extends DescService, K extends keyof S["method"]> = S["method"][K];

/**
 * Every unary method of a service as an async function; rejects with grpc-js' ServiceError (code
 * and details).
 */
export type CsiService<S extends DescService> = {
  [K in keyof S["method"]]: (
    request: MessageInitShape<Method<S, K>["input"]>,
    options?: { timeoutMs?: number },
  ) => Promise<MessageShape<Method<S, K>["output"]>>;
};

export interface CsiClient {
  identity: CsiService<typeof Identity>;
  controller: CsiService<typeof Controller>;
  node: CsiService<typeof Node>;
  close(): void;
}

function callable(channel: Client, service: DescService, timeoutMs: number) {
  return Object.fromEntries(
    service.methods.filter((method) => method.methodKind === "unary").map((method) => {
      const call = (
        request: MessageInitShape<typeof method.input>,
        options: { timeoutMs?: number } = {},
      ) =>
        new Promise((resolve, reject) =>
          channel.makeUnaryRequest(
            `/${service.typeName}/${method.name}`,
            (message: Uint8Array) =>
              Buffer.from(message.buffer, message.byteOffset, message.byteLength),
            (bytes: Uint8Array) => fromBinary(method.output, bytes),
            toBinary(method.input, create(method.input, request)),
            { deadline: Date.now() + (options.timeoutMs ?? timeoutMs) },
            (error: ServiceError | null, answer?: unknown) =>
              error ? reject(error) : resolve(answer),
          )
        );
      return [method.localName, call];
    }),
  );
}

export interface CsiClientOptions {
  /** Deadline of each call; default 30 s. */
  timeoutMs?: number;
  /** A connection that no other client of this process shares. */
  ownConnection?: boolean;
}

/** Connects to `unix:///path`; calls wait for the socket up to their deadline. */
export function connectCsi(endpoint: string, options: CsiClientOptions = {}): CsiClient {
  const channel = new Client(
    endpoint.replace(/^unix:\/\/\//, "unix:///"),
    credentials.createInsecure(),
    {
      "grpc.default_authority": "localhost",
      "grpc.use_local_subchannel_pool": options.ownConnection ? 1 : 0,
    },
  );
  const timeoutMs = options.timeoutMs ?? 30_000;
  return {
    identity: callable(channel, Identity, timeoutMs) as CsiService<typeof Identity>,
    controller: callable(channel, Controller, timeoutMs) as CsiService<typeof Controller>,
    node: callable(channel, Node, timeoutMs) as CsiService<typeof Node>,
    close: () => channel.close(),
  };
}
