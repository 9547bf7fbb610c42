import { mountAt } from "../../host/mountinfo.ts";
import type { HostView } from "../../host/host_view.ts";
import type { NodeContext } from "../context.ts";
import { type Condition, NONE, type StorageCondition, type VolumeLook } from "../look.ts";
import { isBlock } from "../protocol.ts";
import { blockConnection, FILE_CONNECTIONS, fileConnection } from "../registry.ts";
import type { StageRecord } from "../stage_record.ts";
import { stagedMount } from "../volume_mounts.ts";

/**
 * The condition of a volume that has a record, from sysfs and mountinfo as the view shows them, and
 * from what the servers said last. Nothing is changed, no process is started.
 */
export async function lookAt(
  context: NodeContext,
  view: HostView,
  record: StageRecord,
): Promise<VolumeLook> {
  const { attachment, device, stagingPath, published } = record;
  const staged = stagedMount(view.mounts, stagingPath);
  const isUsed = staged !== undefined ||
    published.some(({ targetPath }) => mountAt(view.mounts, targetPath)) ||
    (device !== undefined && view.mountsOf(device).length > 0);
  const conditions: Condition[] = [];
  if (!staged) {
    const reason = record.unstaging ? "UnstageUnfinished" : "NotMounted";
    const message = record.unstaging
      ? "an unstage was begun and has not ended"
      : `nothing is mounted at ${stagingPath}`;
    conditions.push({ status: "inaccessible", reason, message });
  } else if (
    isBlock(attachment) && staged.options.includes("rw") &&
    staged.superOptions.some((option) => /^(ro|emergency_ro|shutdown)$/.test(option))
  ) {
    const message = `the kernel takes no more writes to ${staged.type} at ${stagingPath} after ` +
      "an error: see its log";
    conditions.push({ status: "degraded", reason: "FileSystemReadOnly", message });
  }
  if (!isBlock(attachment)) {
    const said = fileConnection(attachment).look(context, { attachment, target: staged?.target });
    return { conditions: [...conditions, ...said], isUsed, paths: NONE, missingRoutes: [] };
  }
  if (!isUsed) return { conditions, isUsed, paths: NONE, missingRoutes: [] };
  const found = await blockConnection(attachment).look(context, { view, attachment, device });
  return { ...found, isUsed, conditions: [...conditions, ...found.conditions] };
}

/**
 * What is wrong with storage: an array is unreachable when no volume of it has a path, a server
 * when it does not answer.
 */
export function storageConditions(
  context: NodeContext,
  looks: VolumeLook[],
): StorageCondition[] {
  const byArray = Map.groupBy(
    looks.filter(({ array }) => array !== undefined),
    ({ array }) => array,
  );
  const unreachable: string[] = [];
  const degraded: string[] = [];
  for (const [array, volumes] of byArray) {
    const hurt = volumes.filter(({ paths }) => paths.down + paths.missing > 0);
    const dead = hurt.filter(({ paths }) => paths.up === 0);
    if (dead.length === volumes.length) unreachable.push(`${array} (${dead.length} volumes)`);
    else if (hurt.length > 0) {
      degraded.push(`${array} (${hurt.length} of ${volumes.length} volumes)`);
    }
  }
  const found: StorageCondition[] = [];
  if (unreachable.length > 0) {
    const message = `no path of this node leads to the array: ${unreachable.join(", ")}`;
    found.push({ status: "unreachable", reason: "ArrayUnreachable", message });
  }
  if (degraded.length > 0) {
    const message = `some paths of this node to the array carry no I/O: ${degraded.join(", ")}`;
    found.push({ status: "degraded", reason: "PathsMissing", message });
  }
  const servers = FILE_CONNECTIONS.flatMap((connection) => connection.serverConditions(context));
  return [...found, ...servers];
}
