// The rows of a CSI service without a socket: what a sidecar's or kubelet's message becomes, and
// what it is answered.
import { ok } from "node:assert/strict";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/generated/csi_pb.ts";
import { callSamples } from "../../src/csi/call.ts";
import { answer, type UnaryMethod } from "../../src/csi/unary.ts";
import { createLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";

/** A file system for one writer, as csi-provisioner sends it. */
export const WRITER = {
  accessType: { case: "mount" as const, value: { fsType: "xfs" } },
  accessMode: { mode: Mode.SINGLE_NODE_WRITER },
};
/** A raw volume for one writer. */
export const BLOCK = {
  accessType: { case: "block" as const, value: {} },
  accessMode: { mode: Mode.SINGLE_NODE_WRITER },
};

/** A status that is not OK, thrown so that `rejects` can look at it. */
export class RowError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** The rows of one service, with one set of locks and every log line that they made. */
export class RpcRows {
  readonly locks = new KeyedLock();
  readonly lines: Record<string, unknown>[] = [];
  readonly #rows: UnaryMethod[];

  constructor(rows: UnaryMethod[]) {
    this.#rows = rows;
  }

  /** The answer to one message; RowError when its status is not OK. */
  async call<Request extends DescMessage, Response extends DescMessage>(
    desc: DescMethodUnary<Request, Response>,
    request: MessageInitShape<Request>,
  ): Promise<MessageShape<Response>> {
    const row = this.#rows.find(({ name }) => name === desc.name);
    ok(row, `${desc.name} has no row`);
    const bytes = toBinary(desc.input, create(desc.input, request));
    const outcome = await answer(row, { bytes, signal: new AbortController().signal }, {
      log: createLogger({ level: "debug", write: (line) => this.lines.push(JSON.parse(line)) }),
      locks: this.locks,
      samples: callSamples(new Metrics()),
      driverName: "pure-csi",
    });
    if ("status" in outcome) throw new RowError(outcome.status.code, outcome.status.message);
    return fromBinary(desc.output, outcome.bytes);
  }

  /** The line that tells how the last call ended. */
  lastLine(): Record<string, unknown> {
    return this.lines.findLast(({ event }) => event === "rpc") ?? {};
  }
}
