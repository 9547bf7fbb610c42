import type { ConfigKey, KeyType } from "./keys.ts";

// What may be said of the chart's pods and containers. The driver only knows the names.

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];

/** A key below a part's path, as a row. */
type Row = readonly [name: string, type: KeyType, meaning: string, fallback?: ConfigKey["default"]];

/** The keys of `rows` below `path`, for the chart. */
function below(path: string, rows: readonly Row[]): ConfigKey[] {
  return rows.map(([name, type, meaning, fallback]) => ({
    path: `${path}.${name}`,
    type,
    meaning,
    usedBy: "chart",
    ...fallback === undefined ? {} : { default: fallback },
  }));
}

/** Of controller and node alike. */
const POD: readonly Row[] = [
  ["serviceAccount.create", "switch", "Make the service account of these pods.", true],
  ["serviceAccount.name", "text", "Its name, instead of the one that the chart gives."],
  ["serviceAccount.annotations", "mapping", "Its annotations."],
  ["resources", "mapping", "Requests and limits of the driver's container."],
  ["updateStrategy", "mapping", "How the pods are replaced by new ones."],
  ["revisionHistoryLimit", "integer", "How many earlier revisions are kept.", 10],
  ["adminPort", "integer", "Port of `/healthz`, `/readyz` and `/metrics`.", 9808],
  ["annotations", "mapping", "Annotations of the workload."],
  ["podLabels", "mapping", "More labels of the pods."],
  ["podAnnotations", "mapping", "More annotations of the pods."],
  ["podSecurityContext", "mapping", "Security context of the pods, instead of the chart's."],
  ["securityContext", "mapping", "That of the driver's container, instead of the chart's."],
  ["livenessProbe", "mapping", "Liveness probe of the driver, instead of the chart's."],
  ["readinessProbe", "mapping", "Readiness probe of the driver, instead of the chart's."],
  ["additionalArgs", "list", "More arguments of the driver."],
  ["env", "list", "More environment variables of the driver."],
  ["volumes", "list", "More volumes of the pods."],
  ["volumeMounts", "list", "More mounts of the driver's container."],
  ["initContainers", "list", "Init containers of the pods."],
  ["extraContainers", "list", "More containers of the pods."],
  ["topologySpreadConstraints", "list", "How the pods are spread."],
  ["dnsConfig", "mapping", "DNS settings of the pods."],
  ["hostAliases", "list", "More lines of the pods' hosts file."],
  ["runtimeClassName", "text", "Runtime class of the pods."],
];

const CONTROLLER: readonly Row[] = [
  ["replicas", "integer", "How many controllers there are. One leads, the others wait.", 2],
  ["priorityClassName", "text", "Priority class of the pods.", "system-cluster-critical"],
  ["podDisruptionBudget.enabled", "switch", "Make a PodDisruptionBudget.", true],
  ["podDisruptionBudget.maxUnavailable", "integer", "Its `maxUnavailable`.", 1],
  [
    "podDisruptionBudget.unhealthyPodEvictionPolicy",
    "text",
    "Its `unhealthyPodEvictionPolicy`.",
    "AlwaysAllow",
  ],
  [
    "tokenSecrets",
    "list",
    "`{name, key}` of Secrets with tokens that the arrays of an existing Secret name by " +
    "`APITokenSecret`. Those of `arrays` need not be listed.",
  ],
];

const NODE: readonly Row[] = [
  ["priorityClassName", "text", "Priority class of the pods.", "system-node-critical"],
  [
    "tolerateAllTaints",
    "switch",
    "Run on every node, whatever its taints are: a node without the plugin cannot give its " +
    "volumes back.",
    true,
  ],
  ["stateDir", "text", "Folder of the host with a record of each staged volume.", "/var/lib/pso"],
  [
    "hostTools",
    "text",
    "How tools of the host are run: the flag `--host-tools` of node mode.",
    "nsenter",
  ],
  ["toolPaths", "list", "Folders of the host in which its tools are looked for first."],
  [
    "dataAddresses",
    "list",
    "Addresses of the node in storage networks; `$(HOST_IP)` is the one that Kubernetes knows. " +
    "Empty: those of the host's own interfaces.",
  ],
  ["localPlane", "text", "Folder of the simulated arrays' local data plane."],
  ["dnsPolicy", "text", "DNS policy of the pods.", "ClusterFirstWithHostNet"],
];

const SIDECAR: readonly Row[] = [
  ["resources", "mapping", "Requests and limits."],
  ["logLevel", "integer", "How much it logs (`-v`).", 2],
  ["additionalArgs", "list", "More arguments."],
  ["env", "list", "More environment variables."],
  ["securityContext", "mapping", "Security context, instead of the chart's."],
  ["volumeMounts", "list", "More mounts."],
];

