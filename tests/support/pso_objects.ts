// What PSO 5.2 and 6.2 leave in a cluster, as their charts render it, with the records that Helm 3
// keeps of their releases. The images are the vendor's and are never started.
import { stringify } from "@std/yaml";
import { packed } from "../../src/admin/takeover/helm_release.ts";
import type { KubeObject } from "../../src/kube/client.ts";

/** Namespace of every installation here. */
export const NAMESPACE = "pso";

/** An object of Kubernetes whose metadata a test reads. */
export interface PsoObject extends KubeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
}

/** An installation of PSO. */
export interface PsoInstallation {
  release: string;
  /** The values that its user gave. */
  values: KubeObject;
  /** What its chart made. */
  objects: PsoObject[];
  /** What Helm does not own: hooks, and what the cluster made. */
  others: PsoObject[];
  /** The Secrets that Helm keeps, one for each revision. */
  records: PsoObject[];
}

const LABELS = { "app.kubernetes.io/managed-by": "Helm", "kubernetes.io/cluster-service": "true" };

/** Where one object stands. */
interface Place {
  apiVersion: string;
  kind: string;
  name: string;
  release: string;
  /** Absent: of the cluster. */
  namespace?: string;
}

function helmObject(
  { apiVersion, kind, name, release, namespace }: Place,
  fields: KubeObject,
): PsoObject {
  const annotations = {
    "meta.helm.sh/release-name": release,
    "meta.helm.sh/release-namespace": NAMESPACE,
  };
  const metadata = { name, ...namespace && { namespace }, labels: { ...LABELS }, annotations };
  return { apiVersion, kind, metadata, ...fields };
}

/** A workload of PSO: its pods know the prefix of volume names. */
interface PsoWorkload {
  kind: "StatefulSet" | "DaemonSet";
  name: string;
  release: string;
  prefix: string;
}

function workload({ kind, name, release, prefix }: PsoWorkload): PsoObject {
  const place = { apiVersion: "apps/v1", kind, name, release, namespace: NAMESPACE };
  return helmObject(place, {
    spec: {
      ...kind === "StatefulSet" && { replicas: 1, serviceName: name },
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          serviceAccountName: "pure",
          containers: [{
            name: "pso-csi-container",
            image: "purestorage/k8s:5.2.0",
            env: [{ name: "PURE_K8S_NAMESPACE", value: prefix }],
          }],
        },
      },
    },
  });
}

function ofCluster(
  kind: string,
  name: string,
  fields: KubeObject & { release: string },
): PsoObject {
  const apiVersion = kind.startsWith("ClusterRole")
    ? "rbac.authorization.k8s.io/v1"
    : "storage.k8s.io/v1";
  const { release, ...rest } = fields;
  return helmObject({ apiVersion, kind, name, release }, rest);
}

function roleOf(release: string): PsoObject[] {
  return [
    ofCluster("ClusterRole", "external-provisioner-runner", {
      release,
      rules: [{ apiGroups: [""], resources: ["persistentvolumes"], verbs: ["get", "list"] }],
    }),
    ofCluster("ClusterRoleBinding", "csi-provisioner-role", {
      release,
      subjects: [{ kind: "ServiceAccount", name: "pure", namespace: NAMESPACE }],
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: "external-provisioner-runner",
      },
    }),
  ];
}

function classOf(release: string, name: string, parameters: Record<string, string>): PsoObject {
  return ofCluster("StorageClass", name, {
    release,
    provisioner: "pure-csi",
    parameters,
    reclaimPolicy: "Delete",
    volumeBindingMode: "Immediate",
    allowVolumeExpansion: true,
    ...parameters.backend === "block" && { mountOptions: ["discard"] },
  });
}

function inNamespace(
  kind: string,
  name: string,
  fields: KubeObject & { release: string },
): PsoObject {
  const { release, ...rest } = fields;
  return helmObject({ apiVersion: "v1", kind, name, release, namespace: NAMESPACE }, rest);
}

function accountOf(release: string, values: KubeObject, controller: string): PsoObject[] {
  const arrays = JSON.stringify(values.arrays);
  return [
    inNamespace("ServiceAccount", "pure", { release }),
    inNamespace("Secret", "pure-provisioner-secret", {
      release,
      stringData: { "pure.json": arrays },
    }),
    inNamespace("Service", controller, {
      release,
      spec: { selector: { app: controller }, ports: [{ name: "dummy", port: 12345 }] },
    }),
  ];
}

/** How Helm's manifest calls kinds that were made on Kubernetes before 1.22. */
function asThen(object: PsoObject): PsoObject {
  const old: Record<string, string> = {
    CSIDriver: "storage.k8s.io/v1beta1",
    ClusterRole: "rbac.authorization.k8s.io/v1beta1",
    ClusterRoleBinding: "rbac.authorization.k8s.io/v1beta1",
  };
  const { labels: _, annotations: __, ...metadata } = object.metadata;
  return { ...object, apiVersion: old[object.kind] ?? object.apiVersion, metadata };
}

function manifestOf(objects: readonly PsoObject[]): string {
  return objects.map((object, at) =>
    `---\n# Source: pure-csi/templates/${at}.yaml\n${stringify(asThen(object))}`
  ).join("");
}

