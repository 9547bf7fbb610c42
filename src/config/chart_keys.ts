import { IMAGE_KEYS, POD_KEYS, SIDECAR_KEYS, SIMULATE_KEYS } from "./chart_pod_keys.ts";
import { WATCH_KEYS } from "./chart_watch_keys.ts";
import type { ConfigKey, KeySection, KeyType } from "./keys.ts";

// Keys that only the chart acts on, and keys that nobody needs any more. The driver knows their
// names, so that a values file of PSO 5 or 6 raises no false alarm, and looks at their types only
// roughly: the chart's schema checks them.

const PLACEMENT: readonly [string, KeyType, string][] = [
  ["nodeSelector", "mapping", "Node selector"],
  ["tolerations", "list", "Tolerations"],
  ["affinity", "mapping", "Affinity"],
];

/** What stands before the three keys of placement, now and in PSO's older spellings. */
interface PlacementPlace {
  path: string;
  old?: readonly string[];
}

/**
 * nodeSelector, tolerations and affinity of the pods that `of` names, below `path`, in PSO's older
 * spellings too.
 */
function placement(of: string, { path, old = [] }: PlacementPlace): ConfigKey[] {
  return PLACEMENT.map(([name, type, title]) => ({
    path: `${path}${name}`,
    type,
    meaning: `${title} of ${of}.`,
    usedBy: "chart",
    old: old.map((prefix) => `${prefix}${name}`),
  }));
}

function gone(path: string, key: Pick<ConfigKey, "type" | "meaning">): ConfigKey {
  return { path, ...key, usedBy: "nobody" };
}