const CONTROLLER_SIDECAR: readonly Row[] = [
  ["timeout", "text", "How long one call of the driver may take.", "60s"],
  ["kubeApiQps", "integer", "Calls of the Kubernetes API per second.", 20],
  ["kubeApiBurst", "integer", "Such calls at once.", 40],
];

/** Of those that call again what failed. */
const REPEATING_SIDECAR: readonly Row[] = [
  ["retryIntervalMax", "text", "Longest pause before a call is made again.", "30s"],
];

const SNAPSHOT_METADATA: readonly Row[] = [
  [
    "enabled",
    "switch",
    "Tell backup tools which blocks of a snapshot are in use, and which changed: see " +
    "[Changed blocks](changed-blocks.md#switching-it-on).",
    false,
  ],
  [
    "tlsSecret",
    "text",
    "A Secret of yours in the release's namespace with `tls.crt` and `tls.key` of that service. " +
    "Not set: the chart makes a certificate, and keeps it.",
  ],
  [
    "caCert",
    "text",
    "With `snapshotMetadata.tlsSecret`: the certificates of who signed it, as PEM text. Not set: " +
    "`ca.crt` of that Secret.",
  ],
];

const REGISTRAR: readonly Row[] = [
  ["timeout", "text", "How long one call of the driver may take.", "10s"],
  ["port", "integer", "Port of its `/healthz`, at the host's address.", 9809],
  ["livenessProbe", "mapping", "Liveness probe, instead of the chart's."],
];

/** Keys of the controller's and the node's pods, but for those of placement. */
export const POD_KEYS: readonly ConfigKey[] = [
  ...below("controllerServer", [...CONTROLLER, ...POD]),
  ...below("nodeServer", [...NODE, ...POD]),
];

/** Keys of the sidecars' containers, but for their images, and of what one of them serves. */
export const SIDECAR_KEYS: readonly ConfigKey[] = [
  ...["provisioner", "attacher", "resizer", "snapshotter"].flatMap((name) =>
    below(`csi.${name}`, [...SIDECAR, ...CONTROLLER_SIDECAR, ...REPEATING_SIDECAR])
  ),
  ...below("csi.snapshotMetadata", [...SIDECAR, ...CONTROLLER_SIDECAR]),
  ...below("snapshotMetadata", SNAPSHOT_METADATA),
  ...below("csi.snapshotter", [[
    "enabled",
    "switch",
    "Take snapshots. Not set: if the cluster has the snapshot API at the time of the install.",
  ]]),
  ...below("csi.nodeDriverRegistrar", [...SIDECAR, ...REGISTRAR]),
];

/** Keys of the simulated fleet. */
export const SIMULATE_KEYS: readonly ConfigKey[] = below("simulate", [
  ["enabled", "switch", "Run a simulated fleet beside the driver, and use its arrays.", false],
  ["flasharrays", "integer", "How many simulated FlashArrays.", 2],
  ["flashblades", "integer", "How many simulated FlashBlades.", 1],
  [
    "clusterIP",
    "text",
    "Fixed address of its Service, for a cluster without DNS. Default: the Service's name.",
  ],
  ["port", "integer", "Port of the first array; the others follow.", 8443],
  [
    "stateDir",
    "text",
    "Folder of the host that keeps the arrays and the volumes.",
    "/var/lib/pso-simulator",
  ],
  [
    "nodeSelector",
    "mapping",
    "Where the simulator runs. Pods with its volumes must run on that node too.",
  ],
  ["tolerations", "list", "Tolerations of the simulator."],
  ["resources", "mapping", "Requests and limits of the simulator."],
  ["additionalArgs", "list", "More arguments of `pso-bin simulate`."],
]);

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
    {
      path: `${path}.digest`,
      type: "text",
      pattern: "^sha256:[0-9a-f]{64}$",
      meaning: `Digest of ${of}, \`sha256:…\`; it counts before the tag.`,
      usedBy,
    },
  ];
}

const SIDECARS: readonly [string, string][] = [
  ["provisioner", "the external-provisioner"],
  ["snapshotter", "the external-snapshotter"],
  ["attacher", "the external-attacher"],
  ["resizer", "the external-resizer"],
  ["nodeDriverRegistrar", "the node-driver-registrar"],
];

/** Images of the driver and of its sidecars, in the spellings of PSO where it had them. */
export const IMAGE_KEYS: readonly ConfigKey[] = [
  ...image("the driver", { path: "images.plugin", old: "image" }),
  ...SIDECARS.flatMap(([name, of]) =>
    image(of, { path: `images.csi.${name}`, old: `csi.${name}.image` })
  ),
  ...image("the external-snapshot-metadata sidecar", { path: "images.csi.snapshotMetadata" }),
];
