import { PsoError } from "../errors.ts";
import type { DeleteRights } from "./array.ts";

/** An object that is to be destroyed, and that does not bear a name of this cluster. */
interface DoubtfulObject {
  /** The object and its array, as a message names them. */
  shown: string;
  /** This cluster's prefix. */
  cluster: string | undefined;
  /** Value of the tag `cluster`; absent where there is none. */
  tag?: string;
  /** Absent: the caller sets no limits. */
  rights?: DeleteRights;
  /** What keeps the object without a change of the configuration; completes a sentence. */
  otherwise: string;
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
export function refuseNotOwn({ shown, cluster, tag, rights, otherwise }: DoubtfulObject): void {
  if (rights === undefined || (tag !== undefined && tag === cluster)) return;
  if (tag !== undefined && !rights.deletePrefixes.includes(tag)) {
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
