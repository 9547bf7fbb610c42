import { deepEqual, equal, match, throws } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { type ErrorCode, isNeverFinal, PsoError } from "../errors.ts";
import { CapacityRangeSchema } from "./generated/csi_pb.ts";
import { statusOf } from "./status.ts";
import { rangeOf } from "./values.ts";

Deno.test("statusOf() leaves by the table, and by that of the call where the specification has another code", () => {
  const of = (method: string) =>
    statusOf(new PsoError("unsupported", "no"), { method, requestId: "1" }).code;
  equal(of("CreateVolume"), status.INVALID_ARGUMENT);
  equal(of("NodeStageVolume"), status.FAILED_PRECONDITION);
  equal(of("NodePublishVolume"), status.FAILED_PRECONDITION);
});

Deno.test("statusOf() gives no final status to an error after which a volume may exist", () => {
  const notFinal = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.ABORTED];
  const codes: ErrorCode[] = ["busy", "unavailable", "denied", "timeout"];
  for (const code of codes) {
    const error = new PsoError(code, "no");
    const left = statusOf(error, { method: "CreateVolume", requestId: "1" }).code;
    deepEqual([code, isNeverFinal(error), notFinal.includes(left)], [code, true, true]);
  }
  equal(isNeverFinal(new PsoError("exhausted", "full")), false);
});

Deno.test("statusOf() tells nothing of a fault of ours but where to look", () => {
  const { code, message } = statusOf(new TypeError("secret detail"), {
    method: "CreateVolume",
    requestId: "4711",
  });
  equal(code, status.INTERNAL);
  match(message, /4711/);
  equal(message.includes("secret"), false);
});

Deno.test("rangeOf() refuses a limit below what is required, and numbers beyond any array", () => {
  const range = (requiredBytes: bigint, limitBytes: bigint) =>
    create(CapacityRangeSchema, { requiredBytes, limitBytes });
  deepEqual(rangeOf(range(1n, 0n)), { requiredBytes: 1, limitBytes: 0 });
  throws(() => rangeOf(range(2n, 1n)), {
    code: "out_of_range",
    message: /required_bytes 2 is above limit_bytes 1/,
  });
  throws(() => rangeOf(range(2n ** 60n, 0n)), { code: "out_of_range" });
});
