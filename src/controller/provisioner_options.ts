import type { SanType } from "../protocols.ts";

/** What the configuration says about volumes; main.ts fills it from config.ts. */
export interface ProvisionerOptions {
  /** `clusterID` or `namespace.pure`: begins every volume name, with `-` after it. */
  prefix: string;
  /** `flasharray.sanType`: the protocol of block volumes whose class names none. */
  sanType: SanType;
  /** Volumes that one node may hold at once. */
  maxVolumesPerNode: number;
  /** Disconnect other hosts before a single-node volume is connected to a new one. */
  preemptAttachments: boolean;
  /** File system of block volumes whose request names none, such as `xfs`. */
  defaultFsType: string;
  /** Options of mkfs for classes that give none, word by word, such as `-q`. */
  defaultMkfsOptions: readonly string[];
  /**
   * `flashblade.exportRules` where an administrator set it; absent = only the nodes that use the
   * volume.
   */
  exportRules?: string;
  /** `flashblade.snapshotDirectoryEnabled`: show `.snapshot` in new file systems. */
  snapshotDirectory: boolean;
  /**
   * `flasharray.iSCSIAllowedCIDR` and its like: true for portals that nodes may use; absent = all.
   */
  portalFilter?: (address: string) => boolean;
}
