import { maskSecrets } from "./secret.ts";

/**
 * What went wrong, as facts about storage; `csi/status.ts` alone turns them into gRPC codes. A
 * closed list.
 */
export type ErrorCode =
  /** The request itself is wrong: a field, a parameter, a combination. */
  | "invalid"
  /** Well formed, but this array, protocol or version cannot do it. */
  | "unsupported"
  /** This installation does not offer it at all, whatever the request says. */
  | "unimplemented"
  /** A size or number that is outside of what can be served. */
  | "out_of_range"
  /** All places that could hold it have answered, and none does. */
  | "not_found"
  /** It exists already, and differs from what was asked for. */
  | "conflict"
  /** It is held by something else (another host, a snapshot, a mount) and must not be touched. */
  | "in_use"
  /** The name stands for several objects: nothing is touched until the caller says which. */
  | "ambiguous"
  /** Another operation on the same object is running: try again. */
  | "busy"
  /** A list token that was never given out or has gone stale. */
  | "stale_token"
  /** No array has the room, or a limit is reached. */
  | "exhausted"
  /** Could not be found out now; the outcome of a change may be unclear. */
  | "unavailable"
  /** Credentials or certificate refused, or the role is too low. */
  | "denied"
  /** The deadline passed; the outcome of a change may be unclear. */
  | "timeout";

/**
 * The one error that crosses module borders. `message` says what failed, on what, why, and what to
 * do, without a full stop or a stack; the value of a Secret is masked in it, whoever quoted it. The
 * cause is kept once, in `cause`.
 */
export class PsoError extends Error {
  override readonly name = "PsoError";
  constructor(readonly code: ErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(maskSecrets(message), options);
  }
}

/**
 * Wrong use of the command line (`invalid`): the program prints the message and ends with code 2.
 */
export class UsageError extends PsoError {
  constructor(message: string) {
    super("invalid", message);
  }
}

/** True when `error` is a PsoError, with one of `codes` if any are given. */
export function isPsoError(error: unknown, ...codes: ErrorCode[]): error is PsoError {
  return error instanceof PsoError && (codes.length === 0 || codes.includes(error.code));
}

/**
 * Whether the sidecars ask again by the same name after a code, and never take it for proof that
 * nothing was made. `csi/status.ts` gives each of these a status that is not final.
 */
const NEVER_FINAL: Record<ErrorCode, boolean> = {
  invalid: false,
  unsupported: false,
  unimplemented: false,
  out_of_range: false,
  not_found: false,
  conflict: false,
  in_use: false,
  ambiguous: false,
  busy: true,
  stale_token: false, // of lists alone: they make nothing
  exhausted: false,
  unavailable: true,
  denied: true,
  timeout: true,
};

/** True when the sidecars try again after this error, whatever was made before it. */
export function isNeverFinal(error: unknown): error is PsoError {
  return error instanceof PsoError && NEVER_FINAL[error.code];
}

/** The text of anything that was thrown, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** By which call of the runtime: `: readfile '/tmp'` at the end of its messages. */
const CALL = /: [a-z_]+ '.*'$/s;

/** Why a file could not be used, for the brackets of a message; without its name, which stands there. */
export function fileReason(error: unknown): string {
  // Deno asks for `--allow-all` then, which this program is never started with.
  if (error instanceof Deno.errors.NotCapable) {
    return "of devices and of the kernel's files this program uses none";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return messageOf(error).replace(CALL, "");
}

/** What is said of a file that could not be read, behind its name: `does not exist`. */
export function fileFault(error: unknown): string {
  return error instanceof Deno.errors.NotFound
    ? "does not exist"
    : `cannot be read (${fileReason(error)})`;
}
