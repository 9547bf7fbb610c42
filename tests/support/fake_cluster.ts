/** An API server that serves objects for the verbs of `admin`, over plain HTTP and for everybody. */

/** An object, as `kubectl get -o json` shows it. */
export type ClusterObject = Record<string, unknown>;

/** What a path is answered with. */
type ClusterAnswer =
  | ClusterObject
  | string
  | number
  | ((query: string) => Response | Promise<Response>);

/** A cluster that is served. */
export interface FakeCluster {
  /** Text of a kubeconfig that leads to it. */
  kubeconfig: string;
  /**
   * By path: an object, a text, an HTTP status as a refusal, or what another server answers. Lists
   * are made of `items`.
   */
  answers: Map<string, ClusterAnswer>;
  /** Objects by the path of their collection. */
  items: Map<string, ClusterObject[]>;
  /** Every path that was asked for. */
  asked: string[];
  stop(): Promise<void>;
}

/** A path without the name of an object at its end. */
const COLLECTION = /^\/(api|apis\/[^/]+)\/v\d\w*(\/namespaces\/[^/]+)?\/[a-z]+s$/;

const STORAGE = "/apis/storage.k8s.io/v1";

/** Serves a cluster with nothing in it but its version. */
export function fakeCluster(): FakeCluster {
  const answers: FakeCluster["answers"] = new Map<string, ClusterAnswer>([
    ["/version", { gitVersion: "v1.36.3" }],
  ]);
  const items: FakeCluster["items"] = new Map();
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    asked.push(pathname);
    const answer = answers.get(pathname);
    if (typeof answer === "function") return answer(search);
    if (typeof answer === "number") {
      return Response.json({ kind: "Status", message: `refused with ${answer}` }, {
        status: answer,
      });
    }
    if (typeof answer === "string") return new Response(answer);
    if (answer !== undefined) return Response.json(answer);
    const [, collection = "", name = ""] = /^(.*)\/([^/]+)$/.exec(pathname) ?? [];
    const one = items.get(collection)?.find(({ metadata }) =>
      (metadata as { name?: string } | undefined)?.name === name
    );
    if (one) return Response.json(one);
    if (COLLECTION.test(pathname)) {
      return Response.json({ kind: "List", items: items.get(pathname) ?? [] });
    }
    return Response.json({ kind: "Status", message: `${pathname} not found` }, { status: 404 });
  });
  const kubeconfig = JSON.stringify({
    "current-context": "prod",
    contexts: [{ name: "prod", context: { cluster: "prod" } }],
    clusters: [{ name: "prod", cluster: { server: `http://127.0.0.1:${server.addr.port}` } }],
  });
  return { kubeconfig, answers, items, asked, stop: () => server.shutdown() };
}

/** What an installation consists of. */
export interface InstallationOptions {
  /** JSON of the arrays, as the Secret has it. */
  arrays: string;
  now: number;
}

/** Puts a healthy installation of the chart into the cluster, in the namespace `pso`. */
export function installIn(
  { items, answers }: FakeCluster,
  { arrays, now }: InstallationOptions,
): void {
  const put = (path: string, ...objects: ClusterObject[]) =>
    items.set(path, [...items.get(path) ?? [], ...objects]);
  put(`${STORAGE}/csidrivers`, {
    metadata: {
      name: "pure-csi",
      annotations: { "pso.purestorage.com/release": "pso/pure-csi" },
    },
    spec: { attachRequired: true },
  });
  put(`${STORAGE}/storageclasses`, {
    metadata: {
      name: "pure-block",
      annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
    },
    provisioner: "pure-csi",
  });
  put("/api/v1/namespaces/pso/secrets", {
    metadata: { name: "pure-provisioner-secret" },
    data: { "pure.json": btoa(arrays) },
  });
  put("/api/v1/namespaces/pso/configmaps", {
    metadata: { name: "pure-csi-container-configmap" },
    data: { "appconfig.json": `{"clusterID": "k8s"}` },
  });
  put("/apis/coordination.k8s.io/v1/namespaces/pso/leases", {
    metadata: { name: "pure-csi-leader" },
    spec: {
      holderIdentity: "pure-provisioner-1_abc",
      renewTime: new Date(now).toISOString().replace("Z", "000Z"),
      leaseDurationSeconds: 15,
    },
  });
  put("/apis/apps/v1/deployments", podTemplate("registry.k8s.io/snapshot-controller:v8.6.0"));
  put(
    "/api/v1/namespaces/pso/pods",
    podOf("pure-provisioner-1", { app: "pure-provisioner" }, [
      "pso-bin:7.0.0",
      "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0",
    ]),
    podOf("pure-csi-a", { app: "pure-csi" }, ["pso-bin:7.0.0"]),
  );
  put("/apis/apps/v1/namespaces/pso/daemonsets", {
    metadata: { name: "pure-csi" },
    status: { desiredNumberScheduled: 1, numberReady: 1 },
  });
  put("/api/v1/nodes", { metadata: { name: "node-a" } });
  put(`${STORAGE}/csinodes`, {
    metadata: { name: "node-a" },
    spec: { drivers: [{ name: "pure-csi", allocatable: { count: 200 } }] },
  });
  answers.set("/apis/snapshot.storage.k8s.io", { versions: [{ version: "v1" }] });
  answers.set("/apis/snapshot.storage.k8s.io/v1", {
    resources: ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"].map((
      name,
    ) => ({ name })),
  });
  put("/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses", {
    metadata: { name: "pure-snapshotclass" },
    driver: "pure-csi",
  });
  answers.set("/api/v1/namespaces/pso/pods/pure-csi-a:9808/proxy/readyz", {
    ready: true,
    checks: [{ name: "iscsi", ok: true }, { name: "fc", ok: false }],
  });
}

function podTemplate(image: string): ClusterObject {
  return { spec: { template: { spec: { containers: [{ image }] } } } };
}

/** A pod that runs these images on node-a and is ready. */
export function podOf(
  name: string,
  labels: Record<string, string>,
  images: readonly string[],
): ClusterObject {
  const containers = images.map((image, at) => ({
    name: at === 0 ? "driver" : `sidecar-${at}`,
    image,
    ...(at === 0 ? { ports: [{ name: "admin", containerPort: 9808 }] } : {}),
  }));
  return {
    metadata: { name, labels },
    spec: { nodeName: "node-a", containers },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: containers.map((one) => ({
        name: one.name,
        ready: true,
        restartCount: 0,
      })),
    },
  };
}

/** A PersistentVolume of the driver. */
export function pvOf(
  name: string,
  { handle, phase = "Bound" }: { handle: string; phase?: string },
): ClusterObject {
  return {
    metadata: { name },
    spec: {
      csi: { driver: "pure-csi", volumeHandle: handle },
      claimRef: { namespace: "shop", name: "data" },
      storageClassName: "pure-block",
      persistentVolumeReclaimPolicy: "Delete",
    },
    status: { phase },
  };
}
