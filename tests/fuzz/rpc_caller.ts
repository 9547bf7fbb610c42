/** Calls rows of a CSI service with bytes, and judges what every call owes whatever it was sent. */
import { status } from "@grpc/grpc-js";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { callSamples } from "../../src/csi/call.ts";
import { answer, type UnaryMethod } from "../../src/csi/unary.ts";
import { PsoError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { CANARY } from "./rpc_messages.ts";

/** So much later than its deadline a call must have ended. */
const HANG_MS = 8_000;

/** How a call ended. */
export interface Outcome {
  code: number;
  message: string;
  /** The answer of a call that was OK. */
  bytes?: Uint8Array;
}

/** One set of locks, and what was said since the last look. */
export class RpcCaller {
  readonly locks = new KeyedLock();
  readonly counts = new Map<string, number>();
  readonly #hangMs: number;
  #said: string[] = [];
  readonly #samples = callSamples(new Metrics());

  constructor({ hangMs = HANG_MS }: { hangMs?: number } = {}) {
    this.#hangMs = hangMs;
  }

  /** Throws for INTERNAL, for a call that does not end, and for a secret in anything said. */
  async call(row: UnaryMethod, bytes: Uint8Array, deadlineMs: number): Promise<Outcome> {
    const caller = new AbortController();
    const ended = Promise.withResolvers<never>();
    const deadline = setTimeout(
      () => caller.abort(new PsoError("timeout", "the caller's deadline has passed")),
      deadlineMs,
    );
    const hang = setTimeout(
      () => ended.reject(new Error(`${row.name} did not end`)),
      deadlineMs + this.#hangMs,
    );
    try {
      const write = (line: string) => void this.#said.push(line);
      const outcome = await Promise.race([
        answer(row, { bytes, signal: caller.signal }, {
          log: createLogger({ level: "debug", write }),
          locks: this.locks,
          samples: this.#samples,
          driverName: "pure-csi",
        }),
        ended.promise,
      ]);
      const { code, message } = "status" in outcome ? outcome.status : { code: 0, message: "" };
      this.#judge(row.name, { code, message });
      return { code, message, bytes: "bytes" in outcome ? outcome.bytes : undefined };
    } finally {
      clearTimeout(deadline);
      clearTimeout(hang);
    }
  }

  #judge(method: string, { code, message }: Outcome): void {
    const name = `${method} ${status[code]}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const said = [...this.#said, message];
    this.#said = [];
    if (code === status.INTERNAL || code === status.UNKNOWN) {
      throw new Error(`${name}: ${said.find((line) => line.includes('"stack"')) ?? message}`);
    }
    const leak = said.find((line) => line.includes(CANARY));
    if (leak !== undefined) throw new Error(`a secret was told: ${leak}`);
  }
}

/** How many files this process has open. */
export function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
