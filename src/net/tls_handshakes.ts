// How a TLS connection to one server is made, and whose certificate is accepted.
import type { Socket } from "node:net";
import { connect as tlsConnect, type PeerCertificate } from "node:tls";
import type { Secret } from "../secret.ts";
import { withCode } from "./answer_reader.ts";
import { namesNoHost } from "./connection_faults.ts";
import { plainHex } from "./fingerprint.ts";

/** How the certificate of one server is checked. */
export interface TlsTrust {
  /** `false`: any certificate is accepted, and the fields below are ignored. */
  verify: boolean;
  /** CA certificates that are trusted instead of the system's and Mozilla's. */
  caPem?: string;
  /**
   * SHA-256 of the only accepted certificate, hexadecimal with or without colons. Chain, name and
   * dates are not checked then.
   */
  fingerprint?: string;
}

/** How a client proves who it is by TLS. */
export interface ClientIdentity {
  certPem: string;
  keyPem: Secret;
}

/** One server, and what it is told and asked in a handshake. */
interface HandshakeOptions {
  /** IPv6 without brackets. */
  host: string;
  port: number;
  tls: TlsTrust;
  /** SHA-256 of the only accepted certificate, without colons; absent: none is pinned. */
  pin: string | undefined;
  identity: ClientIdentity | undefined;
  /** The name that the certificate must have; absent: the host. */
  serverName: string | undefined;
  /** Longest wait for one connection. */
  timeoutMs: number;
}

/**
 * For connections whose certificate this file compares itself. Unless `ca` is given, Deno 2.9
 * resumes the TLS session of an earlier connection to the same host, whatever the port. A server
 * that resumes it shows no certificate, and that of the earlier connection would be compared.
 */
const FULL_HANDSHAKE = { ca: [] };

/** Makes the TLS connections of one client. */
export class TlsHandshakes {
  readonly #options: HandshakeOptions;
  /** Sockets still being set up: close() must end them too, no agent knows them yet. */
  readonly #connecting = new Set<Socket>();

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Ends every connection that is being made. */
  close(): void {
    for (const socket of this.#connecting) socket.destroy();
  }

  /**
   * What `read` takes of the certificate that the server shows now, by a whole handshake of its
   * own, which proves the key too. `undefined` when the server shows none in time.
   */
  presented<T>(read: (certificate: PeerCertificate) => T): Promise<T | undefined> {
    const { host, port, timeoutMs } = this.#options;
    return new Promise((resolve) => {
      const socket = tlsConnect({
        host,
        port,
        servername: serverName(host),
        rejectUnauthorized: false,
        ...FULL_HANDSHAKE,
      });
      const timer = setTimeout(() => done(undefined), timeoutMs);
      const done = (shown: T | undefined) => {
        clearTimeout(timer);
        socket.destroy();
        resolve(shown);
      };
      socket.once("secureConnect", () => done(read(socket.getPeerCertificate())));
      socket.once("error", () => done(undefined));
      socket.once("close", () => done(undefined));
    });
  }

  /**
   * A socket whose certificate is accepted: no byte of a request (a token!) leaves before that.
   * Rejects with the error of node:tls, or one with a code of connection_faults.ts.
   */
  connect(): Promise<Socket> {
    const { host, port, pin, tls, identity, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = tlsConnect({
        host,
        port,
        servername: this.#options.serverName ?? serverName(host),
        ...(identity ? { cert: identity.certPem, key: identity.keyPem.reveal() } : {}),
        // With a pin the certificate itself is compared below, before the socket is given out.
        rejectUnauthorized: tls.verify && pin === undefined,
        ...(!tls.verify || pin !== undefined
          ? FULL_HANDSHAKE
          : tls.caPem === undefined
          ? {}
          : { ca: tls.caPem }),
      });
      this.#connecting.add(socket);
      const fail = (error: Error) => {
        clearTimeout(timer);
        this.#connecting.delete(socket);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(withCode("no connection in time", "ETIMEDOUT")),
        timeoutMs,
      );
      socket.once("error", fail);
      socket.once("close", () => fail(withCode("closed during the TLS handshake", "ECONNRESET")));
      socket.once("secureConnect", () => {
        const shown = plainHex(socket.getPeerCertificate().fingerprint256 ?? "");
        if (pin !== undefined && shown !== pin) {
          return fail(withCode("certificate is not the pinned one", "PIN_MISMATCH"));
        }
        if (tls.verify && pin === undefined && namesNoHost(socket.getPeerCertificate())) {
          return fail(
            withCode("it names no host: give the array one with a subjectAltName", "NO_HOST_NAMES"),
          );
        }
        clearTimeout(timer);
        this.#connecting.delete(socket);
        socket.removeAllListeners("close");
        socket.off("error", fail);
        resolve(socket);
      });
    });
  }
}

/** SNI is for names only; an IP address in it is refused by some servers. */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? "" : host;
}
