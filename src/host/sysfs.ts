import { PsoError } from "../errors.ts";
import { type Host, hostPath } from "./host.ts";

/**
 * Writes to a sysfs file as the host's tools see it (tee(1)). A process of its own, because a write
 * that makes the kernel talk to a dead device can hang, and only a process can be given up.
 * `unavailable` with the kernel's word when it refuses.
 */
export async function writeSysfs(
  host: Host,
  path: string,
  options: { value: string; timeoutMs?: number; signal?: AbortSignal },
): Promise<void> {
  const { value, timeoutMs, signal } = options;
  await host.run("tee", [path], { stdin: `${value}\n`, timeoutMs, signal });
}

/** The text of a symbolic link, not followed; `undefined` when it is not there. */
export async function readHostLink(host: Host, path: string): Promise<string | undefined> {
  try {
    return await Deno.readLink(hostPath(host, path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new PsoError("unavailable", `host link ${path} cannot be read: ${String(error)}`, {
      cause: error,
    });
  }
}
