import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { PsoError } from "../errors.ts";
import { printHostPort } from "./address.ts";
import { parseIp } from "./cidr.ts";
import { connectionReason } from "./connection_faults.ts";

/** A port of a server. */
export interface Destination {
  host: string;
  port: number;
}

/** How long one connection is waited for. */
const CONNECT_MS = 3_000;

/**
 * The addresses of a host as the programs of this machine find them, hosts file included; an
 * address stands for itself. `unavailable` with what to do when there are none.
 */
export async function addressesOf(host: string): Promise<string[]> {
  if (parseIp(host) !== undefined) return [host];
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch (error) {
    throw new PsoError("unavailable", `${host}: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Makes a connection by TCP and closes it, sending nothing; gives the milliseconds that it took.
 * `unavailable` with what to do when there is none within 3 seconds.
 */
export function tryConnect(
  { host, port }: Destination,
  timeoutMs: number = CONNECT_MS,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const started = performance.now();
  const socket = connect({ host, port });
  const fail = (error: unknown) =>
    reject(
      new PsoError("unavailable", `${printHostPort({ host, port })}: ${reasonOf(error)}`, {
        cause: error,
      }),
    );
  const timer = setTimeout(
    () => fail(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
    timeoutMs,
  );
  socket.once("connect", () => resolve(performance.now() - started));
  socket.once("error", fail);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return connectionReason({ error, code, sent: false });
}