/** One revision of a release, as Helm records it. */
interface Revision {
  release: string;
  revision: number;
  status: string;
  values: KubeObject;
  manifest: string;
}

/** The Secret of a record, in Helm 3's own format. */
export function recordOf({ release, revision, status, values, manifest }: Revision): PsoObject {
  const json = JSON.stringify({
    name: release,
    info: { status, notes: 'says "manifest": and {more}', first_deployed: "2021-01-01T00:00:00Z" },
    chart: { metadata: { name: "pure-csi", version: "1.2.0" }, values: { manifest: "not this" } },
    config: values,
    manifest,
    version: revision,
    namespace: NAMESPACE,
  });
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "helm.sh/release.v1",
    metadata: {
      name: `sh.helm.release.v1.${release}.v${revision}`,
      namespace: NAMESPACE,
      labels: { name: release, owner: "helm", status, version: `${revision}` },
    },
    data: { release: packed(json) },
  };
}

/** Both revisions that an installation has which was upgraded once. */
function recordsOf(installation: Omit<PsoInstallation, "records" | "others">): PsoObject[] {
  const { release, values, objects } = installation;
  const manifest = manifestOf(objects);
  const revision = { release, values, manifest };
  return [
    recordOf({ ...revision, revision: 1, status: "superseded" }),
    recordOf({ ...revision, revision: 2, status: "deployed" }),
  ];
}

/** PSO 5.2, once upgraded, in a cluster that was upgraded past Kubernetes 1.22 since. */
export function pso52(values: KubeObject = {}): PsoInstallation {
  const release = "pure-storage-driver";
  const prefix = "k8s";
  const xfs = { "csi.storage.k8s.io/fstype": "xfs", createoptions: "-q" };
  const objects = [
    ...accountOf(release, values, "pure-provisioner"),
    ...roleOf(release),
    ofCluster("CSIDriver", "pure-csi", { release, spec: { attachRequired: false } }),
    classOf(release, "pure", { backend: "block", ...xfs }),
    classOf(release, "pure-block", { backend: "block", ...xfs }),
    classOf(release, "pure-file", { backend: "file" }),
    workload({ kind: "StatefulSet", name: "pure-provisioner", release, prefix }),
    workload({ kind: "DaemonSet", name: "pure-csi", release, prefix }),
  ];
  // PSO 5 had it applied by hand.
  const snapshots: PsoObject = {
    apiVersion: "snapshot.storage.k8s.io/v1",
    kind: "VolumeSnapshotClass",
    metadata: { name: "pure-snapshotclass" },
    driver: "pure-csi",
    deletionPolicy: "Delete",
  };
  const records = recordsOf({ release, values, objects });
  return { release, values, objects, others: [snapshots], records };
}

/** PSO 6's CSIDriver, which a hook makes, so that its uninstall leaves it behind. */
export const LEFT_DRIVER: PsoObject = {
  apiVersion: "storage.k8s.io/v1",
  kind: "CSIDriver",
  metadata: { name: "pure-csi" },
  spec: {
    attachRequired: true,
    podInfoOnMount: true,
    volumeLifecycleModes: ["Persistent", "Ephemeral"],
  },
};

/** PSO 6.2, whose CSIDriver is made by a hook and therefore nobody's. */
export function pso62(values: KubeObject = {}): PsoInstallation {
  const release = "pure-pso";
  const prefix = "k8s";
  const objects = [
    ...accountOf(release, values, "pso-csi-controller"),
    ...roleOf(release),
    classOf(release, "pure-block", {
      backend: "block",
      "csi.storage.k8s.io/fstype": "xfs",
      createoptions: "-q",
    }),
    classOf(release, "pure-file", { backend: "file" }),
    workload({ kind: "StatefulSet", name: "pso-csi-controller", release, prefix }),
    workload({ kind: "DaemonSet", name: "pso-csi-node", release, prefix }),
  ];
  const records = recordsOf({ release, values, objects });
  return { release, values, objects, others: [LEFT_DRIVER], records };
}

/** A PersistentVolume of the driver with PSO's handle. */
export function volumeOf(pv: string, csi: KubeObject = {}): PsoObject {
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: pv, annotations: { "pv.kubernetes.io/provisioned-by": "pure-csi" } },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: "pure-block",
      csi: {
        driver: "pure-csi",
        volumeHandle: `k8s-${pv}`,
        fsType: "xfs",
        volumeAttributes: { backend: "block" },
        ...csi,
      },
    },
  };
}

const PLURALS: Readonly<Record<string, string>> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
  CSIDriver: "csidrivers",
  DaemonSet: "daemonsets",
  Namespace: "namespaces",
  PersistentVolume: "persistentvolumes",
  Secret: "secrets",
  Service: "services",
  ServiceAccount: "serviceaccounts",
  StatefulSet: "statefulsets",
  StorageClass: "storageclasses",
  VolumeAttachment: "volumeattachments",
  VolumeSnapshotClass: "volumesnapshotclasses",
};

/** Where the API has an object. */
export function pathOf({ apiVersion, kind, metadata }: PsoObject): string {
  const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { namespace, name } = metadata;
  return `${base}/${namespace ? `namespaces/${namespace}/` : ""}${PLURALS[kind]}/${name}`;
}
