import { status } from "@grpc/grpc-js";
import { type ErrorCode, isPsoError } from "../errors.ts";

/**
 * How each storage fact leaves on the wire: the only place that knows both. Every code but
 * CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE and ABORTED is final to the sidecars: csi-provisioner
 * then forgets that a volume may exist. So what may have taken effect, or will work once an
 * operator acted, is never final.
 */
const STATUS: Record<ErrorCode, status> = {
  invalid: status.INVALID_ARGUMENT,
  // Infeasible as asked: the resizer and the provisioner then retry slowly and let the user change
  // the claim.
  unsupported: status.INVALID_ARGUMENT,
  unimplemented: status.UNIMPLEMENTED,
  out_of_range: status.OUT_OF_RANGE,
  not_found: status.NOT_FOUND,
  conflict: status.ALREADY_EXISTS,
  in_use: status.FAILED_PRECONDITION,
  ambiguous: status.FAILED_PRECONDITION,
  busy: status.ABORTED,
  // ListVolumes and ListSnapshots errors, "Invalid starting_token".
  stale_token: status.ABORTED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  // The array refused the driver's own credentials, not the caller's: UNAUTHENTICATED would be
  // final and would blame the wrong one.
  denied: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
};

/**
 * Where the specification's table for one call wants another code: NodeStageVolume and
 * NodePublishVolume, "Exceeds capabilities" and "Staging target path not set";
 * CreateVolumeGroupSnapshot, "Cannot snapshot multiple volumes together"; GetMetadataDelta, "Changed
 * block tracking is not enabled", after which a backup takes all.
 */
const STATUS_BY_METHOD: Readonly<Record<string, Partial<Record<ErrorCode, status>>>> = {
  NodeStageVolume: { unsupported: status.FAILED_PRECONDITION },
  NodePublishVolume: { unsupported: status.FAILED_PRECONDITION },
  CreateVolumeGroupSnapshot: { unsupported: status.FAILED_PRECONDITION },
  GetMetadataAllocated: { unsupported: status.FAILED_PRECONDITION },
  GetMetadataDelta: { unsupported: status.FAILED_PRECONDITION },
};

/**
 * Bytes of a status message. csi-attacher stores it, with a prefix of its own of about 50 bytes, in
 * a VolumeAttachment, and the API server refuses more than 1024 there: the attach error would never
 * be seen.
 */
export const MESSAGE_BYTES = 950;

/** What the caller is told. `name` is the code's gRPC name, as in logs and metrics. */
export interface RpcStatus {
  code: status;
  name: string;
  message: string;
}

/** The gRPC name of a code: `OK`, `INVALID_ARGUMENT`, … */
export function statusName(code: status): string {
  return status[code] ?? String(code);
}

/**
 * Turns what a handler of `method` threw into a status. Anything but a PsoError is a fault of ours:
 * INTERNAL, with `requestId` to find it in the log.
 */
export function statusOf(
  error: unknown,
  { method, requestId }: { method: string; requestId: string },
): RpcStatus {
  if (!isPsoError(error)) {
    const message = "internal error, not caused by the request; " +
      `the driver's log has it under request ${requestId}`;
    return { code: status.INTERNAL, name: statusName(status.INTERNAL), message };
  }
  const code = STATUS_BY_METHOD[method]?.[error.code] ?? STATUS[error.code];
  return { code, name: statusName(code), message: cut(error.message, MESSAGE_BYTES) };
}

/**
 * The longest beginning of `text` that fits `maxBytes` as UTF-8, ending in … if something was cut,
 * and never in half a character.
 */
export function cut(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes - 3;
  // 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`;
}
