import { messageOf, PsoError } from "../../errors.ts";
import { filePath, type Host } from "../../host/host.ts";

/** Makes a folder and those above it. One that is there is kept. `unavailable` with the reason. */
export async function makeFolder(host: Host, path: string): Promise<void> {
  try {
    await Deno.mkdir(filePath(host, path), { recursive: true, mode: 0o750 });
  } catch (error) {
    throw cannotMake(`folder ${path}`, error);
  }
}

/**
 * Makes an empty file to bind a device node onto. One that is there is kept. `in_use` when a folder
 * is there: it may hold something, so it is not removed.
 */
export async function makeFile(host: Host, path: string): Promise<void> {
  if (await isFolder(host, path)) {
    throw new PsoError(
      "in_use",
      `${path} is a folder, and a raw device is bound to a file there: see what made the folder, ` +
        "and remove it if it is empty",
    );
  }
  try {
    (await Deno.open(filePath(host, path), { write: true, create: true, mode: 0o600 })).close();
  } catch (error) {
    throw cannotMake(`file ${path}`, error);
  }
}

async function isFolder(host: Host, path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(filePath(host, path))).isDirectory;
  } catch {
    return false; // what is wrong shows when the file is made
  }
}

function cannotMake(what: string, cause: unknown): PsoError {
  const message = `${what} cannot be made: ${messageOf(cause)}; kubelet's folder must be mounted ` +
    "writable into this pod";
  return new PsoError("unavailable", message, { cause });
}
