/** The take-over of a cluster with PSO 6 in docs/admin.md, and one that is refused. */
import { type FakeCluster, fakeCluster } from "../fake_cluster.ts";
import { servedKinds } from "../fake_takeover_cluster.ts";
import { NAMESPACE, pathOf, pso62, type PsoObject, volumeOf } from "../pso_objects.ts";
import { arraysOf, entryOf, type PageBed, type Scene, volume } from "./page_bed.ts";
import { valuesOf } from "./right_scenes.ts";

const VERSIONS = ["v1", "apps/v1", "rbac.authorization.k8s.io/v1", "storage.k8s.io/v1"];

/** A cluster with PSO 6.2 and one volume of it. The caller stops it. */
export function psoCluster(): FakeCluster {
  const cluster = fakeCluster();
  for (const version of VERSIONS) {
    const kinds = servedKinds(version);
    if (!kinds) throw new Error(`${version} is not served`);
    cluster.answers.set(version === "v1" ? "/api/v1" : `/apis/${version}`, kinds);
  }
  const { objects, others, records } = pso62({ arrays: { FlashArrays: [] } });
  cluster.items.set("/api/v1/namespaces", [{ metadata: { name: "kube-system", uid: "u" } }]);
  for (const object of [...objects, ...others, ...records]) put(cluster, object);
  put(cluster, volumeOf(volume("1").slice(4)));
  return cluster;
}

/** In its own collection, and in that of all namespaces. */
function put({ items }: FakeCluster, object: PsoObject): void {
  const path = pathOf(object);
  const own = path.slice(0, path.lastIndexOf("/"));
  const all = own.replace(`/namespaces/${NAMESPACE}`, "");
  const stored = { ...object, metadata: { ...object.metadata, uid: "u", resourceVersion: "1" } };
  for (const collection of new Set([own, all])) {
    items.set(collection, [...items.get(collection) ?? [], stored]);
  }
}

/** In this order: the second meets what the first does not. */
export function takeoverScenes({ fleet }: PageBed, pso: FakeCluster): Scene[] {
  const { one } = arraysOf(fleet);
  const files = {
    ...valuesOf({ FlashArrays: [entryOf(one)] }),
    "old.kubeconfig": pso.kubeconfig,
  };
  const line = "pso-bin admin takeover -f values.yaml --kubeconfig old.kubeconfig";
  return [
    { name: "takeover", line, files },
    {
      name: "takeover refused",
      line,
      files,
      before: () => {
        put(pso, volumeOf(volume("9").slice(4)));
        const attachment = {
          metadata: { name: "csi-4be1" },
          spec: {
            attacher: "pure-csi",
            nodeName: "worker-1",
            source: { persistentVolumeName: volume("1").slice(4) },
          },
        };
        pso.items.set("/apis/storage.k8s.io/v1/volumeattachments", [attachment]);
        return Promise.resolve();
      },
    },
  ];
}
