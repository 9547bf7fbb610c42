import type { Images } from "./images.ts";
import type { ExportRule } from "./nfs_rules.ts";

/** A volume as a data plane serves it. */
export interface PlaneVolume {
  id: string;
  /** 24 upper-case hex digits. */
  serial: string;
  sizeBytes: number;
}

/**
 * What the host proves itself with, and what the array proves itself with to the host; `null` = not
 * asked for.
 */
export interface Chap {
  hostUser: string | null;
  hostPassword: string | null;
  targetUser: string | null;
  targetPassword: string | null;
}

/** How good the ways by one array are of several that show one volume: ALUA's words. */
export type AccessState = "optimized" | "non-optimized";

/** A host object with everything that it may reach. */
export interface PlaneHost {
  name: string;
  iqns: readonly string[];
  nqns: readonly string[];
  chap: Chap;
  /** `access` is absent for a volume that this array alone has. */
  connections: readonly { lun: number; volume: PlaneVolume; access?: AccessState }[];
}

/** A file system with those that it lets in: without rules, nobody. */
export interface PlaneFileSystem {
  id: string;
  name: string;
  rules: readonly ExportRule[];
}

/**
 * How hosts reach the volumes of one array. Every method is safe to repeat, and a start after a
 * crash in the middle of one sets it right.
 */
export interface BlockPlane {
  /** Makes what this array serves equal to what these hosts may reach, after a start. */
  reconcile(hosts: PlaneHost[]): void;
  /** The same for some hosts that have changed; `gone` names those that are no more. */
  show(hosts: PlaneHost[], gone?: string[]): void;
  /** Tells those that have the volume attached that its image has this size now. */
  resized(volume: PlaneVolume): void;
  /** Serves nobody any more. */
  stop(): void;
}

/**
 * How clients reach the mounted file systems of one array. As BlockPlane; calls must not overlap.
 */
export interface FilePlane {
  reconcile(all: PlaneFileSystem[]): Promise<void>;
  show(fileSystem: PlaneFileSystem): Promise<void>;
  stop(): Promise<void>;
}

/** The data plane of one array: what it holds, and the ways to it. */
export interface Plane {
  readonly images: Images;
  readonly block: BlockPlane;
  readonly files: FilePlane;
  /** Addresses at which it is served by real protocols; absent: by protocol `local`. */
  readonly portals?: readonly string[];
}
