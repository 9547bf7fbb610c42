import { isKubeStatus } from "../kube/client.ts";
import type { EphemeralObjects } from "./objects.ts";

/** A volume that a pod describes itself, and that an array may have. */
interface ListedInline {
  /** Of the pod. */
  namespace: string;
  pod: string;
  /** Of the EphemeralVolume: the volume is called by it. */
  uid: string;
  /** Absent until it was made. */
  handle?: string;
}

/**
 * Whose every such volume is; none where the cluster does not know EphemeralVolumes. No
 * PersistentVolume, and on a FlashBlade no tag, tells of them.
 */
export async function inlineInventory(
  objects: Pick<EphemeralObjects, "list">,
): Promise<ListedInline[]> {
  const found = await objects.list().catch((error) => {
    if (isKubeStatus(error, 404)) return [];
    throw error;
  });
  return found.map(({ uid, spec: { pod }, status: { volumeHandle } }) => ({
    namespace: pod.namespace,
    pod: pod.name,
    uid,
    ...volumeHandle !== undefined && { handle: volumeHandle },
  }));
}
