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

/**
 * The access modes of claims, by the names that Kubernetes has for them, as csi-provisioner asks a
 * driver with SINGLE_NODE_MULTI_WRITER for them.
 */
export const CLAIM_ACCESS_MODES: Readonly<Record<string, AccessMode>> = {
  ReadWriteOnce: "single-node-multi-writer",
  ReadWriteOncePod: "single-node-single-writer",
  ReadOnlyMany: "multi-node-reader-only",
  ReadWriteMany: "multi-node-multi-writer",
};

/** What a claim calls the mode; undefined for one that no claim has. */
export function claimAccessModeOf(mode: AccessMode): string | undefined {
  // How older sidecars ask for ReadWriteOnce.
  const asked = mode === "single-node-writer" ? "single-node-multi-writer" : mode;
  return Object.entries(CLAIM_ACCESS_MODES).find(([, known]) => known === asked)?.[0];
}
