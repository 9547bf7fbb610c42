// What Kubernetes says, in the little that this program keeps of it. `src/kube/` reads it, and
// `src/controller/` decides by it.

/** A node as the driver is registered there now. */
export interface ClusterNode {
  /** Of the Node and its CSINode. */
  name: string;
  nodeId: string;
}

/** A PersistentVolume of this driver. */
export interface ClusterVolume {
  name: string;
  handle: string;
  readOnly: boolean;
  /** As Kubernetes writes them: `ReadWriteOnce`. */
  modes: readonly string[];
  isBlock: boolean;
}

/** A VolumeAttachment of this driver: a node needs a volume. */
export interface ClusterAttachment {
  name: string;
  /** Name of the PersistentVolume. */
  volume: string;
  node: string;
  /** Somebody ended it: it goes once the volume was unpublished. */
  isDeleting: boolean;
  /** csi-attacher has published the volume. */
  isAttached: boolean;
  /** The node_id by which the volume was published; absent where csi-attacher noted none. */
  nodeId?: string;
}

/** Who is told the facts of one kind. A list is told first, then each change. */
export interface FactSink<T> {
  /** A list begins: what `put` is not given until `listed` does not exist. */
  begin(): void;
  /** A fact that is there, new or changed. */
  put(fact: T): void;
  /** There is nothing of that name, or nothing that concerns this driver. */
  remove(name: string): void;
  /** Everything that was there has been told. */
  listed(): void;
  /** Called when the facts cannot be read, and with nothing when they can again. */
  trouble(problem: string | undefined): void;
}

/** Who is told all that is kept of a cluster. */
export interface ClusterSinks {
  nodes: FactSink<ClusterNode>;
  volumes: FactSink<ClusterVolume>;
  attachments: FactSink<ClusterAttachment>;
}
