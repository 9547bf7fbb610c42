import { PsoError } from "../errors.ts";
import { formatSize } from "../size.ts";
import { CONFIG_LIMITS } from "./model.ts";

/**
 * The text of a plain file of at most CONFIG_LIMITS.fileBytes. A device, a pipe, a socket or a folder
 * is refused before it is opened (`invalid`): reading it could go on for ever. Throws what the file
 * system throws.
 */
export async function readPlainFile(path: string): Promise<string> {
  refuseOdd(await Deno.stat(path));
  using file = await Deno.open(path);
  refuseOdd(await file.stat()); // it may have been exchanged
  return await readToEnd(file);
}

/** All that comes of a stream until its end; `invalid` for more than CONFIG_LIMITS.fileBytes. */
export async function readToEnd(file: Pick<Deno.FsFile, "read">): Promise<string> {
  const bytes = new Uint8Array(CONFIG_LIMITS.fileBytes + 1);
  let size = 0;
  for (let count: number | null = 0; count !== null && size < bytes.length;) {
    count = await file.read(bytes.subarray(size));
    size += count ?? 0;
  }
  if (size > CONFIG_LIMITS.fileBytes) throw tooLarge();
  return new TextDecoder().decode(bytes.subarray(0, size));
}

/** Throws `invalid` for a text that is larger than a file of the configuration may be. */
export function refuseLargeText(text: string): void {
  if (text.length > CONFIG_LIMITS.fileBytes) throw tooLarge();
}

function refuseOdd(found: Deno.FileInfo): void {
  if (!found.isFile) {
    const kind = found.isDirectory ? "a folder" : "a device, a pipe or a socket";
    throw new PsoError("invalid", `it is ${kind} and no plain file`);
  }
  if (found.size > CONFIG_LIMITS.fileBytes) throw tooLarge();
}

function tooLarge(): PsoError {
  return new PsoError("invalid", `it is larger than ${formatSize(CONFIG_LIMITS.fileBytes)}`);
}
