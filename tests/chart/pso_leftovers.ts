/** What an earlier PSO has in a cluster, as far as the chart meets it. */
import { type KubeObject, NAMESPACE } from "./helm.ts";

/** An object with only a name, for what follows. */
function named(apiVersion: string, kind: string, name: string, rest: KubeObject): KubeObject {
  return { apiVersion, kind, metadata: { name, ...rest.metadata }, ...rest.body };
}

const podsOf = (app: string, env: KubeObject[] = []) => ({
  selector: { matchLabels: { app } },
  template: {
    metadata: { labels: { app } },
    spec: { containers: [{ name: "driver", image: "purestorage/k8s:5.2.0", env }] },
  },
});

/** The objects of PSO 5.2 that matter: its chart makes them. */
export function pso5(): KubeObject[] {
  return [
    named("storage.k8s.io/v1", "CSIDriver", "pure-csi", {
      body: { spec: { attachRequired: false } },
    }),
    named("apps/v1", "StatefulSet", "pure-provisioner", {
      metadata: { namespace: NAMESPACE },
      body: { spec: { replicas: 1, serviceName: "x", ...podsOf("pure-provisioner") } },
    }),
    named("apps/v1", "DaemonSet", "pure-csi", {
      metadata: {
        namespace: NAMESPACE,
      },
      body: { spec: podsOf("pure-csi", [{ name: "PURE_K8S_NAMESPACE", value: "k8s_prod" }]) },
    }),
  ];
}

/** What PSO 6.2 leaves behind, owned by nobody. */
export function pso6(): KubeObject[] {
  return [
    named("storage.k8s.io/v1", "CSIDriver", "pure-csi", {
      body: {
        spec: {
          attachRequired: true,
          podInfoOnMount: true,
          volumeLifecycleModes: ["Persistent", "Ephemeral"],
        },
      },
    }),
    named("apps/v1", "DaemonSet", "pso-csi-node", {
      metadata: { namespace: NAMESPACE },
      body: { spec: podsOf("pso-csi-node", [{ name: "PURE_K8S_NAMESPACE", value: "k8s_prod" }]) },
    }),
    named("apps/v1", "StatefulSet", "pso-csi-controller", {
      metadata: { namespace: NAMESPACE },
      body: { spec: { replicas: 1, serviceName: "x", ...podsOf("pso-csi-controller") } },
    }),
    named("storage.k8s.io/v1", "StorageClass", "pure-block", {
      body: {
        provisioner: "pure-csi",
        parameters: { backend: "block", "csi.storage.k8s.io/fstype": "xfs", createoptions: "-q" },
      },
    }),
    named("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "pure-snapshotclass", {
      body: { driver: "pure-csi", deletionPolicy: "Delete" },
    }),
  ];
}
