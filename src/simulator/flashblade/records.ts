// What a FlashBlade stores beside file systems, their snapshots and export policies.

/** When snapshots are taken, and for how long they are kept; times in milliseconds. */
export interface SnapshotPolicyRule {
  /** After midnight; `null`: at any time. */
  at: number | null;
  every: number;
  keepFor: number;
  timeZone: string | null;
}

/** A snapshot policy as it is stored. */
export interface SnapshotPolicyRecord {
  id: string;
  name: string;
  enabled: boolean;
  rules: SnapshotPolicyRule[];
  retentionLock: string;
  /** The file systems that have it. */
  fileSystemIds: string[];
}

/** How much one owner of files may store in a file system, as it is stored. */
export interface QuotaRecord {
  id: string;
  sort: "users" | "groups";
  fileSystemId: string;
  /** A number (uid or gid), or a name. */
  owner: number | string;
  bytes: number;
}

/** A server as it is stored: that of the array itself is built in. */
export interface ServerRecord {
  id: string;
  name: string;
  createdMs: number;
}

/** How clients find a file system: by which policy, on which server, under which name. */
export interface ExportRecord {
  id: string;
  fileSystemId: string;
  policyId: string;
  serverId: string;
  exportName: string;
}
