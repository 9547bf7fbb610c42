import { PsoError } from "../../errors.ts";
import { unmountStale } from "../../host/mount.ts";
import { type Mount, readMounts } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import type { StageRecord } from "../stage_record.ts";
import { mountsElsewhere } from "../volume_mounts.ts";

/** A staged mount whose server says that it is no longer there. */
interface StaleMount {
  volumeId: string;
  staged: Mount;
  record: StageRecord;
}

/**
 * Takes a stale staged mount away, so that the file system can be mounted anew. `in_use` while it
 * is published: a pod keeps what it has opened, and would see another file system than the pods
 * after it.
 */
export async function dropStaleMount(
  { host, log }: Pick<NodeContext, "host" | "log">,
  { volumeId, staged, record }: StaleMount,
  signal?: AbortSignal,
): Promise<void> {
  const elsewhere = mountsElsewhere(await readMounts(host), staged, [staged.target]);
  const published =
    elsewhere.find(({ target }) =>
      record.published.some(({ targetPath }) => targetPath === target)
    ) ?? elsewhere[0];
  if (published) {
    throw new PsoError(
      "in_use",
      `volume ${volumeId} is stale on this node (its server no longer has what was mounted from ` +
        `${staged.source}), and ${published.target} still shows it: end the pods that use it, ` +
        "then it is mounted anew",
    );
  }
  log.warn("stale mount taken away", {
    volume: volumeId,
    source: staged.source,
    target: staged.target,
  });
  await unmountStale(host, staged.target, signal);
}
