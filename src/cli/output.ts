// What the program prints for people and programs that read on.
import { fileReason, PsoError } from "../errors.ts";

/** A stream of this process. */
type Output = Pick<typeof Deno.stdout, "writeSync">;

/**
 * Writes all of the text: a pipe may take less than it is given. Who reads no more, as `head`, misses
 * nothing, and the caller goes on. `unavailable` when nothing can be written, as on a full disk.
 */
export function writeAll(output: Output, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += output.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    throw new PsoError(
      "unavailable",
      `the output cannot be written (${fileReason(error)}): make room there, or send it elsewhere`,
      { cause: error },
    );
  }
}

/** Whether a terminal shows the stream, and its lines can be written anew. */
export function isShown(output: Pick<typeof Deno.stdout, "isTerminal">): boolean {
  return output.isTerminal() && Deno.env.get("TERM") !== "dumb";
}

/** How wide the terminal of standard output is; undefined when there is none, or it does not say. */
export function columnsOf(): number | undefined {
  if (!isShown(Deno.stdout)) return undefined;
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    return undefined;
  }
}
