// What the controller and the nodes must know alike of the file systems on block volumes: the
// controller refuses a volume that no node could format or mount.

import { PsoError } from "./errors.ts";
import { MiB } from "./size.ts";

/** The file systems that this driver makes and mounts on block volumes. */
export const FS_TYPES = ["xfs", "ext4"] as const;
/** One of FS_TYPES, in lower case, as mount(8) and /sys/fs write it. */
export type FsType = (typeof FS_TYPES)[number];

/** The file system of a volume when nobody says another. */
export const DEFAULT_FS_TYPE: FsType = "xfs";

/** What is true of one file system, whatever the volume. */
export interface FileSystemFacts {
  /** The smallest device that this driver formats. */
  minimumBytes: number;
  /** The program that makes the file system. */
  mkfsTool: string;
  /** Arguments of `mkfsTool` that give the new file system this UUID. */
  mkfsUuid: (uuid: string) => string[];
  /**
   * The options of `mkfsTool` with one that discards nothing: on a blank volume a discard only costs
   * time, minutes on a large one. An option that says whether to discard stays as it is.
   */
  withoutDiscard: (options: readonly string[]) => string[];
  /** Options that every mount of it gets. */
  mountOptions: string[];
  /** The mount option that leaves a dirty log as it is; allowed for read-only mounts only. */
  noRecoveryOption: string;
  /** The program that grows it; xfs_growfs takes the mount point, resize2fs the device. */
  growTool: string;
}

/** The facts of each file system that this driver makes. */
export const FILE_SYSTEMS: Readonly<Record<FsType, FileSystemFacts>> = {
  xfs: {
    // mkfs.xfs refuses less since xfsprogs 5.19.
    minimumBytes: 300 * MiB,
    mkfsTool: "mkfs.xfs",
    mkfsUuid: (uuid) => ["-m", `uuid=${uuid}`],
    withoutDiscard: (options) => options.includes("-K") ? [...options] : ["-K", ...options],
    // A clone and its source have one UUID, and XFS refuses the second of them on a node without
    // this option (xfs(5)).
    mountOptions: ["nouuid"],
    noRecoveryOption: "norecovery",
    growTool: "xfs_growfs",
  },
  ext4: {
    // Below this, journal and inode tables leave no room for files.
    minimumBytes: 8 * MiB,
    mkfsTool: "mkfs.ext4",
    mkfsUuid: (uuid) => ["-U", uuid],
    withoutDiscard: withoutExt4Discard,
    mountOptions: [],
    noRecoveryOption: "noload",
    growTool: "resize2fs",
  },
};

/**
 * mke2fs heeds its last -E alone, so the word is added to that one. Only letters without a value may
 * stand before it in its word: `-LE` is a label.
 */
function withoutExt4Discard(options: readonly string[]): string[] {
  const last = options.findLastIndex((option) => /^-[DKjqv]*E/.test(option));
  if (last < 0) return ["-E", "nodiscard", ...options];
  const at = /E$/.test(options[last] ?? "") ? last + 1 : last;
  const isSaid = /(^|[,E])(no)?discard(,|$)/.test(options[at] ?? "");
  return options.map((option, index) => index === at && !isSaid ? `${option},nodiscard` : option);
}

/** A file system to make. */
interface NewFileSystem {
  uuid: string;
  /** Options of mkfs that the class or the configuration gives, each a word of its own. */
  options: readonly string[];
  /** Path of the device, or of a file in its place. */
  device: string;
}

/**
 * All arguments of `mkfsTool` for a new file system: the one place where ours join those that the
 * class gives. It never forces mkfs.
 */
export function mkfsArguments(type: FsType, { uuid, options, device }: NewFileSystem): string[] {
  const { mkfsUuid, withoutDiscard } = FILE_SYSTEMS[type];
  return [...mkfsUuid(uuid), ...withoutDiscard(options), "--", device];
}

/** `text`, in any case of letters, as a file system that this driver makes; else `undefined`. */
export function findFsType(text: string): FsType | undefined {
  return FS_TYPES.find((type) => type === text.toLowerCase());
}

/** As findFsType(), with `invalid` for a file system that this driver does not make. */
export function toFsType(text: string): FsType {
  const known = findFsType(text);
  if (known) return known;
  throw new PsoError(
    "invalid",
    `file system type ${JSON.stringify(text)} is not supported: use ${FS_TYPES.join(" or ")}`,
  );
}
