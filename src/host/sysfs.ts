import { type Host, hostPath } from "./host.ts";
import { unreadable } from "./links.ts";

/** What writeSysfs() writes, and how long it may take. */
interface SysfsWrite {
  value: string;
  /** Default: that of Run. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Writes to a sysfs file as the host's tools see it (tee(1)). By a process of its own: a write that
 * makes the kernel talk to a dead device can hang, and only a process can be given up.
 * `unavailable` with the kernel's reason when it refuses, `timeout` when it hangs.
 */
export async function writeSysfs(host: Host, path: string, options: SysfsWrite): Promise<void> {
  const { value, timeoutMs, signal } = options;
  await host.run("tee", [path], { stdin: `${value}\n`, timeoutMs, signal });
}

/**
 * Where a symbolic link of the host points; `undefined` when it does not exist, `unavailable` when
 * it cannot be read.
 */
export async function readHostLink(host: Host, path: string): Promise<string | undefined> {
  try {
    return await Deno.readLink(hostPath(host, path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw unreadable(`link ${path}`, error);
  }
}
