import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Host, removeEmptyFolder } from "./host.ts";

/**
 * Removes those of these folders of the host that are empty, one after the other, so that an
 * uninstall leaves none. What cannot be removed stays and is logged: the end of a process waits for
 * nothing here. Never throws.
 */
export async function removeEmptyFolders(
  host: Host,
  { folders, log }: { folders: readonly string[]; log: Logger },
): Promise<void> {
  for (const path of folders) {
    try {
      if (await removeEmptyFolder(host, path)) log.debug("empty folder removed", { path });
    } catch (error) {
      log.warn("empty folder not removed", { path, reason: messageOf(error) });
    }
  }
}
