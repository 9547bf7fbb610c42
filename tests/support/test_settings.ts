import type { FlashArraySettings, FlashBladeSettings } from "../../src/config/model.ts";
import type { NodePluginOptions } from "../../src/node/node_plugin.ts";

/** The section `flasharray` as an empty values file gives it. */
export const FLASHARRAY: FlashArraySettings = {
  sanType: "iscsi",
  defaultFsType: "xfs",
  defaultMkfsOptions: ["-q"],
  defaultMountOptions: ["discard"],
  preemptAttachments: true,
  iscsiLoginTimeoutSeconds: 20,
  iscsiAllowedCidrs: [],
  multipath: true,
};

/** The section `flashblade` as an empty values file gives it. */
export const FLASHBLADE: FlashBladeSettings = {
  snapshotDirectoryEnabled: false,
  exportRules: undefined,
};

/** What a test wants otherwise of a node than its bed has it; of `flasharray` single keys. */
export interface NodeChanges extends Omit<Partial<NodePluginOptions>, "flasharray"> {
  flasharray?: Partial<FlashArraySettings>;
}
