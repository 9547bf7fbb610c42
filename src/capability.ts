/**
 * What a request wants of a volume: raw block or a mounted file system, and who may use it at once
 * (CSI VolumeCapability).
 */
export interface Capability {
  /** `mountFlags`: one mount option each, also where the class wrote several in one text. */
  access: { type: "block" } | { type: "mount"; fsType: string; mountFlags: string[] };
  mode: AccessMode;
}

/**
 * CSI 1.13 access modes; `single-node-single-writer` and `single-node-multi-writer` are RWOP and
 * RWO of newer Kubernetes.
 */
export type AccessMode =
  | "single-node-writer"
  | "single-node-reader-only"
  | "multi-node-reader-only"
  | "multi-node-single-writer"
  | "multi-node-multi-writer"
  | "single-node-single-writer"
  | "single-node-multi-writer";

/** True when several nodes may hold the volume at the same time. */
export function isMultiNode(mode: AccessMode): boolean {
  return mode.startsWith("multi-node");
}

/** True when no node may write. */
export function isReadOnly(mode: AccessMode): boolean {
  return mode.endsWith("reader-only");
}
