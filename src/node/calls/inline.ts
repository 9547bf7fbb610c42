import { createHash } from "node:crypto";
import { PsoError } from "../../errors.ts";
import { removeEmptyFolders } from "../../host/empty_folder.ts";
import { type Mount, mountAt, readMounts } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import type { UnstageRequest } from "../requests.ts";
import { isSameMount } from "../volume_mounts.ts";
import { unstageVolume } from "./unstaging.ts";

// Volumes that pods describe themselves (`csi` among the volumes of a pod). kubelet publishes them
// without a stage; this driver stages every volume all the same, at the path where kubelet would.

/** `<kubelet>/pods/<uid>/volumes/kubernetes.io~csi/<volume>/mount` */
const TARGET = /^(.+)\/pods\/[^/]+\/volumes\/kubernetes\.io~csi\/[^/]+\/mount\/?$/;

/** The end of the staging path of a volume, whatever kubelet's folder is. */
function stagingEnd(volumeId: string): string {
  const hash = createHash("sha256").update(volumeId).digest("hex");
  return `/plugins/kubernetes.io/csi/pure-csi/${hash}/globalmount`;
}

/** Where such a volume is staged, by the target that kubelet gives. `invalid` for another target. */
export function inlineStagingPath(targetPath: string, volumeId: string): string {
  const [, kubelet] = TARGET.exec(targetPath) ?? [];
  if (kubelet !== undefined) return kubelet + stagingEnd(volumeId);
  throw new PsoError(
    "invalid",
    `target_path ${targetPath} of volume ${volumeId} is none of kubelet's for a volume of a pod: ` +
      "such a volume is mounted below its folder pods only",
  );
}

/** What this node has of a volume that a pod describes itself. */
export interface InlineState {
  /** Absent: it is not staged here, and nothing of it is left. */
  stagingPath?: string;
  /** A pod has it. */
  isPublished: boolean;
}

/** By its record, and by mountinfo where the record was lost. */
export async function inlineState(context: NodeContext, volumeId: string): Promise<InlineState> {
  const { host, records } = context;
  const record = await records.find(volumeId);
  const own = record?.inline ? record : undefined;
  const mounts = await readMounts(host);
  const end = stagingEnd(volumeId);
  // Copies below host roots end in the same path, and are longer.
  const [staged] = mounts.filter(({ target }) => target.endsWith(end))
    .sort((one, other) => one.target.length - other.target.length);
  const isElsewhere = (mount: Mount) =>
    staged !== undefined && isSameMount(mount, staged) && !mount.target.endsWith(end);
  const isPublished = mounts.some(isElsewhere) ||
    own?.published.some(({ targetPath }) => mountAt(mounts, targetPath) !== undefined) === true;
  const stagingPath = own?.stagingPath ?? staged?.target;
  return { ...stagingPath !== undefined && { stagingPath }, isPublished };
}

/** Unstages the volume and forgets it: nobody wants it any more, and it is destroyed next. */
export async function unstageInline(
  context: NodeContext,
  { volumeId, stagingPath }: UnstageRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { host, log, records } = context;
  await unstageVolume(context, { volumeId, stagingPath }, signal);
  await records.remove(volumeId);
  const folder = stagingPath.slice(0, stagingPath.lastIndexOf("/"));
  await removeEmptyFolders(host, { folders: [stagingPath, folder], log });
}
