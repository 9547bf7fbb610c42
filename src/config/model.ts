import type { Cidr } from "../cidr.ts";
import type { SanType } from "../protocols.ts";
import type { Secret } from "../secret.ts";

/** How the certificate of an array is checked. */
export interface ArrayTls {
  /** False: any certificate will do, and nothing below counts. */
  verify: boolean;
  /** CA certificates that count instead of the system's. */
  caPem?: string;
  /** The file that `caPem` was read from, for messages. */
  caFile?: string;
  /**
   * SHA-256 of the only accepted certificate, as `AB:CD:…` in upper case: what node:tls calls
   * `fingerprint256`. Chain and name do not count then.
   */
  fingerprint?: string;
}

interface ArrayCommon {
  /** Where the configuration has it, for messages: `arrays.FlashArrays[1]`. */
  path: string;
  /** `http` only for simulated arrays. */
  scheme: "https" | "http";
  /**
   * Host with `:port` where it is not the usual one, IPv6 in brackets: what stands between
   * `https://` and the path.
   */
  managementAddress: string;
  token: Secret;
  tls: ArrayTls;
  labels: Readonly<Record<string, string>>;
  /** What the administrator calls it; left out: the array's own name. */
  name?: string;
}

export interface FlashArrayConfig extends ArrayCommon {
  kind: "flasharray";
}

export interface FlashBladeConfig extends ArrayCommon {
  kind: "flashblade";
  /** Host name or IP address (IPv6 without brackets) that nodes mount from. */
  nfsEndpoint: string;
}

/** One array of the fleet. */
export type ArrayConfig = FlashArrayConfig | FlashBladeConfig;

/**
 * Everything that an administrator can set, checked, with defaults filled in. Holds tokens only as
 * Secret.
 */
export interface Config {
  /** Before every volume name (`clusterID`). */
  prefix: string;
  /** Empty on a node. */
  arrays: readonly ArrayConfig[];
  maxVolumesPerNode: number;
  flasharray: {
    sanType: SanType;
    defaultFsType: string;
    defaultMkfsOptions: readonly string[];
    defaultMountOptions: readonly string[];
    preemptAttachments: boolean;
    iscsiLoginTimeoutSeconds: number;
    /** Empty: every portal is allowed. Ask isAllowed() in cidr.ts. */
    iscsiAllowedCidrs: readonly Cidr[];
    multipath: boolean;
  };
  flashblade: {
    snapshotDirectoryEnabled: boolean;
    /** A fixed rule for all file systems; undefined: each is exported to the nodes that use it. */
    exportRules: string | undefined;
  };
  topology: { enable: boolean; strict: boolean };
  debug: boolean;
  orchestrator: { name: "k8s" | "openshift"; basePath: string };
}
