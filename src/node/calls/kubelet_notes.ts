import { createHash } from "node:crypto";
import { filePath, type Host } from "../../host/host.ts";
import { isSameMount } from "../volume_mounts.ts";
import type { Mount } from "../../host/mountinfo.ts";

// What kubelet itself writes down of a volume, and how it names folders (its package volume/csi).
// It outlives our records, and is there for what PSO published as well.

/** `<folder>/vol_data.json`: for a target, the folder of the volume in the pod. */
const NOTE = "vol_data.json";
/** Longer than any that kubelet writes. */
const NOTE_BYTES_MAX = 64 * 1024;
const MOUNTED_TARGET = /^(.+\/volumes\/kubernetes\.io~csi\/[^/]+)\/mount$/;
const RAW_TARGET = /^(.+\/plugins\/kubernetes\.io\/csi\/volumeDevices)\/publish\/([^/]+)\/[^/]+$/;
/** Since Kubernetes 1.24 the folder is named after the handle, before after the PV. */
const STAGING =
  /\/plugins\/kubernetes\.io\/csi\/(?:.+\/globalmount|volumeDevices\/staging\/[^/]+)$/;
const STAGED_BY_HANDLE = /\/plugins\/kubernetes\.io\/csi\/[^/]+\/([0-9a-f]{64})\/globalmount$/;

/** Whether kubelet uses such a path to stage volumes, and never to publish one. */
export function isKubeletStagingPath(path: string): boolean {
  return STAGING.test(path);
}

/** Whether kubelet uses such a path to publish volumes to pods, and never to stage one. */
export function isKubeletTargetPath(path: string): boolean {
  return MOUNTED_TARGET.test(path) || RAW_TARGET.test(path);
}

function noteOf(targetPath: string): string | undefined {
  const [, folder] = MOUNTED_TARGET.exec(targetPath) ?? [];
  if (folder !== undefined) return `${folder}/${NOTE}`;
  const [, devices, name] = RAW_TARGET.exec(targetPath) ?? [];
  return devices === undefined ? undefined : `${devices}/${name}/data/${NOTE}`;
}

/**
 * The volume that kubelet publishes at a target, by the note that it makes before the publish and
 * removes after the unpublish; `undefined` when there is no such note, or none that can be read.
 */
export async function handleAtTarget(host: Host, targetPath: string): Promise<string | undefined> {
  const note = noteOf(targetPath);
  if (note === undefined) return undefined;
  try {
    const path = filePath(host, note);
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile || size > NOTE_BYTES_MAX) return undefined;
    const handle = JSON.parse(await Deno.readTextFile(path))?.volumeHandle;
    return typeof handle === "string" ? handle : undefined;
  } catch {
    return undefined; // without a note the mount itself must tell
  }
}

function hashOf(volumeId: string): string {
  return createHash("sha256").update(volumeId).digest("hex");
}

/** Whether kubelet named a staging path after this volume; `undefined` for a path that tells none. */
export function isStagedByKubelet(path: string, volumeId: string): boolean | undefined {
  const hash = STAGED_BY_HANDLE.exec(path)?.[1];
  return hash === undefined ? undefined : hash === hashOf(volumeId);
}

/**
 * Whether kubelet has staged what `shown` shows for this volume: `other` when it did so for other
 * volumes only, `undefined` when none of its staging paths that name a volume shows it.
 */
export function stagedByKubelet(
  mounts: readonly Mount[],
  { shown, volumeId }: { shown: Mount; volumeId: string },
): "this" | "other" | undefined {
  const hashes = mounts.filter((mount) => isSameMount(mount, shown)).flatMap(({ target }) =>
    STAGED_BY_HANDLE.exec(target)?.[1] ?? []
  );
  if (hashes.length === 0) return undefined;
  return hashes.includes(hashOf(volumeId)) ? "this" : "other";
}
