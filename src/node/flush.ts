import { withDeadline } from "../async/wait.ts";
import { messageOf } from "../errors.ts";
import { dropCache } from "../host/block_device.ts";
import type { NodeContext } from "./context.ts";

const FLUSH_TIMEOUT_MS = 30_000;

/**
 * Writes back what this host has cached of a device that is about to be taken away, for 30 s at
 * most. The last close has written everything back already: this only makes an error of that
 * visible in the log, and never fails.
 */
export async function flushForRemoval(
  { host, log }: Pick<NodeContext, "host" | "log">,
  { device, wwid }: { device: string; wwid: string },
  signal?: AbortSignal,
): Promise<void> {
  const flush = (own: AbortSignal) => dropCache(host, device, own);
  await withDeadline(`flush of ${device}`, { timeoutMs: FLUSH_TIMEOUT_MS, signal }, flush)
    .catch((error) => {
      log.warn("device not flushed before its removal", { device, wwid, reason: messageOf(error) });
    });
}
