/** What a delete may destroy beside what the cluster made itself. */
export interface DeleteRights {
  /** What was imported: nobody's by its name, or of a cluster that `deletePrefixes` names. */
  deleteImported: boolean;
  /** Of what has the tag of another cluster, only what has one of these. */
  deletePrefixes: readonly string[];
}

/** That a delete eradicates what it destroyed: nobody can recover it, its room and name are free. */
export interface Eradication {
  /**
   * Told how that ended, of an object as messages name it. With an error it stays destroyed, and the
   * delete is done all the same.
   */
  ended: (what: string, error?: unknown) => void;
}

/** Whose objects a delete may destroy. */
export interface DeleteScope {
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster?: string;
  /** What else it may destroy; absent: anything. */
  rights?: DeleteRights;
  /**
   * Destroy only what has the tag `cluster` of this cluster, whatever its name. A copy has none: the
   * tag does not go to copies. Where an array has no tags, nothing is destroyed.
   */
  onlyTagged?: boolean;
  /** Of what the cluster made itself, by its name; absent: the array keeps it for its time. */
  eradication?: Eradication;
  signal?: AbortSignal;
}

/**
 * What the caller of a delete knows that the array does not. Who reaches a volume of another name
 * than the cluster's own is read before anything is sent.
 */
export interface DeleteOptions extends DeleteScope {
  /**
   * File only: whether a client address of a rule of ours belongs to a node. A file system that is
   * exported to a node is not deleted; without this, and for rules that an administrator wrote, it
   * is.
   */
  isNode?: (client: string) => boolean;
  /**
   * Names of the nodes that the caller has published it to: a file system stays while there are
   * any, the connections of a block volume are read before anything is sent.
   */
  publishedTo?: readonly string[];
  /**
   * Block only: the caller made the volume itself, so that `publishedTo` is all there is. Otherwise
   * its connections are read before anything is sent.
   */
  isWatched?: boolean;
}
