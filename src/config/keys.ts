import { DEFAULT_FS_TYPE } from "../file_systems.ts";
import { SAN_TYPE_NAMES, SAN_TYPE_SYNONYMS } from "../protocols.ts";

/**
 * What a key may hold. The content of a `mapping` or `list` is not read, because the chart gives it
 * to Kubernetes as it is.
 */
export type KeyType =
  | "text"
  | "switch"
  | "integer"
  | "choice"
  | "words"
  | "options"
  | "cidrs"
  | "mapping"
  | "list";

/**
 * One key of the values file: the only place that knows its name, spellings, type, default and
 * meaning.
 */
export interface ConfigKey {
  /** Where it stands in the values file: `flasharray.sanType`. */
  path: string;
  type: KeyType;
  /** The choices of a `choice`, as the documentation writes them; any case is accepted. */
  values?: readonly string[];
  /** Other words for some of the choices, accepted without a warning. */
  synonyms?: Readonly<Record<string, string>>;
  /** Left out: not set. */
  default?: string | number | boolean | readonly string[];
  /** What a `text` must match; the chart's schema holds it. */
  pattern?: string;
  /** Bounds of an `integer`, inclusive. */
  range?: readonly [number, number];
  unit?: string;
  /** One or two sentences for the documentation. */
  meaning: string;
  /** Who acts on it: the driver, only the chart, or nobody any more. */
  usedBy: "driver" | "chart" | "nobody";
  /** Spellings of earlier releases, accepted with a warning. */
  old?: readonly string[];
  /**
   * The variable by which PSO's own charts gave it to the driver; counts where the files do not set
   * the key.
   */
  env?: string;
}

/** Keys that stand together in docs/configuration.md, with what is said above them. */
export interface KeySection {
  title: string;
  intro: string;
  keys: readonly ConfigKey[];
}

/**
 * The export rule in PSO's own values file. It counts as not set, because everybody got it without
 * asking for it.
 */
export const PSO_EXPORT_RULES = "*(rw,no_root_squash)";

