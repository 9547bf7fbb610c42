import { messageOf, PsoError } from "../../errors.ts";
import { filePath, type Host } from "../../host/host.ts";
import { mountAt, readMounts, resolveTarget } from "../../host/mountinfo.ts";
import { checkPath } from "../volume_mounts.ts";

/**
 * A target or staging path as mountinfo names it. `invalid` for what can be none; `in_use` when it
 * is a symbolic link itself: what is mounted through it would be found at no path of the volume.
 */
export async function resolvePlace(host: Host, path: string, what: string): Promise<string> {
  checkPath(path, what);
  const place = await resolveTarget(host, path);
  // Nothing can be mounted on a link, and a look at a mount of a dead server would hang.
  if (!mountAt(await readMounts(host), place)) await refuseLink(host, place, what);
  return place;
}

async function refuseLink(host: Host, path: string, what: string): Promise<void> {
  const found = await lookAt(host, path);
  if (!found?.isSymlink) return;
  const to = await Deno.readLink(filePath(host, path)).catch(() => "somewhere");
  throw new PsoError(
    "in_use",
    `${what} ${path} is a symbolic link to ${to}, and kubelet makes no such link: see who made it, ` +
      "and remove it",
  );
}

async function lookAt(host: Host, path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(filePath(host, path));
  } catch {
    return undefined; // what is wrong shows when it is made or removed
  }
}

/**
 * Makes a folder and those above it. One that is there is kept; `in_use` when something else is
 * there, also a link to a folder. `unavailable` with the reason.
 */
export async function makeFolder(host: Host, path: string): Promise<void> {
  try {
    await Deno.mkdir(filePath(host, path), { recursive: true, mode: 0o750 });
  } catch (error) {
    throw cannotMake(`folder ${path}`, error);
  }
  if ((await lookAt(host, path))?.isDirectory !== false) return;
  throw new PsoError(
    "in_use",
    `${path} is no folder, and a volume is mounted on one: see what it is, and remove it`,
  );
}

/**
 * Makes an empty file to bind a device node onto. One that is there is kept. `in_use` when anything
 * else is there: a folder may hold something, and a link leads elsewhere.
 */
export async function makeFile(host: Host, path: string): Promise<void> {
  let failure: unknown;
  if (await lookAt(host, path) === undefined) {
    try {
      // createNew follows no link that came in between.
      const options = { write: true, createNew: true, mode: 0o600 };
      (await Deno.open(filePath(host, path), options)).close();
      return;
    } catch (error) {
      failure = error;
    }
  }
  const found = await lookAt(host, path);
  if (found === undefined) throw cannotMake(`file ${path}`, failure);
  if (found.isFile) return;
  const kind = found.isDirectory ? "a folder" : found.isSymlink ? "a symbolic link" : "no file";
  throw new PsoError(
    "in_use",
    `${path} is ${kind}, and a raw device is bound to a file there: see what made it, and remove ` +
      "it if nothing needs it",
  );
}

function cannotMake(what: string, cause: unknown): PsoError {
  const message = `${what} cannot be made: ${messageOf(cause)}; kubelet's folder must be mounted ` +
    "writable into this pod";
  return new PsoError("unavailable", message, { cause });
}
