import { PsoError } from "../errors.ts";
import type { DeleteRights } from "./array.ts";

/** What the tags of a volume say of whose it is. */
export interface OwnerTags {
  /** Value of the tag `cluster`; absent where there is none. */
  cluster?: string;
  /** The cluster took it in, and did not make it. */
  isImported?: boolean;
}

/** An object that is to be destroyed, and that does not bear a name of this cluster. */
interface DoubtfulObject {
  /** The object and its array, as a message names them. */
  shown: string;
  /** This cluster's prefix. */
  cluster: string | undefined;
  /** Absent where there are no tags. */
  owner?: OwnerTags;
  /** Absent: the caller sets no limits. */
  rights?: DeleteRights;
  /** What keeps the object without a change of the configuration; completes a sentence. */
  otherwise: string;
}

/**
 * `in_use` for what lacks this cluster's tag: it was found on another array than its handle names,
 * and its serial shows only which array made it. A copy, which has no such tag, may be all it is.
 */
export function refuseUntagged({ shown, cluster, owner, otherwise }: DoubtfulObject): void {
  if (cluster !== undefined && owner?.cluster === cluster) return;
  throw new PsoError(
    "in_use",
    `${shown} may be a copy: its handle names another array, which knows nothing of it any more, ` +
      `and the volume has no tag cluster=${cluster}: if it is the one that is meant, give it ` +
      `that tag, else ${otherwise}`,
  );
}

/** What makes Kubernetes keep a volume, and a snapshot. */
export const RETAIN = {
  volume: "set reclaimPolicy Retain on its PersistentVolume",
  snapshot: "set deletionPolicy Retain on its VolumeSnapshotContent",
} as const;

/**
 * `in_use` when the configuration does not let this cluster destroy what it did not make. The
 * message names the key that decides.
 */
export function refuseNotOwn(
  { shown, cluster, owner, rights, otherwise }: DoubtfulObject,
): void {
  const tag = owner?.cluster;
  const isOwn = tag !== undefined && tag === cluster;
  if (rights === undefined || (isOwn && !owner?.isImported)) return;
  if (tag !== undefined && !isOwn && !rights.deletePrefixes.includes(tag)) {
    throw new PsoError(
      "in_use",
      `${shown} has the tag of another cluster: cluster=${tag}, and this one is ${cluster}; put ` +
        `${tag} into deletePrefixes if that cluster does not need it, or ${otherwise}`,
    );
  }
  if (rights.deleteImported) return;
  throw new PsoError(
    "in_use",
    `${shown} was not made by this cluster (${cluster}), and deleteImported is false: set it to ` +
      `true, or ${otherwise}`,
  );
}
