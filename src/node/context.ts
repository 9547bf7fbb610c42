import type { ChapCredentials } from "../chap.ts";
import type { FlashArraySettings } from "../config/model.ts";
import type { Protocol } from "../protocols.ts";
import type { Host } from "../host/host.ts";
import type { Logger } from "../log.ts";
import type { DeviceWork } from "./device_work.ts";
import type { NfsServers } from "./nfs/servers.ts";
import type { StageRecords } from "./stage_record.ts";
import type { TargetQueue } from "./target_queue.ts";

/** What every part of the node plugin stands on. */
export interface NodeContext {
  host: Host;
  /** Folder of this node's own. */
  stateDir: string;
  /** One small record per staged volume, in the folder of the node. */
  records: StageRecords;
  /**
   * Folder of the simulator's local data plane; absent on real nodes, which then refuse the
   * protocol.
   */
  localPlane?: string;
  /** Addresses from which this node reaches data ports. */
  dataAddresses: () => Promise<string[]>;
  /** How block volumes are attached, formatted and mounted. */
  flasharray: FlashArraySettings;
  /**
   * CHAP by the target's iSCSI name, as the last stage gave it: for every later login. In memory
   * only, so that no file of ours holds a password.
   */
  chap: Map<string, ChapCredentials>;
  /** Who works with which iSCSI target or NVMe subsystem now. */
  targets: TargetQueue;
  /** What runs on which device until it ends by itself. */
  deviceWork: DeviceWork;
  /** `unavailable` with the reason when this host cannot use the protocol now. */
  requirePrepared: (protocol: Protocol) => Promise<void>;
  /** Which NFS servers answer this node. */
  nfs: NfsServers;
  /** Names of mount options that were unknown when a volume was staged; each is logged once. */
  unknownMountOptions: Set<string>;
  log: Logger;
}
