import type { VolumeKind } from "../arrays/array.ts";
import { type AccessMode, type Capability, isMultiNode } from "../capability.ts";
import type { Config } from "../config/model.ts";
import { findFsType, FS_TYPES } from "../file_systems.ts";

const MODE_NAMES: Record<AccessMode, string> = {
  "single-node-writer": "ReadWriteOnce",
  "single-node-reader-only": "single node, read only",
  "multi-node-reader-only": "ReadOnlyMany",
  "multi-node-single-writer": "many nodes, one writer",
  "multi-node-multi-writer": "ReadWriteMany",
  "single-node-single-writer": "ReadWriteOncePod",
  "single-node-multi-writer": "ReadWriteOnce",
};

/**
 * True for a mounted file system that several nodes use and at least one writes: only a file system
 * of an array can do that.
 */
export function needsFileSharing({ access, mode }: Capability): boolean {
  return access.type === "mount" && isMultiNode(mode) && mode !== "multi-node-reader-only";
}

/** Why a volume of that kind cannot be used so, with what to do; `undefined` when it can. */
export function capabilityFault(capability: Capability, kind: VolumeKind): string | undefined {
  const { access, mode } = capability;
  if (kind === "file") {
    if (access.type === "mount") return undefined;
    return "a FlashBlade file system cannot be a raw block volume: " +
      "use volumeMode Filesystem, or a class with backend block";
  }
  if (needsFileSharing(capability)) {
    return `a FlashArray volume cannot be a file system for access mode ${MODE_NAMES[mode]}, ` +
      "two nodes would damage it: use a class with backend file, or volumeMode Block";
  }
  if (
    access.type === "mount" && access.fsType !== "" &&
    findFsType(access.fsType) === undefined
  ) {
    return `the file system ${JSON.stringify(access.fsType)} is not supported: ` +
      `csi.storage.k8s.io/fstype takes ${FS_TYPES.join(", ")}`;
  }
  return undefined;
}

/**
 * The first fault among `capabilities`; `undefined` when the volume can be used in all of these
 * ways.
 */
export function capabilitiesFault(
  capabilities: readonly Capability[],
  kind: VolumeKind,
): string | undefined {
  return capabilities.map((capability) => capabilityFault(capability, kind)).find((fault) =>
    fault !== undefined
  );
}

/** The file system of volumes whose class names none. */
export type DefaultFsType = Pick<Config["flasharray"], "defaultFsType">;

/**
 * Why a volume of capabilities that name no file system would never be formatted: the configured
 * default is one that nodes do not make.
 */
export function defaultFsTypeFault(
  capabilities: readonly Capability[],
  kind: VolumeKind,
  { defaultFsType }: DefaultFsType,
): string | undefined {
  const isUsed = kind === "block" &&
    capabilities.some(({ access }) => access.type === "mount" && access.fsType === "");
  if (!isUsed || findFsType(defaultFsType) !== undefined) return undefined;
  return `flasharray.defaultFSType is ${defaultFsType}, and nodes make ${FS_TYPES.join(" and ")} ` +
    "only: change it, or set csi.storage.k8s.io/fstype in the class";
}
