import type { NodeIdentity } from "../handoff.ts";

/** A node that uses a file system now. */
export interface RuleUser {
  node: NodeIdentity;
  readOnly: boolean;
}

/** Export rules that take the place of an administrator's. */
export interface ExportChange {
  /** Rules text as Purity//FB takes it; empty = only what single nodes get. */
  rules: string;
  /** Nodes that must be let in as before: each gets a rule of its own if the new ones leave it out. */
  users: readonly RuleUser[];
  /** Whether there are surely no other users: without that, no rule may go. */
  areAllUsersKnown: boolean;
}

/** What of a live volume is to be changed; what is absent stays as it is. */
export interface VolumeChanges {
  /** Block only; `null` takes a limit away. */
  qos?: { iopsLimit?: number | null; bandwidthLimitBytes?: number | null };
  /** Block only: set over what the volume has; others stay. */
  tags?: Record<string, string>;
  /** Block only: joined beside those that the volume is in. */
  protectionGroups?: readonly string[];
  /** File only. */
  exports?: ExportChange;
}
