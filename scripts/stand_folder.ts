/** The folder of a stand: who may use it, and what an earlier stand left there. */
import { killMarked, MARK } from "./child.ts";
import { isBelow, releaseBelow, removeFolder } from "./mounts.ts";
import { exists, readIfThere } from "./paths.ts";
import { ROOT } from "./program.ts";

/** sun_path holds 108 bytes with the zero at its end (unix(7)). */
const SOCKET_PATH_BYTES = 107;

/** Makes the folder of a stand; gives back its path without symbolic links. */
export async function makeStandFolder(path: string): Promise<string> {
  await Deno.mkdir(`${path}/log`, { recursive: true });
  const dir = await Deno.realPath(path);
  if (isBelow(dir, ROOT)) {
    throw new Error(
      `${dir} lies inside the project, where mounts would confuse the compiler; choose a folder ` +
        "elsewhere",
    );
  }
  if (new TextEncoder().encode(`${dir}/controller-admin.sock`).length > SOCKET_PATH_BYTES) {
    throw new Error(
      `${dir} is too long for a socket's path (${SOCKET_PATH_BYTES} bytes); choose a shorter one`,
    );
  }
  return dir;
}

/**
 * A node's /etc with initiator names of its own: two hosts of an array never share one. Written
 * once, so that they last.
 */
export async function ownEtc(etc: string, number: number): Promise<string> {
  if (await exists(`${etc}/nvme/hostid`)) return etc;
  const id = crypto.randomUUID();
  await Deno.mkdir(`${etc}/iscsi`, { recursive: true });
  await Deno.mkdir(`${etc}/nvme`, { recursive: true });
  await Deno.writeTextFile(
    `${etc}/iscsi/initiatorname.iscsi`,
    `InitiatorName=iqn.1993-08.org.debian:01:${id.slice(0, 8)}${number}\n`,
  );
  await Deno.writeTextFile(`${etc}/nvme/hostnqn`, `nqn.2014-08.org.nvmexpress:uuid:${id}\n`);
  await Deno.writeTextFile(`${etc}/nvme/hostid`, `${id}\n`);
  return etc;
}

/**
 * Takes away whatever a stand in `dir` has outside of plain files. Safe to repeat, and the first
 * thing after a run that was killed.
 */
export async function cleanStandFolder(dir: string): Promise<void> {
  await killMarked(MARK, dir);
  const hostRoots = await readIfThere(`${dir}/host_roots`);
  await releaseBelow(hostRoots === undefined ? [dir] : [hostRoots, dir]);
  if (hostRoots !== undefined) {
    await removeFolder(hostRoots);
    await Deno.remove(`${dir}/host_roots`);
  }
  for await (const entry of Deno.readDir(dir)) {
    if (entry.name.endsWith(".sock") || entry.name === "up.json") {
      await Deno.remove(`${dir}/${entry.name}`);
    }
  }
}

/**
 * One stand per folder: held by an abstract socket (unix(7)), which is gone with its process
 * however that ends, and which, unlike a lock file in the folder, does not keep the folder's own
 * mount busy.
 */
export function takeStandFolder(dir: string): Deno.Listener {
  try {
    return Deno.listen({ transport: "unix", path: `\0pso-stand${dir}` });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new Error(`another stand is running in ${dir}; stop it or choose another folder`);
    }
    throw error;
  }
}
