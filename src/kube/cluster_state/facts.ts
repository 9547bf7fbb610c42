import type { ClusterAttachment, ClusterNode, ClusterVolume } from "../../cluster/facts.ts";
import { isObject, type KubeObject } from "../client.ts";

/** Where csi-attacher notes by which node_id it has published. */
const NODE_ID_ANNOTATION = "csi.alpha.kubernetes.io/node-id";

/** The name of an object; empty for what has none. */
export function nameOf({ metadata }: KubeObject): string {
  return isObject(metadata) ? textOf(metadata.name) ?? "" : "";
}

/**
 * What a CSINode says of the driver. Undefined while the driver is not registered there: also for a
 * moment of each restart of the node plugin, while pods use their volumes.
 */
export function nodeFact(object: KubeObject, driver: string): ClusterNode | undefined {
  const drivers = isObject(object.spec) ? object.spec.drivers : undefined;
  const own = Array.isArray(drivers)
    ? drivers.find((one) => isObject(one) && one.name === driver)
    : undefined;
  const nodeId = isObject(own) ? textOf(own.nodeID) : undefined;
  const name = nameOf(object);
  return nodeId === undefined || name === "" ? undefined : { name, nodeId };
}

/** What a PersistentVolume says; undefined for one of another driver. */
export function volumeFact(object: KubeObject, driver: string): ClusterVolume | undefined {
  const spec = isObject(object.spec) ? object.spec : {};
  const csi = isObject(spec.csi) ? spec.csi : {};
  const handle = textOf(csi.volumeHandle);
  const name = nameOf(object);
  if (csi.driver !== driver || handle === undefined || name === "") return undefined;
  const modes = Array.isArray(spec.accessModes) ? spec.accessModes : [];
  return {
    name,
    handle,
    readOnly: csi.readOnly === true,
    modes: modes.filter((mode) => typeof mode === "string"),
    isBlock: spec.volumeMode === "Block",
  };
}

/** What a VolumeAttachment says; undefined for one of another driver. */
export function attachmentFact(object: KubeObject, driver: string): ClusterAttachment | undefined {
  const spec = isObject(object.spec) ? object.spec : {};
  const source = isObject(spec.source) ? spec.source : {};
  const volume = textOf(source.persistentVolumeName);
  const node = textOf(spec.nodeName);
  const name = nameOf(object);
  if (spec.attacher !== driver || volume === undefined || node === undefined || name === "") {
    return undefined;
  }
  const metadata = isObject(object.metadata) ? object.metadata : {};
  const annotations = isObject(metadata.annotations) ? metadata.annotations : {};
  const nodeId = textOf(annotations[NODE_ID_ANNOTATION]);
  return {
    name,
    volume,
    node,
    isDeleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    isAttached: isObject(object.status) && object.status.attached === true,
    ...(nodeId === undefined ? {} : { nodeId }),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
