/** How much the clients of the endpoint may ask for at once. */
import {
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerListener,
  status,
} from "@grpc/grpc-js";
import type { ConnectionUse } from "../net/acceptor.ts";
import { KiB } from "../size.ts";

/**
 * Bytes of one message. CSI allows 4 KiB for each map and 128 bytes for most texts, so that a request
 * has some 20 KiB at most.
 */
export const MESSAGE_BYTES_MAX = 256 * KiB;
/** Calls at once on one connection; a sidecar makes 100 unless it is told otherwise, each kubelet call has its own. */
export const CONNECTION_CALLS_MAX = 128;
/** Calls at once on all connections together, those that have not sent their message included. */
export const CALLS_MAX = 2_000;
/** Connections at once; beyond that the one that has been idle longest is closed. */
export const CONNECTIONS_MAX = 1_000;
/** How long a call may take to send its message. */
export const MESSAGE_WAIT_MS = 10_000;

/** Limits of one endpoint; the constants above unless a test has others. */
export interface CallLimits {
  calls: number;
  messageWaitMs: number;
}

/** What the calls of an endpoint share. */
export class CallGate {
  readonly #limits: CallLimits;
  readonly #uses = new Map<number, ConnectionUse>();
  #connections = 0;
  #calls = 0;

  constructor(limits: Partial<CallLimits> = {}) {
    this.#limits = { calls: CALLS_MAX, messageWaitMs: MESSAGE_WAIT_MS, ...limits };
  }

  /** The number of a new connection, by which its calls find it until it leaves. */
  enter(use: ConnectionUse): number {
    const number = ++this.#connections;
    this.#uses.set(number, use);
    return number;
  }

  leave(connection: number): void {
    this.#uses.delete(connection);
  }

  /**
   * Counts each call from its first byte to its end. Beyond the limit it is UNAVAILABLE at once:
   * the sidecars and kubelet try again. One that does not send its message in time is ended.
   */
  readonly intercept: ServerInterceptor = (_method, call) => {
    const use = this.#uses.get(call.getConnectionInfo().remotePort ?? 0);
    const begun = this.#begin(use);
    return new ServerInterceptingCall(call, {
      start: (next) => {
        const listener: ServerListener = {
          onReceiveMessage: (message, deliver) => {
            begun.hasMessage();
            deliver(message);
          },
          onCancel: () => begun.end(),
        };
        next(listener);
        if (this.#calls > this.#limits.calls) {
          call.sendStatus({ code: status.UNAVAILABLE, details: TOO_MANY });
        } else {
          begun.waitForMessage(() =>
            call.sendStatus({ code: status.DEADLINE_EXCEEDED, details: NO_MESSAGE })
          );
        }
      },
    });
  };

  #begin(use: ConnectionUse | undefined) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOpen = true;
    this.#calls++;
    use?.begin();
    return {
      waitForMessage: (late: () => void) => {
        if (isOpen) timer = setTimeout(late, this.#limits.messageWaitMs);
      },
      hasMessage: () => clearTimeout(timer),
      end: () => {
        clearTimeout(timer);
        if (!isOpen) return;
        isOpen = false;
        this.#calls--;
        use?.end();
      },
    };
  }
}

const TOO_MANY = "the driver serves too many calls at once; the call must be repeated";
const NO_MESSAGE = "the call was opened and its message did not come";
