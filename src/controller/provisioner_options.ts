import type { Config } from "../config/model.ts";

/** The part of the configuration that decides about volumes. */
export type ProvisionerOptions = Pick<
  Config,
  | "clusterId"
  | "deleteImported"
  | "deletePrefixes"
  | "eradicateOnDelete"
  | "maxVolumesPerNode"
  | "placement"
  | "topology"
  | "flasharray"
  | "flashblade"
>;
