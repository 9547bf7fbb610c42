// A cluster as far as a take-over asks it, in memory: objects by path, versions that an API serves,
// optimistic locks, pods that end late, and a process that dies at any change.
import type { Collection, TakeoverCluster } from "../../src/admin/takeover/cluster.ts";
import { KubeError, type KubeObject } from "../../src/kube/client.ts";
import { isObject } from "../../src/kube/client.ts";

/** The process died: nothing catches it. */
export class Died extends Error {}

interface FakeMetadata extends KubeObject {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
}

type FakeObject = KubeObject & { metadata: FakeMetadata };

/** What the API serves: `apps/v1` → kind → plural. Kinds of the cluster itself stand in CLUSTER_KINDS. */
const SERVED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "v1": { Secret: "secrets", Service: "services", ServiceAccount: "serviceaccounts" },
  "apps/v1": { StatefulSet: "statefulsets", DaemonSet: "daemonsets", Deployment: "deployments" },
  "rbac.authorization.k8s.io/v1": {
    ClusterRole: "clusterroles",
    ClusterRoleBinding: "clusterrolebindings",
  },
  "storage.k8s.io/v1": { CSIDriver: "csidrivers", StorageClass: "storageclasses" },
};
const CLUSTER_KINDS = ["ClusterRole", "ClusterRoleBinding", "CSIDriver", "StorageClass"];

/** The kinds of a version, as the API lists them; undefined for a version that it does not have. */
export function servedKinds(version: string): { resources: KubeObject[] } | undefined {
  const kinds = SERVED[version];
  const resources = Object.entries(kinds ?? {}).map(([kind, name]) => ({
    kind,
    name,
    namespaced: !CLUSTER_KINDS.includes(kind),
  }));
  return kinds && { resources };
}

export class FakeTakeoverCluster implements TakeoverCluster {
  readonly name = "test";
  readonly objects = new Map<string, FakeObject>();
  /** Every change, as `PATCH /path`. */
  readonly changes: string[] = [];
  /** The change before which the process dies, counted from 0; `after`: when it is done. */
  dies?: { at: number; after: boolean };
  /** Pods that are asked for so many times after their end are still there. */
  slowness = 2;
  #version = 100;
  #ending = 0;
  /** Workloads that count pods which are gone. */
  readonly #stale: FakeObject[] = [];

  /** Makes or replaces an object as somebody else would. */
  put(path: string, fields: KubeObject): void {
    const parts = path.split("/");
    const inNamespace = parts.indexOf("namespaces");
    const namespace = inNamespace > 0 && parts.length > inNamespace + 2
      ? { namespace: parts[inNamespace + 1] }
      : {};
    const metadata = {
      ...isObject(fields.metadata) ? fields.metadata : {},
      ...namespace,
      name: parts.at(-1) ?? "",
      uid: crypto.randomUUID(),
      resourceVersion: this.#next(),
    };
    this.objects.set(path, { ...structuredClone(fields), metadata });
  }

  find(path: string): Promise<KubeObject | undefined> {
    const version = /^\/apis?\/((?:[^/]+\/)?v\w+)$/.exec(path)?.[1];
    if (version === undefined) return Promise.resolve(structuredClone(this.objects.get(path)));
    return Promise.resolve(servedKinds(version));
  }

  list({ path, fields = {} }: Collection): Promise<KubeObject[]> {
    const plural = path.split("/").at(-1);
    if (plural === "pods") this.#endPods();
    const [, namespace] = /\/namespaces\/([^/]+)\//.exec(path) ?? [];
    const found = [...this.objects].filter(([own, { metadata, type }]) =>
      own.split("/").at(-2) === plural &&
      (namespace === undefined || metadata.namespace === namespace) &&
      (fields["metadata.name"] ?? metadata.name) === metadata.name &&
      (fields.type ?? type) === type
    );
    return Promise.resolve(structuredClone(found.map(([, object]) => object)));
  }

