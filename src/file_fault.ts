import { messageOf } from "./errors.ts";

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
