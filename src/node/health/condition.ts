import { messageOf } from "../../errors.ts";
import { faultOfFileSystem } from "../../host/filesystem.ts";
import {
  boundDeviceName,
  type Mount,
  mountAt,
  readMounts,
  stoppedBy,
} from "../../host/mountinfo.ts";
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
  } else if (isBlock(attachment) && stoppedBy(staged) !== undefined) {
    conditions.push(stoppedCondition(staged));
  }
  if (!isBlock(attachment)) {
    const said = fileConnection(attachment).look(context, { attachment, target: staged?.target });
    return { conditions: [...conditions, ...said], isUsed, paths: NONE, missingRoutes: [] };
  }
  if (!isUsed) return { conditions, isUsed, paths: NONE, missingRoutes: [] };
  const found = await blockConnection(attachment).look(context, { view, attachment, device });
  return { ...found, isUsed, conditions: [...conditions, ...found.conditions] };
}

/** The condition of a volume whose file system the kernel has stopped, as mountinfo shows it. */
function stoppedCondition(staged: Mount): Condition {
  const word = stoppedBy(staged);
  const message = `the kernel has stopped ${staged.type} at ${staged.target} after an error ` +
    `(option ${word}): see its log; when the pods that use it have ended, it is mounted anew`;
  // After `ro` alone, what is there can still be read.
  return word === "ro"
    ? { status: "degraded", reason: "FileSystemReadOnly", message }
    : { status: "inaccessible", reason: "FileSystemStopped", message };
}

/**
 * What is wrong with the staged file system of a block volume that neither sysfs nor mountinfo
 * shows: a stopped xfs, or one that does not answer. Asked by a process, unlike lookAt().
 */
export async function probeFileSystem(
  { host }: NodeContext,
  { attachment, stagingPath }: StageRecord,
  signal?: AbortSignal,
): Promise<Condition[]> {
  const staged = stagedMount(await readMounts(host), stagingPath);
  if (!staged || !isBlock(attachment) || boundDeviceName(staged) !== undefined) return [];
  if (stoppedBy(staged) !== undefined) return []; // lookAt() tells it
  try {
    const message = await faultOfFileSystem(host, staged, signal);
    return message === undefined
      ? []
      : [{ status: "inaccessible", reason: "FileSystemStopped", message }];
  } catch (error) {
    const message = messageOf(error);
    return [{ status: "inaccessible", reason: "FileSystemNotAnswering", message }];
  }
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
