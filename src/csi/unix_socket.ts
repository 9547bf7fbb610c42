/**
 * The unix socket that the endpoint listens on: where it is, that it is ours, and that it goes when
 * we go.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { dirname } from "node:path";
import { Client, credentials, status } from "@grpc/grpc-js";
import { fromBinary } from "@bufbuild/protobuf";
import { messageOf, PsoError } from "../errors.ts";
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
        "choose a shorter --endpoint",
    );
  }
  return path;
}

/**
 * Listens at `path`, mode 0600 from the first moment, and hands over each connection. A socket that
 * a killed process left there is replaced. Throws `conflict` when something answers there,
 * `invalid` when the folder is missing or the path is something else, `denied` when the system
 * refuses. Closing the listener removes the socket, also after this process gave up its write
 * permission (node:net does that; Deno.listen does not).
 */
export async function listenOnSocket(
  path: string,
  accept: (socket: net.Socket) => void,
): Promise<net.Server> {
  checkFolder(path);
  await removeStale(path);
  // The other side may close its half first and still read our answer.
  const listener = net.createServer({ allowHalfOpen: true }, accept);
  const bound = new Promise<void>((resolve, reject) =>
    listener.once("listening", resolve).once("error", reject)
  );
  // node:net binds within listen(): nobody can connect between the bind and a later chmod.
  const umask = Deno.umask(0o177);
  try {
    listener.listen({ path });
  } finally {
    Deno.umask(umask);
  }
  try {
    await bound;
  } catch (error) {
    throw new PsoError(
      "denied",
      `cannot listen on ${path}: ${
        messageOf(error)
      }; check the folder's owner and what else uses it`,
      {
        cause: error,
      },
    );
  }
  return listener;
}

function checkFolder(path: string): void {
  const folder = dirname(path);
  try {
    if (Deno.statSync(folder).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PsoError(
      "invalid",
      `cannot listen on ${path}: the folder ${folder} is missing; ` +
        "mount or create it, or change --endpoint",
    );
  }
  throw new PsoError(
    "invalid",
    `cannot listen on ${path}: ${folder} is not a folder; change --endpoint`,
  );
}

async function removeStale(path: string): Promise<void> {
  let found: Deno.FileInfo;
  try {
    found = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!found.isSocket) {
    throw new PsoError(
      "invalid",
      `cannot listen on ${path}: something that is no socket is there; remove it`,
    );
  }
  if (await isAnswered(path)) {
    throw new PsoError(
      "conflict",
      `cannot listen on ${path}: ${await holder(
        path,
      )} serves it; stop it or choose another --endpoint`,
    );
  }
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a process accepts connections there; a refusal proves that none does. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = net.connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: Error & { code?: string }) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else {reject(
          new PsoError("denied", `cannot tell whether ${path} is in use: ${error.message}`, {
            cause: error,
          }),
        );}
    });
  });
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
