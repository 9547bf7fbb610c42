import type { ConfigKey, KeySection, KeyType } from "./keys.ts";

// Keys that only the chart acts on, and keys that nobody needs any more. The driver knows their
// names, so that a values file of PSO 5 or 6 raises no false alarm, and looks at their types only
// roughly: the chart's schema checks them.

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
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

/** Name, tag and pull policy of one image. */
function image(of: string, { path, old }: { path: string; old?: string }): ConfigKey[] {
  const usedBy = "chart";
  const also = (name: string) => old === undefined ? [] : [`${old}.${name}`];
  return [
    { path: `${path}.name`, type: "text", meaning: `Image of ${of}.`, usedBy, old: also("name") },
    {
      path: `${path}.tag`,
      type: "text",
      meaning: `Tag of ${of}. Default: the one that this release was tested with.`,
      usedBy,
      old: also("tag"),
    },
    {
      path: `${path}.pullPolicy`,
      type: "choice",
      values: PULL_POLICIES,
      default: "IfNotPresent",
      meaning: `When ${of} is pulled.`,
      usedBy,
      old: also("pullPolicy"),
    },
  ];
}

const SIDECARS: readonly [string, string][] = [
  ["provisioner", "the external-provisioner"],
  ["snapshotter", "the external-snapshotter"],
  ["attacher", "the external-attacher"],
  ["resizer", "the external-resizer"],
  ["nodeDriverRegistrar", "the node-driver-registrar"],
  ["livenessProbe", "the liveness probe"],
];

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
      {
        path: "existingSecret",
        type: "switch",
        default: false,
        meaning:
          "The Secret `pure-provisioner-secret` is made by somebody else, with the content of " +
          "`arrays` as JSON under `pure.json`; the chart makes none.",
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
    intro: "Only for registries of your own.",
    keys: [
      ...image("the driver", { path: "images.plugin", old: "image" }),
      ...SIDECARS.flatMap(([name, of]) =>
        image(of, { path: `images.csi.${name}`, old: `csi.${name}.image` })
      ),
    ],
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
