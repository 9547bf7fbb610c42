import { dirname } from "node:path";
import { messageOf, PsoError } from "../errors.ts";

/**
 * Listens at `path`, mode 0600 from the first moment. A socket that a killed process left there is
 * replaced. Throws `conflict` when something answers there (`holder` says who), `invalid` when the
 * folder is missing or the path is something else, `denied` when the system refuses. Closing the
 * listener removes the socket, also after this process gave up its write permission.
 */
export async function listenOnUnixSocket(
  path: string,
  holder: (path: string) => Promise<string>,
): Promise<Deno.UnixListener> {
  checkFolder(path);
  await removeStale(path, holder);
  // Deno binds within listen(): nobody can connect between the bind and a later chmod.
  const umask = Deno.umask(0o177);
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    throw new PsoError(
      "denied",
      `cannot listen on ${path}: ${
        messageOf(error)
      }; check the folder's owner and what else uses it`,
      { cause: error },
    );
  } finally {
    Deno.umask(umask);
  }
}

function checkFolder(path: string): void {
  const folder = dirname(path);
  try {
    if (Deno.statSync(folder).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PsoError(
      "invalid",
      `cannot listen on ${path}: the folder ${folder} is missing; ` +
        "mount or create it, or choose another path",
    );
  }
  throw new PsoError(
    "invalid",
    `cannot listen on ${path}: ${folder} is not a folder; choose another path`,
  );
}

async function removeStale(
  path: string,
  holder: (path: string) => Promise<string>,
): Promise<void> {
  let found: Deno.FileInfo;
  try {
    found = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!found.isSocket) {
    throw new PsoError(
      "invalid",
      `cannot listen on ${path}: something that is no socket is there; remove it`,
    );
  }
  if (await isAnswered(path)) {
    throw new PsoError(
      "conflict",
      `cannot listen on ${path}: ${await holder(
        path,
      )} serves it; stop it or choose another path`,
    );
  }
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a process accepts connections there; a refusal proves that none does. */
async function isAnswered(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    if (error instanceof Deno.errors.NotFound) return false;
    throw new PsoError("denied", `cannot tell whether ${path} is in use: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
