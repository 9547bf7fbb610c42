import type { EphemeralSettings } from "../config/model.ts";

/** What the leader needs of the configuration; read at each use. */
export interface LeaderSettings {
  ephemeral: EphemeralSettings;
  clusterId: string;
  maxVolumesPerNode: number;
  topology: { enable: boolean; nodeLabels: readonly string[] };
}
