/** What each key of the chart does to what the chart renders. */
import type { KubeObject } from "./helm.ts";
import { OTHER_CASES } from "./other_cases.ts";
import { imageCases, podCases, sidecarCases } from "./pod_cases.ts";
import { SNAPSHOT_METADATA_CASES } from "./snapshot_metadata_cases.ts";
import type { KeyCase, Rendered } from "./rendered.ts";

/** Every key of the chart that has an effect, by its present name. */
export const KEY_CASES: Readonly<Record<string, KeyCase>> = {
  "storageclass.createBuiltIn": {
    value: "no",
    read: (all) => all.names("StorageClass"),
    wanted: [],
  },
  "storageclass.isPureDefault": {
    value: "yes",
    read: (all) =>
      all.get("StorageClass", "pure").metadata
        .annotations["storageclass.kubernetes.io/is-default-class"],
    wanted: "true",
  },
  "storageclass.pureBackend": {
    value: "FILE",
    read: (all) => [
      all.get("StorageClass", "pure").parameters,
      all.get("StorageClass", "pure").mountOptions,
    ],
    wanted: [{ backend: "file" }, undefined],
  },
  "storageClasses": {
    value: [{ name: "gold", parameters: { backend: "block", iops_limit: 1000 } }],
    read: (all) => all.get("StorageClass", "gold").parameters,
    wanted: { backend: "block", iops_limit: "1000" },
  },
  "snapshotclass.create": {
    value: false,
    read: (all) => all.names("VolumeSnapshotClass"),
    wanted: [],
  },
  "snapshotclass.isDefault": {
    value: true,
    read: (all) =>
      all.get("VolumeSnapshotClass").metadata
        .annotations["snapshot.storage.kubernetes.io/is-default-class"],
    wanted: "true",
  },
  "snapshotclass.deletionPolicy": {
    value: "Retain",
    read: (all) => all.get("VolumeSnapshotClass").deletionPolicy,
    wanted: "Retain",
  },
  "volumeSnapshotClasses": {
    value: [{ name: "kept", deletionPolicy: "Retain" }],
    read: (all) => all.get("VolumeSnapshotClass", "kept").deletionPolicy,
    wanted: "Retain",
  },
  "volumeGroupSnapshotClasses": {
    value: [{ name: "group" }],
    read: (all) => all.get("VolumeGroupSnapshotClass", "group").driver,
    wanted: "pure-csi",
  },
  "volumeAttributesClasses": {
    value: [{ name: "fast", parameters: { iops_limit: 1000 } }],
    read: (all) => all.get("VolumeAttributesClass", "fast").parameters,
    wanted: { iops_limit: "1000" },
  },
  "orchestrator.name": {
    value: "OPENSHIFT",
    read: (all) => all.names("SecurityContextConstraints"),
    wanted: ["pure-csi-node"],
  },
  "orchestrator.basePath": {
    value: "/opt/kubelet/",
    read: (all) => [
      all.pod("nodeServer").volumes.slice(0, 2).map(({ hostPath }: KubeObject) => hostPath.path),
      all.container("nodeServer", "node-driver-registrar").args[1],
    ],
    wanted: [
      ["/opt/kubelet/plugins/pure-csi", "/opt/kubelet/plugins_registry"],
      "--kubelet-registration-path=/opt/kubelet/plugins/pure-csi/csi.sock",
    ],
  },
  "clusterrolebinding.serviceAccount.name": {
    value: "mine",
    read: (all) => all.names("ServiceAccount"),
    wanted: ["mine", "mine-node"],
  },
  "nodeSelector": {
    value: { zone: "a" },
    read: (all) => [all.pod("controllerServer").nodeSelector, all.pod("nodeServer").nodeSelector],
    wanted: [{ zone: "a" }, { zone: "a" }],
  },
  "tolerations": {
    value: [{ key: "k" }],
    beside: { nodeServer: { tolerateAllTaints: false } },
    read: (all) => [all.pod("controllerServer").tolerations, all.pod("nodeServer").tolerations],
    wanted: [[{ key: "k" }], [{ key: "k" }]],
  },
  "affinity": {
    value: { nodeAffinity: { a: "b" } },
    read: (all) => [all.pod("controllerServer").affinity, all.pod("nodeServer").affinity],
    wanted: [{ nodeAffinity: { a: "b" } }, { nodeAffinity: { a: "b" } }],
  },
  ...podCases("controllerServer"),
  ...podCases("nodeServer"),
  "controllerServer.tolerations": {
    value: [{ key: "k" }],
    read: (all) => all.pod("controllerServer").tolerations,
    wanted: [{ key: "k" }],
  },
  "nodeServer.tolerations": {
    value: [{ key: "k" }],
    beside: { nodeServer: { tolerateAllTaints: false } },
    read: (all) => all.pod("nodeServer").tolerations,
    wanted: [{ key: "k" }],
  },
  "nodeServer.tolerateAllTaints": {
    value: false,
    read: (all) => all.pod("nodeServer").tolerations,
    wanted: undefined,
  },
  "controllerServer.replicas": {
    value: 3,
    read: (all) => all.workload("controllerServer").spec.replicas,
    wanted: 3,
  },
  "controllerServer.podDisruptionBudget.enabled": {
    value: false,
    read: (all) => all.names("PodDisruptionBudget"),
    wanted: [],
  },
  "controllerServer.podDisruptionBudget.maxUnavailable": {
    value: 0,
    read: (all) => all.get("PodDisruptionBudget").spec.maxUnavailable,
    wanted: 0,
  },
  "controllerServer.podDisruptionBudget.unhealthyPodEvictionPolicy": {
    value: "IfHealthyBudget",
    read: (all) => all.get("PodDisruptionBudget").spec.unhealthyPodEvictionPolicy,
    wanted: "IfHealthyBudget",
  },
  "controllerServer.tokenSecrets": {
    value: [{ name: "fa1", key: "t" }],
    read: (all) =>
      all.pod("controllerServer").volumes.find(({ name }: KubeObject) => name === "tokens")
        .projected.sources,
    wanted: [{
      secret: { name: "fa1", optional: true, items: [{ key: "t", path: "tokens/fa1/t" }] },
    }],
  },
  "nodeServer.stateDir": {
    value: "/srv/pso",
    read: (all) => [
      all.container("nodeServer").args.includes("--state-dir=/srv/pso"),
      all.pod("nodeServer").volumes.find(({ name }: KubeObject) => name === "state").hostPath.path,
      all.container("nodeServer").volumeMounts.find(({ name }: KubeObject) => name === "state")
        .mountPath,
    ],
    wanted: [true, "/srv/pso", "/srv/pso"],
  },
  ...Object.fromEntries(
    ([
      ["hostTools", "chroot", "--host-tools=chroot"],
      ["toolPaths", ["/opt/bin"], "--tool-path=/opt/bin"],
      ["dataAddresses", ["$(HOST_IP)"], "--data-address=$(HOST_IP)"],
      ["localPlane", "/plane", "--local-plane=/plane"],
    ] as const).map(([name, value, flag]) => [`nodeServer.${name}`, {
      value,
      read: (all: Rendered) => all.container("nodeServer").args.includes(flag),
      wanted: true,
    }]),
  ),
  "nodeServer.dnsPolicy": {
    value: "Default",
    read: (all) => all.pod("nodeServer").dnsPolicy,
    wanted: "Default",
  },
  "additionalDaemonSets": {
    value: [{ name: "more", nodeSelector: { gpu: "yes" } }],
    read: (all) => {
      const { selector, template } = all.get("DaemonSet", "more").spec;
      return [selector.matchLabels, template.metadata.labels.app, template.spec.nodeSelector];
    },
    wanted: [{ app: "more" }, "more", { gpu: "yes" }],
  },
  "existingSecret.name": {
    value: "mine",
    read: (all) => [
      all.names("Secret"),
      all.container("controllerServer").args.filter((one: string) => one.includes("/secret/")),
      all.get("Role", "pure-csi-driver").rules.find(({ resources }: KubeObject) =>
        resources.includes("secrets")
      ).resourceNames,
    ],
    wanted: [[], ["--kube-config-from=pso/secret/mine/pure.json"], ["mine"]],
  },
  "existingSecret.key": {
    value: "k",
    beside: { existingSecret: { name: "mine" } },
    read: (all) =>
      all.container("controllerServer").args.filter((one: string) => one.includes("/secret/")),
    wanted: ["--kube-config-from=pso/secret/mine/k"],
  },
  "classSecrets": {
    value: { ns: ["chap"] },
    read: (all) => {
      const { metadata, rules } = all.get("Role", "pure-csi-class-secrets");
      return [metadata.namespace, rules[0].resourceNames, rules[0].verbs];
    },
    wanted: ["ns", ["chap"], ["get"]],
  },
  "commonLabels": {
    value: { team: 7 },
    read: ({ objects }) => objects.filter(({ metadata }) => metadata.labels.team !== "7"),
    wanted: [],
  },
  "commonAnnotations": {
    value: { note: 7 },
    read: ({ objects }) => objects.filter(({ metadata }) => metadata.annotations?.note !== "7"),
    wanted: [],
  },
  "metrics.enabled": {
    value: false,
    read: (all) => all.names("Service"),
    wanted: [],
  },
  "metrics.annotations": {
    value: { a: "b" },
    read: (all) => all.get("Service", "pure-csi-node-metrics").metadata.annotations,
    wanted: { a: "b" },
  },
  "extraObjects": {
    value: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "{{ .Release.Name }}-x" } }],
    read: (all) => all.get("ConfigMap", "pure-csi-x").kind,
    wanted: "ConfigMap",
  },
  "nameOverride": {
    value: "mine",
    read: (all) => all.names("PodDisruptionBudget").concat(all.names("Service")),
    wanted: ["pure-provisioner", "mine-controller-metrics", "mine-node-metrics"],
  },
  "fullnameOverride": {
    value: "mine",
    read: (all) => all.names("Lease").concat(all.names("Service")),
    wanted: ["pure-csi-leader", "mine-controller-metrics", "mine-node-metrics"],
  },
  "global": {
    value: { imagePullSecrets: ["pull"] },
    read: (all) => all.pod("nodeServer").imagePullSecrets,
    wanted: [{ name: "pull" }],
  },
  "images.registry": {
    value: "mirror.example.com:5000/x",
    read: (all) => all.container("controllerServer", "csi-attacher").image.split("/csi-")[0],
    wanted: "mirror.example.com:5000/x/sig-storage",
  },
  "imagePullSecrets": {
    value: ["one", { name: "two" }],
    read: (all) => all.pod("controllerServer").imagePullSecrets,
    wanted: [{ name: "one" }, { name: "two" }],
  },
  ...imageCases("images.plugin", (all) => all.container("nodeServer")),
  ...Object.assign(
    {},
    ...["provisioner", "attacher", "resizer", "snapshotter"].map((name) =>
      imageCases(
        `images.csi.${name}`,
        (all) => all.container("controllerServer", `csi-${name}`),
      )
    ),
  ),
  ...imageCases(
    "images.csi.nodeDriverRegistrar",
    (all) => all.container("nodeServer", "node-driver-registrar"),
  ),
  "csi.fsGroupPolicy": {
    value: "File",
    read: (all) => all.get("CSIDriver").spec.fsGroupPolicy,
    wanted: "File",
  },
  "csi.storageCapacity": {
    value: true,
    beside: { storagetopology: { enable: true } },
    read: (all) => [
      all.get("CSIDriver").spec.storageCapacity,
      all.container("controllerServer", "csi-provisioner").args.includes("--enable-capacity"),
      all.names("Role").includes("pure-csi-capacity"),
      // The provisioner looks at them for it, without topology too, and makes no volume before.
      watched(all.get("ClusterRole", "pure-csi-provisioner"), ["nodes", "csinodes"]),
    ],
    wanted: [true, true, true, ["nodes", "csinodes"]],
  },
  "csi.nodeAllocatableUpdatePeriodSeconds": {
    value: 60,
    read: (all) => all.get("CSIDriver").spec.nodeAllocatableUpdatePeriodSeconds,
    wanted: 60,
  },
  ...Object.assign(
    {},
    ...["provisioner", "attacher", "resizer", "snapshotter"].map((name) =>
      sidecarCases(`csi.${name}`, "controllerServer", `csi-${name}`)
    ),
  ),
  ...sidecarCases("csi.nodeDriverRegistrar", "nodeServer", "node-driver-registrar"),
  "csi.snapshotter.enabled": {
    value: false,
    read: (all) => [
      all.pod("controllerServer").containers.length,
      all.names("VolumeSnapshotClass"),
      all.names("ClusterRole").includes("pure-csi-snapshotter"),
    ],
    wanted: [4, [], false],
  },
  ...SNAPSHOT_METADATA_CASES,
  ...OTHER_CASES,
};

/** Those of the resources that the role lets list and watch. */
function watched({ rules }: KubeObject, resources: string[]): string[] {
  return resources.filter((one) =>
    rules.some(({ resources, verbs }: KubeObject) =>
      resources.includes(one) && verbs.includes("list") && verbs.includes("watch")
    )
  );
}
