import type { ChapCredentials } from "../chap.ts";
import type { Protocol } from "../protocols.ts";
import type { Host } from "../host/host.ts";
import type { Logger } from "../log.ts";
import type { NfsServers } from "./nfs/servers.ts";
import type { TargetQueue } from "./target_queue.ts";

/** What every part of the node plugin stands on. */
export interface NodeContext {
  host: Host;
  /** Folder of this node's own; one small record per staged volume lies in it. */
  stateDir: string;
  /**
   * Folder of the simulator's local data plane; absent on real nodes, which then refuse the
   * protocol.
   */
  localPlane?: string;
  /** Addresses from which this node reaches data ports. */
  dataAddresses: () => Promise<string[]>;
  /**
   * File system of a volume whose class names none; judged when a volume needs it, as an upgraded
   * cluster must start.
   */
  defaultFsType: string;
  /** Options of mkfs when the volume names none. */
  mkfsOptions: string[];
  /** Mount options of block volumes, beside those of the class. */
  mountFlags: string[];
  /**
   * Volumes with several paths get one multipath map; false: one path, for hosts without
   * multipathd.
   */
  multipath: boolean;
  /** flasharray.iSCSILoginTimeout */
  iscsiLoginTimeoutSeconds: number;
  /**
   * CHAP by the target's iSCSI name, as the last stage gave it: for every later login. In memory
   * only, so that no file of ours holds a password.
   */
  chap: Map<string, ChapCredentials>;
  /** Who works with which iSCSI target or NVMe subsystem now. */
  targets: TargetQueue;
  /** `unavailable` with the reason when this host cannot use the protocol now. */
  requirePrepared: (protocol: Protocol) => Promise<void>;
  /** Which NFS servers answer this node. */
  nfs: NfsServers;
  log: Logger;
}