/** The keys that the driver reads, but for the arrays themselves (arrays/keys.ts). */
export const DRIVER_SECTIONS: readonly KeySection[] = [
  {
    title: "Cluster",
    intro: "What this cluster is called on the arrays, and how much the driver says.",
    keys: [
      {
        path: "clusterID",
        type: "text",
        default: "k8s",
        meaning: "Prefix of every volume name on the arrays (`<clusterID>-pvc-<UUID>`): 1 to 22 " +
          "letters, digits and `_`. " +
          "Must differ between clusters that share an array, and must never change while " +
          "volumes exist. " +
          "A hyphen is accepted for clusters that PSO 5 set up with one.",
        usedBy: "driver",
        old: ["namespace.pure"],
        env: "PURE_K8S_NAMESPACE",
      },
      {
        path: "deleteImported",
        type: "switch",
        default: true,
        meaning: "A volume or snapshot that this cluster did not make is destroyed when its " +
          "PersistentVolume or VolumeSnapshotContent says `Delete`. `false`: it is never " +
          "destroyed. See [who may reach a volume](reach.md#what-this-cluster-did-not-make).",
        usedBy: "driver",
      },
      {
        path: "deletePrefixes",
        type: "options",
        default: [],
        meaning: "`clusterID`s of other clusters of which this one may destroy volumes and " +
          "snapshots, as after a move from a cluster that is gone. A list, or one text with the " +
          "IDs parted by commas or blanks. What has the tag `cluster` of any other cluster is " +
          "never destroyed.",
        usedBy: "driver",
      },
      {
        path: "eradicateOnDelete",
        type: "switch",
        default: false,
        meaning:
          "`true`: a volume or snapshot that this cluster made is not only destroyed by its " +
          "delete but eradicated at once: its room and its name are free, and nobody can recover " +
          "it. `false`: the array keeps it for its eradication delay, and `admin undelete` gives " +
          "it back. See [eradication](admin.md#eradication).",
        usedBy: "driver",
      },
      {
        path: "maxVolumesPerNode",
        type: "integer",
        default: 256,
        range: [1, 4095],
        meaning:
          "How many volumes one node takes at once. Kubernetes places no more there, and the " +
          "controller attaches no more. " +
          "A FlashArray host takes 4095 at most.",
        usedBy: "driver",
      },
      {
        path: "app.debug",
        type: "switch",
        default: false,
        meaning: "Log at level `debug`.",
        usedBy: "driver",
      },
    ],
  },
  {
    title: "Topology",
    intro:
      "Arrays carry topology labels `topology.purestorage.com/*` in their `Labels`, nodes carry " +
      "them as node labels: see [Topology](topology.md). These keys are read once, at the start of " +
      "the controller and of each node, which must have the same ones.",
    keys: [
      {
        path: "storagetopology.enable",
        type: "switch",
        default: false,
        meaning:
          "Place volumes by topology labels, and tell Kubernetes which nodes reach a volume. " +
          "`false`: every node reaches every array, and topology labels of arrays bind nothing. " +
          "A class may still choose by them, as by any label.",
        usedBy: "driver",
      },
      {
        path: "storagetopology.strictTopology",
        type: "switch",
        default: false,
        meaning:
          "Only arrays whose labels match the chosen node may serve a volume; none matches, or the " +
          "request names no topology: nothing is created (RESOURCE_EXHAUSTED). Needs " +
          "`storagetopology.enable`.",
        usedBy: "driver",
      },
      {
        path: "storagetopology.nodeLabels",
        type: "options",
        default: [],
        meaning: "Labels that count as topology beside `topology.purestorage.com/*`, for example " +
          "`topology.kubernetes.io/zone`. A list, or one text with the names parted by commas or " +
          "blanks. An array that has such a label is reached only by nodes with the same value; an " +
          "array without it by all.",
        usedBy: "driver",
      },
    ],
  },
  {
    title: "Placement",
    intro: "What no new volume may exceed on an array: see [Placement](placement.md).",
    keys: [
      {
        path: "placement.headroom",
        type: "integer",
        default: 5,
        range: [0, 90],
        unit: "percent",
        meaning:
          "Share of an array's capacity that placement keeps free. An array whose free space " +
          "less this share is smaller than a new volume does not get it.",
        usedBy: "driver",
      },
      {
        path: "placement.volumesPerArray",
        type: "integer",
        default: 0,
        range: [0, 1_000_000],
        meaning:
          "How many volumes of this cluster one array takes; the more of them it has, the later it " +
          "is chosen. `0`: no limit but the array's own.",
        usedBy: "driver",
      },
    ],
  },
  {
    title: "Ephemeral volumes",
    intro:
      "Volumes that a pod describes itself (`csi` among its volumes), and that live as long as " +
      "it: see [a volume in the pod's own words](using.md#a-volume-in-the-pods-own-words).",
    keys: [
      {
        path: "ephemeral.enabled",
        type: "switch",
        default: false,
        meaning:
          "Make such volumes. Whoever may make pods then has storage without a claim, within " +
          "the limits below. Switch it off only when `kubectl get ephemeralvolumes` shows none. " +
          "Read once, at the start of the controller and of each node; the chart restarts them.",
        usedBy: "driver",
      },
      {
        path: "ephemeral.maxSizeGiB",
        type: "integer",
        default: 100,
        range: [1, 4_194_304],
        unit: "GiB",
        meaning: "The largest size that a pod may ask for.",
        usedBy: "driver",
      },
      {
        path: "ephemeral.namespaceGiB",
        type: "integer",
        default: 1_000,
        range: [1, 100_000_000],
        unit: "GiB",
        meaning: "What all pods of one namespace may have of such volumes at once.",
        usedBy: "driver",
      },
      {
        path: "ephemeral.namespaceVolumes",
        type: "integer",
        default: 1_000,
        range: [1, 1_000_000],
        meaning: "How many such volumes all pods of one namespace may have at once. A node has " +
          "`maxVolumesPerNode` of them at most.",
        usedBy: "driver",
      },
      {
        path: "ephemeral.allowExportRules",
        type: "switch",
        default: false,
        meaning:
          "Heed the attribute `exportrules` of a pod, by which it chooses who may mount its " +
          "file system. `false`: it is ignored, and an Event of the pod says so.",
        usedBy: "driver",
      },
      {
        path: "ephemeral.chapSecret",
        type: "text",
        meaning:
          "Name of a Secret of the release's namespace, of the type `kubernetes.io/iscsi-chap`, by " +
          "which iSCSI volumes of this kind are connected: see [CHAP](iscsi-chap.md). Nodes may read " +
          "it. Not set: they are connected without CHAP.",
        usedBy: "driver",
      },
    ],
  },
  {
    title: "FlashArray",
    intro:
      "How nodes attach, format and mount block volumes. A storage class may say otherwise for " +
      "its own volumes.",
    keys: [
      {
        path: "flasharray.sanType",
        type: "choice",
        values: SAN_TYPE_NAMES,
        synonyms: SAN_TYPE_SYNONYMS,
        default: "ISCSI",
        meaning:
          "Protocol to the FlashArrays. `NVMEOF-RDMA` is NVMe over RoCE; `AUTO` takes the best " +
          "one that array and node share.",
        usedBy: "driver",
        env: "PURE_FLASHARRAY_SAN_TYPE",
      },
      {
        path: "flasharray.defaultFSType",
        type: "choice",
        values: ["xfs", "ext4", "btrfs", "vfat"],
        default: DEFAULT_FS_TYPE,
        meaning: "File system of a volume whose class names none.",
        usedBy: "driver",
        env: "PURE_DEFAULT_BLOCK_FS_TYPE",
      },
      {
        path: "flasharray.defaultFSOpt",
        type: "words",
        default: ["-q"],
        meaning: "Options of `mkfs`, one text as on a command line: those of " +
          "[formatting options](formatting-options.md).",
        usedBy: "driver",
        env: "PURE_DEFAULT_BLOCK_FS_OPT",
      },
      {
        path: "flasharray.defaultMountOpt",
        type: "options",
        default: ["discard"],
        meaning: "Mount options of block volumes. A list, or one text with the options parted by " +
          "commas or blanks. See [formatting options](formatting-options.md).",
        usedBy: "driver",
        env: "PURE_DEFAULT_BLOCK_MNT_OPT",
      },
      {
        path: "flasharray.preemptAttachments",
        type: "switch",
        default: true,
        meaning:
          "Before a ReadWriteOnce volume is connected to a node, disconnect it from every other " +
          "one, so that two nodes never write to it.",
        usedBy: "driver",
        env: "PURE_PREEMPT_RWO_ATTACHMENTS_DEFAULT",
      },
      {
        path: "flasharray.iSCSILoginTimeout",
        type: "integer",
        default: 20,
        range: [1, 600],
        unit: "seconds",
        meaning: "How long one iSCSI login to one portal may take.",
        usedBy: "driver",
        env: "PURE_ISCSI_LOGIN_TIMEOUT",
      },
      {
        path: "flasharray.iSCSIAllowedCIDR",
        type: "cidrs",
        default: [],
        meaning:
          "Only iSCSI and NVMe portals with an address in these blocks are used (IPv4 and IPv6; a " +
          "list, or one text with commas). Addresses of a node in these blocks are kept first " +
          "when not all fit into its identity. Empty: all portals.",
        usedBy: "driver",
        env: "PURE_ISCSI_ALLOWED_CIDRS",
      },
      {
        path: "flasharray.multipath",
        type: "switch",
        default: true,
        meaning:
          "iSCSI and FC volumes are used through dm-multipath by every path to their array; " +
          "nodes need multipathd. `false`: by one path alone.",
        usedBy: "driver",
      },
    ],
  },
  {
    title: "FlashBlade",
    intro: "How file systems are made and exported.",
    keys: [
      {
        path: "flashblade.snapshotDirectoryEnabled",
        type: "switch",
        default: false,
        meaning: "New file systems show their snapshots in the folder `.snapshot`.",
        usedBy: "driver",
        env: "PURE_DEFAULT_ENABLE_FB_NFS_SNAPSHOT",
      },
      {
        path: "flashblade.exportRules",
        type: "text",
        meaning: "A fixed NFS export rule for every file system, for example " +
          "`10.0.0.0/8(rw,no_root_squash)`. A node that a block does not let in gets a rule " +
          "beside it. Not set: each file system is " +
          `exported to just those nodes that use it. PSO's own default \`${PSO_EXPORT_RULES}\` ` +
          "counts as not set; who really wants every " +
          "host to have access as root writes `*(no_root_squash,rw)`.",
        usedBy: "driver",
      },
    ],
  },
];
