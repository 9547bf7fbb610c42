/** The unix socket that the endpoint listens on: where it is, and who else may hold it. */
import { Buffer } from "node:buffer";
import { Client, credentials, status } from "@grpc/grpc-js";
import { fromBinary } from "@bufbuild/protobuf";
import { PsoError } from "../errors.ts";
import { listenOnUnixSocket } from "../net/unix_listener.ts";
import { GetPluginInfoResponseSchema } from "./generated/csi_pb.ts";

/** How long an answer of whoever holds the socket is waited for; it may be anything. */
const HOLDER_TIMEOUT_MS = 2_000;
/** sockaddr_un.sun_path without its final NUL (unix(7)). */
const PATH_BYTES = 107;

/**
 * The path in `unix:///csi/csi.sock`, `unix:/csi/csi.sock` or `/csi/csi.sock`. Throws `invalid` for
 * anything else.
 */
export function socketPath(endpoint: string): string {
  const path = endpoint.replace(/^unix:(\/\/)?(?=\/)/, "");
  if (!path.startsWith("/")) {
    throw new PsoError(
      "invalid",
      `the endpoint ${
        JSON.stringify(endpoint)
      } is not of the form unix:///path: give --endpoint or CSI_ENDPOINT`,
    );
  }
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > PATH_BYTES) {
    throw new PsoError(
      "invalid",
      `the socket path ${path} has ${bytes} bytes, the system allows ${PATH_BYTES}: ` +
        "choose a shorter path",
    );
  }
  return path;
}

/**
 * Listens at `path` as `listenOnUnixSocket` does; who holds the socket already is told by its own
 * words if it is a CSI driver.
 */
export function listenOnSocket(path: string): Promise<Deno.UnixListener> {
  return listenOnUnixSocket(path, holder);
}

/** Who answers at the socket, by its own words if it is a CSI driver. */
function holder(path: string): Promise<string> {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  return new Promise<string>((resolve) => {
    client.makeUnaryRequest(
      "/csi.v1.Identity/GetPluginInfo",
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => fromBinary(GetPluginInfoResponseSchema, bytes),
      new Uint8Array(),
      { deadline: Date.now() + HOLDER_TIMEOUT_MS },
      (error, info) => {
        if (info) resolve(`${info.name} ${info.vendorVersion}, another running instance,`);
        else if (error?.code === status.DEADLINE_EXCEEDED) {
          resolve("a process that does not answer calls");
        } else resolve("another process");
      },
    );
  }).finally(() => client.close());
}