/** Keys for the chart alone. */
export const CHART_SECTIONS: readonly KeySection[] = [
  {
    title: "Storage classes",
    intro: "The classes that the chart makes.",
    keys: [
      {
        path: "storageclass.createBuiltIn",
        type: "switch",
        default: true,
        meaning: "Make the classes `pure`, `pure-block` and `pure-file`.",
        usedBy: "chart",
        old: ["storageClass.createBuiltIn"],
      },
      {
        path: "storageclass.isPureDefault",
        type: "switch",
        default: false,
        meaning: "Make `pure` the default class of the cluster.",
        usedBy: "chart",
        old: ["storageClass.isPureDefault"],
      },
      {
        path: "storageclass.pureBackend",
        type: "choice",
        values: ["block", "file"],
        default: "block",
        meaning:
          "What `pure` gives: a FlashArray volume (`block`) or a FlashBlade file system (`file`).",
        usedBy: "chart",
        old: ["storageClass.pureBackend"],
      },
      {
        path: "storageClasses",
        type: "list",
        meaning:
          "More classes of the driver: `{name, isDefault, labels, annotations, parameters, " +
          "mountOptions, reclaimPolicy, volumeBindingMode, allowVolumeExpansion, " +
          "allowedTopologies}`.",
        usedBy: "chart",
      },
      {
        path: "snapshotclass.create",
        type: "switch",
        default: true,
        meaning: "Make the class `pure-snapshotclass` if the cluster has the snapshot API.",
        usedBy: "chart",
      },
      {
        path: "snapshotclass.isDefault",
        type: "switch",
        default: false,
        meaning: "Make it the default class of snapshots.",
        usedBy: "chart",
      },
      {
        path: "snapshotclass.deletionPolicy",
        type: "choice",
        values: ["Delete", "Retain"],
        default: "Delete",
        meaning: "Whether a deleted VolumeSnapshot takes the array's snapshot with it.",
        usedBy: "chart",
      },
      {
        path: "volumeSnapshotClasses",
        type: "list",
        meaning: "More classes of snapshots: `{name, isDefault, deletionPolicy, labels, " +
          "annotations, parameters}`.",
        usedBy: "chart",
      },
      {
        path: "volumeGroupSnapshotClasses",
        type: "list",
        meaning: "Classes of group snapshots, if the cluster has their API: `{name, " +
          "deletionPolicy, labels, annotations, parameters}`.",
        usedBy: "chart",
      },
      {
        path: "volumeAttributesClasses",
        type: "list",
        meaning: "VolumeAttributesClasses: `{name, labels, annotations, parameters}`.",
        usedBy: "chart",
      },
    ],
  },
  {
    title: "Orchestrator",
    intro: "What kind of cluster this is. The chart makes its objects for it.",
    keys: [
      {
        path: "orchestrator.name",
        type: "choice",
        values: ["k8s", "openshift"],
        default: "k8s",
        meaning: "`openshift` adds the security context constraints.",
        usedBy: "chart",
      },
      {
        path: "orchestrator.basePath",
        type: "text",
        pattern: "^/",
        default: "/var/lib/kubelet",
        meaning:
          "Root folder of the kubelet on the nodes, for example `/opt/rke/var/lib/kubelet` " +
          "or `/var/vcap/data/kubelet`.",
        usedBy: "chart",
      },
    ],
  },
  {
    title: "Pods",
    intro:
      "Where the driver's pods run and under which account. The keys of one part count before " +
      "those for all pods.",
    keys: [
      {
        path: "clusterrolebinding.serviceAccount.name",
        type: "text",
        default: "pure",
        meaning: "Service account that is made and bound.",
        usedBy: "chart",
      },
      ...placement("all pods", { path: "" }),
      ...placement("the node pods", { path: "nodeServer.", old: ["mounter.", "flexDaemon."] }),
      ...placement("the controller pods", { path: "controllerServer.", old: ["provisioner."] }),
      ...POD_KEYS,
      {
        path: "additionalDaemonSets",
        type: "list",
        meaning: "More DaemonSets of the node plugin, each with a `name` and the keys of " +
          "`nodeServer` that differ there. Node selectors must keep them apart.",
        usedBy: "chart",
      },
      {
        path: "existingSecret.name",
        type: "text",
        meaning: "A Secret in the release's namespace that holds the content of `arrays` as " +
          "JSON; the chart then makes none.",
        usedBy: "chart",
      },
      {
        path: "existingSecret.key",
        type: "text",
        default: "pure.json",
        meaning: "The key in that Secret.",
        usedBy: "chart",
      },
      {
        path: "classSecrets",
        type: "mapping",
        meaning: "Secrets that classes name, such as those of CHAP: `{namespace: [name, …]}`. " +
          "The sidecars may read these, and no others.",
        usedBy: "chart",
      },
      {
        path: "commonLabels",
        type: "mapping",
        meaning: "Labels of every object and pod.",
        usedBy: "chart",
      },
      {
        path: "commonAnnotations",
        type: "mapping",
        meaning: "Annotations of every object and pod.",
        usedBy: "chart",
      },
      {
        path: "metrics.enabled",
        type: "switch",
        default: true,
        meaning: "Make the Services by which Prometheus finds the pods.",
        usedBy: "chart",
      },
      {
        path: "metrics.annotations",
        type: "mapping",
        meaning: "Annotations of these Services.",
        usedBy: "chart",
      },
      {
        path: "extraObjects",
        type: "list",
        meaning: "Objects of your own, as mappings or as text; templates in them are filled in.",
        usedBy: "chart",
      },
      {
        path: "nameOverride",
        type: "text",
        meaning: "Chart name in object names.",
        usedBy: "chart",
      },
      {
        path: "fullnameOverride",
        type: "text",
        meaning: "Whole prefix of object names.",
        usedBy: "chart",
      },
      {
        path: "global",
        type: "mapping",
        meaning: "Helm's own: values shared with other charts.",
        usedBy: "chart",
      },
    ],
  },
  {
    title: "Images",
    intro: "Only for registries of your own. The images that PSO's charts had as defaults count " +
      "as not set: `purestorage/k8s` of any registry, `quay.io/k8scsi/…` and `k8s.gcr.io/…`, with " +
      "the tag and the pull policy beside them.",
    keys: [
      {
        path: "images.registry",
        type: "text",
        meaning: "A mirror, with a path if it has one. It takes the place of the registry of " +
          "this release's images, and stands before names that have none.",
        usedBy: "chart",
      },
      {
        path: "imagePullSecrets",
        type: "list",
        meaning: "Secrets with which images are pulled: names, or `{name: …}`.",
        usedBy: "chart",
      },
      ...IMAGE_KEYS,
    ],
  },
  {
    title: "CSI objects and sidecars",
    intro: "What the CSIDriver says, and how the sidecars run.",
    keys: [
      {
        path: "csi.fsGroupPolicy",
        type: "choice",
        values: ["ReadWriteOnceWithFSType", "File", "None"],
        default: "ReadWriteOnceWithFSType",
        meaning: "On which volumes kubelet sets a pod's `fsGroup`. The default is what PSO's " +
          "volumes had: on those with one writer. `File`: on shared ones too, file by file.",
        usedBy: "chart",
      },
      {
        path: "csi.storageCapacity",
        type: "switch",
        default: false,
        meaning: "Tell the scheduler how much room the arrays have, class by class. Only with " +
          "`storagetopology.enable`: csi-provisioner keeps no capacity without topology.",
        usedBy: "chart",
      },
      {
        path: "csi.nodeAllocatableUpdatePeriodSeconds",
        type: "integer",
        meaning: "How often kubelet asks a node again how many volumes it takes.",
        unit: "seconds",
        usedBy: "chart",
      },
      ...SIDECAR_KEYS,
    ],
  },
  {
    title: "Simulated arrays",
    intro: "A fleet of simulated arrays in the cluster, to try the driver without an array.",
    keys: SIMULATE_KEYS,
  },
  {
    title: "Monitoring and network",
    intro:
      "No volume needs any of this. Kinds of the Prometheus operator are made only where the " +
      "cluster has them.",
    keys: WATCH_KEYS,
  },
  {
    title: "Keys without effect",
    intro:
      "PSO had a use for them, this driver has none (it needs no database, for example). They " +
      "may stay in the file.",
    keys: [
      gone(
        "upgrade",
        {
          type: "switch",
          meaning: "PSO 6 built its database from volumes of PSO 5; volumes are found by name now.",
        },
      ),
      gone("DBTopology.enforce", { type: "switch", meaning: "Placement of PSO 6's database." }),
      ...["nodeSelector", "affinity", "resources"].map((name) =>
        gone(`database.${name}`, { type: "mapping", meaning: "PSO 6's database pods." })
      ),
      gone("database.tolerations", { type: "list", meaning: "PSO 6's database pods." }),
      gone("database.maxSuspectSeconds", { type: "integer", meaning: "PSO 6's database." }),
      gone("database.maxStartupSeconds", { type: "integer", meaning: "PSO 6's database." }),
      ...["images.csi.livenessProbe", "csi.livenessProbe"].map((path) =>
        gone(path, {
          type: "mapping",
          meaning: "Upstream's liveness probe would restart every standby; the driver serves " +
            "`/healthz` itself.",
        })
      ),
      ...["deployer", "cockroachOperator", "psctl", "cockroachdb"].map((name) =>
        gone(`images.database.${name}`, { type: "mapping", meaning: "PSO 6's database." })
      ),
      gone("csi.clusterDriverRegistrar", {
        type: "mapping",
        meaning: "A sidecar of Kubernetes 1.13.",
      }),
      gone(
        "app.prereq",
        {
          type: "switch",
          meaning:
            "Node preparation in a release of PSO 6 that was withdrawn; see `pso-bin node --check`.",
        },
      ),
      gone("images.nodeConfig", { type: "mapping", meaning: "Image of that node preparation." }),
      gone("flexPath", { type: "text", meaning: "The flex driver's folder." }),
      gone("orchestrator.k8s", { type: "mapping", meaning: "The flex driver's folders." }),
      gone("orchestrator.openshift", { type: "mapping", meaning: "The flex driver's folders." }),
    ],
  },
];
