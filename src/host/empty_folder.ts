import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Host, removeEmptyFolder } from "./host.ts";

/**
 * Removes those of these folders of the host that are empty, one after the other, so that an
 * uninstall leaves none. What cannot be removed stays and is logged: the end of a process waits for
 * nothing here. Never throws. A container that is restarted alone loses nothing by it: the runtime
 * makes the folder of a hostPath anew before it mounts it, kubelet connects by the path, and
 * the registrar has asked for the driver's name by then.
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