  create(path: string, object: KubeObject): Promise<KubeObject> {
    const metadata = isObject(object.metadata) ? object.metadata : {};
    return this.#change(`POST ${path}`, () => {
      const own = `${path}/${metadata.name}`;
      if (this.objects.has(own)) throw refusal(409, "already exists");
      if (metadata.uid !== undefined) throw refusal(422, "uid is the server's");
      this.put(own, object);
      return own;
    });
  }

  update(path: string, object: KubeObject): Promise<KubeObject> {
    return this.#change(`PUT ${path}`, () => {
      const stored = this.#locked(path, object);
      this.objects.set(path, { ...structuredClone(object), metadata: stored.metadata });
      return path;
    });
  }

  patch(path: string, fields: KubeObject): Promise<KubeObject> {
    return this.#change(`PATCH ${path}`, () => {
      const stored = this.#locked(path, fields);
      const { resourceVersion: _, ...metadata } = isObject(fields.metadata) ? fields.metadata : {};
      this.objects.set(path, merged(stored, { ...fields, metadata }) as FakeObject);
      if (path.includes("/statefulsets/") || path.includes("/deployments/")) this.#scaled(path);
      return path;
    });
  }

  async remove(path: string, uid: string): Promise<void> {
    if (!this.objects.has(path)) return;
    await this.#change(`DELETE ${path}`, () => {
      if (this.objects.get(path)?.metadata.uid !== uid) throw refusal(409, "uid differs");
      this.objects.delete(path);
      this.#ending = this.slowness;
      return path;
    });
  }

  #locked(path: string, { metadata }: KubeObject): FakeObject {
    const stored = this.objects.get(path);
    if (!stored) throw refusal(404, `${path} not found`);
    const sent = isObject(metadata) ? metadata.resourceVersion : undefined;
    if (sent !== stored.metadata.resourceVersion) throw refusal(409, "it was modified");
    return stored;
  }

  async #change(what: string, work: () => string): Promise<KubeObject> {
    await Promise.resolve();
    const isLast = this.dies?.at === this.changes.length;
    if (isLast && !this.dies?.after) throw new Died();
    const path = work();
    this.changes.push(what);
    const object = this.objects.get(path);
    if (object) object.metadata.resourceVersion = this.#next();
    if (isLast) throw new Died();
    return structuredClone(object ?? {});
  }

  /** As the controller of the workload: pods that must end are still there for a while. */
  #scaled(path: string): void {
    const workload = this.objects.get(path);
    const spec = isObject(workload?.spec) ? workload.spec : {};
    if (spec.replicas === 0) this.#ending = this.slowness;
    else if (workload) {
      workload.status = { replicas: spec.replicas };
      this.addPod(workload);
    }
  }

  /** The pods whose workload has no replicas, or is gone; its status says so a little later. */
  #endPods(): void {
    for (const workload of this.#stale.splice(0)) workload.status = { replicas: 0 };
    if (this.#ending-- > 0) return;
    for (const [path, pod] of this.objects) {
      const owner = path.includes("/pods/") ? pod.owner : undefined;
      if (typeof owner !== "string") continue;
      const workload = this.objects.get(owner);
      const spec = isObject(workload?.spec) ? workload.spec : {};
      if (workload && spec.replicas !== 0) continue;
      this.objects.delete(path);
      if (workload) this.#stale.push(workload);
    }
  }

  /** The pod that a workload's controller makes. */
  addPod(workload: KubeObject): void {
    const { metadata, kind } = workload as FakeObject;
    const [plural, owner] = kind === "Deployment"
      ? ["deployments", "ReplicaSet"]
      : kind === "DaemonSet"
      ? ["daemonsets", "DaemonSet"]
      : ["statefulsets", "StatefulSet"];
    const { namespace, name } = metadata;
    const labels = isObject(workload.podLabels) ? workload.podLabels : {};
    this.put(`/api/v1/namespaces/${namespace}/pods/${name}-0`, {
      owner: `/apis/apps/v1/namespaces/${namespace}/${plural}/${name}`,
      metadata: { labels, ownerReferences: [{ kind: owner, name }] },
      spec: { nodeName: "node-1" },
    });
  }

  #next(): string {
    return String(++this.#version);
  }
}

/** JSON merge patch. */
function merged(stored: unknown, change: unknown): unknown {
  if (!isObject(change)) return change;
  const result: KubeObject = isObject(stored) ? { ...stored } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

function refusal(status: number, message: string): KubeError {
  return new KubeError(status === 409 ? "busy" : "invalid", message, { status });
}
