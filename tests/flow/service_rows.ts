// The rows of the controller service over a bed's provisioner: what a sidecar's message becomes,
// and what it is answered, without a socket.
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
import { controllerService } from "../../src/csi/controller_service.ts";
import {
  Controller,
  VolumeCapability_AccessMode_Mode as Mode,
} from "../../src/csi/generated/csi_pb.ts";
import { answer, callSamples } from "../../src/csi/unary.ts";
import { createLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics.ts";
import { GiB } from "../../src/size.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

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
/** A label that says where an array is. */
export const ZONE = "topology.purestorage.com/zone";

/** A status that is not OK, thrown so that `rejects` can look at it. */
export class RowError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** The rows of one bed, with one set of locks and every log line that they made. */
export class ServiceRows {
  readonly locks = new KeyedLock();
  readonly lines: Record<string, unknown>[] = [];
  readonly #bed: ProvisionerBed;

  constructor(bed: ProvisionerBed) {
    this.#bed = bed;
  }

  /** The answer to one message; RowError when its status is not OK. */
  async call<Request extends DescMessage, Response extends DescMessage>(
    desc: DescMethodUnary<Request, Response>,
    request: MessageInitShape<Request>,
  ): Promise<MessageShape<Response>> {
    const row = controllerService(() => this.#bed.provisioner).find(({ name }) =>
      name === desc.name
    );
    ok(row, `${desc.name} has no row`);
    const bytes = toBinary(desc.input, create(desc.input, request));
    const outcome = await answer(row, { bytes, signal: this.#bed.signal }, {
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

/** A CapacityRange; 0 = no limit. */
export function gibibytes(required: number, limit = 0) {
  return { requiredBytes: BigInt(required * GiB), limitBytes: BigInt(limit * GiB) };
}

/** Two FlashArrays in two zones, and the rows of a controller over them. */
export function withRows(
  test: (rows: ServiceRows, bed: ProvisionerBed) => Promise<void>,
): () => Promise<void> {
  const labels = { "fa-1": { [ZONE]: "a" }, "fa-2": { [ZONE]: "b" } };
  return () => ProvisionerBed.run({ labels }, (bed) => test(new ServiceRows(bed), bed));
}

/** Creates a volume by its row and returns its id. */
export async function created(rows: ServiceRows, name: string): Promise<string> {
  const { volume } = await rows.call(Controller.method.createVolume, {
    name,
    volumeCapabilities: [WRITER],
    capacityRange: gibibytes(1),
  });
  return volume?.volumeId ?? "";
}
