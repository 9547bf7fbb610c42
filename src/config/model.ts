import type { Cidr } from "../net/cidr.ts";
import type { SanType } from "../protocols.ts";
import type { TlsTrust } from "../net/tls_handshakes.ts";
import type { Secret } from "../secret.ts";
import { MiB } from "../size.ts";

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
  /** The fingerprint as node:tls writes it: `AB:CD:…` in upper case. */
  tls: TlsTrust;
  labels: Readonly<Record<string, string>>;
  /** True: no new volumes, and no create waits for it. */
  suspended: boolean;
  /** What the administrator calls it; left out: the array's own name. */
  name?: string;
}

/** An entry of `arrays.FlashArrays`. */
export interface FlashArrayConfig extends ArrayCommon {
  kind: "flasharray";
}

/** An entry of `arrays.FlashBlades`. */
export interface FlashBladeConfig extends ArrayCommon {
  kind: "flashblade";
  /** Host name or IP address (IPv6 without brackets) that nodes mount from. */
  nfsEndpoint: string;
}

/** One array of the fleet. */
export type ArrayConfig = FlashArrayConfig | FlashBladeConfig;

/** The section `flasharray` of the values file: how block volumes are attached and formatted. */
export interface FlashArraySettings {
  /** The protocol of block volumes whose class names none. */
  sanType: SanType;
  /**
   * File system of a volume whose class names none, as the administrator wrote it. Judged when a
   * volume needs it, because a cluster that is upgraded must start.
   */
  defaultFsType: string;
  /** Options of mkfs for volumes whose class gives none, word by word. */
  defaultMkfsOptions: readonly string[];
  /** Mount options of block volumes, beside those of the class, which win. */
  defaultMountOptions: readonly string[];
  /** Disconnect other hosts before a single-node volume is connected to a new one. */
  preemptAttachments: boolean;
  /** Longest time of one login to one portal. */
  iscsiLoginTimeoutSeconds: number;
  /** Empty: every portal is allowed. Ask isAllowed() in cidr.ts. */
  iscsiAllowedCidrs: readonly Cidr[];
  /**
   * True: a volume is used through one multipath map over all its paths. False: by one path alone,
   * for hosts without multipathd.
   */
  multipath: boolean;
}

/** The section `flashblade` of the values file: how file systems are made and exported. */
export interface FlashBladeSettings {
  /** New file systems show their snapshots in the folder `.snapshot`. */
  snapshotDirectoryEnabled: boolean;
  /** A fixed rule for all file systems; undefined: each is exported to the nodes that use it. */
  exportRules: string | undefined;
}

/** The section `storagetopology` of the values file. */
export interface TopologySettings {
  enable: boolean;
  strict: boolean;
  /** Labels that say where something is, beside those of PSO's prefix. */
  nodeLabels: readonly string[];
}

/** The section `placement` of the values file: what no placement may exceed. */
export interface PlacementSettings {
  /** Percent of an array's capacity that no volume is placed into. */
  headroomPercent: number;
  /** Volumes of this cluster that one array takes; 0 = as many as the array itself. */
  volumesPerArray: number;
}

/** The section `ephemeral` of the values file: volumes that pods describe themselves. */
export interface EphemeralSettings {
  enable: boolean;
  /** The largest of them. */
  maxBytes: number;
  /** What all of one namespace may have together. */
  namespaceBytes: number;
  /** How many all of one namespace may have together. */
  namespaceVolumes: number;
  /** A pod may choose who may mount its file system. */
  allowExportRules: boolean;
  /** Name of the Secret with their CHAP; empty: they are connected without. */
  chapSecret: string;
}

/**
 * Everything that an administrator can set, checked, with defaults filled in. Holds tokens only as
 * Secret.
 */
export interface Config {
  /** Begins the name of every volume, with `-` after it. */
  clusterId: string;
  /** DeleteVolume and DeleteSnapshot destroy also what this cluster did not make. */
  deleteImported: boolean;
  /** Of what has the tag of another cluster, only what has one of these is destroyed. */
  deletePrefixes: readonly string[];
  /** DeleteVolume and DeleteSnapshot also eradicate what this cluster made and they destroy. */
  eradicateOnDelete: boolean;
  /** Empty on a node. */
  arrays: readonly ArrayConfig[];
  maxVolumesPerNode: number;
  flasharray: FlashArraySettings;
  flashblade: FlashBladeSettings;
  topology: TopologySettings;
  placement: PlacementSettings;
  ephemeral: EphemeralSettings;
  debug: boolean;
}

/**
 * How much a configuration may hold. Whoever reads a value asks here and nowhere else, and the chart
 * has the same numbers by `files/keys.json`: what the program refuses, `helm install` refuses.
 */
export const CONFIG_LIMITS = {
  /** Bytes of a file that the configuration is read from, or that it names. Kubernetes allows a Secret and a ConfigMap as much. */
  fileBytes: 1 * MiB,
  /** Values of a file, each counted as often as its aliases repeat it. */
  fileValues: 50_000,
  /** Mappings and lists inside each other. */
  fileDepth: 50,
  /** Arrays of one installation. */
  arrays: 256,
  /** Characters of an array's name. */
  nameChars: 128,
  /** Characters of an API token; an array's own has 36 to 38. */
  tokenChars: 1_024,
  /** Labels of one array. */
  labels: 64,
  /** Characters of a label's name without its domain, and of its value, as Kubernetes allows them. */
  labelChars: 63,
  /** Characters of the domain before a label's name. */
  labelDomainChars: 253,
  /** Characters of a text, such as export rules, and of all texts of a list together; CSI allows as much for all parameters of a class. */
  textChars: 4_096,
  /** Blocks of addresses of one key: each portal is compared with all of them. */
  cidrs: 1_000,
  /** Labels that say where a node is, beside those of PSO's prefix. */
  nodeLabels: 16,
  /** A volume name has 63 characters at most (FlashArray), of which `-pvc-<UUID>` takes 41. */
  clusterIdChars: 22,
} as const;
