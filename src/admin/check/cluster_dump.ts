// What a support bundle holds of a cluster. Secrets are not asked for.
import { messageOf } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { type Cluster, containersOf, DRIVER } from "./cluster.ts";
import { nameOf, textAt } from "./kube_object.ts";
import { redactedObject, redactedText } from "./redaction.ts";

/** One file of a bundle, with nothing secret in its text. */
export interface BundleFile {
  /** With `/` between folders. */
  path: string;
  text: string;
}

/** Objects of one kind. */
interface Dumped {
  /** Name of the file. */
  name: string;
  path: (namespace: string) => string;
  /** Which of them are the driver's business; absent: all. */
  isOurs?: (object: KubeObject) => boolean;
}

const inNamespace = (api: string, plural: string) => (namespace: string) =>
  `${api}/namespaces/${namespace}/${plural}`;
const ofCluster = (path: string) => () => path;

const DUMPED: readonly Dumped[] = [
  { name: "deployments", path: inNamespace("/apis/apps/v1", "deployments") },
  { name: "daemonsets", path: inNamespace("/apis/apps/v1", "daemonsets") },
  { name: "statefulsets", path: inNamespace("/apis/apps/v1", "statefulsets") },
  { name: "pods", path: inNamespace("/api/v1", "pods") },
  { name: "events", path: inNamespace("/api/v1", "events") },
  { name: "leases", path: inNamespace("/apis/coordination.k8s.io/v1", "leases") },
  { name: "nodes", path: ofCluster("/api/v1/nodes") },
  { name: "csinodes", path: ofCluster("/apis/storage.k8s.io/v1/csinodes") },
  {
    name: "csidrivers",
    path: ofCluster("/apis/storage.k8s.io/v1/csidrivers"),
    isOurs: (object) => nameOf(object) === DRIVER,
  },
  {
    name: "storageclasses",
    path: ofCluster("/apis/storage.k8s.io/v1/storageclasses"),
    isOurs: ({ provisioner }) => provisioner === DRIVER,
  },
  {
    name: "volumeattachments",
    path: ofCluster("/apis/storage.k8s.io/v1/volumeattachments"),
    isOurs: (object) => textAt(object, "spec", "attacher") === DRIVER,
  },
  {
    name: "persistentvolumes",
    path: ofCluster("/api/v1/persistentvolumes"),
    isOurs: (object) => textAt(object, "spec", "csi", "driver") === DRIVER,
  },
  {
    name: "volumesnapshotclasses",
    path: ofCluster("/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses"),
    isOurs: ({ driver }) => driver === DRIVER,
  },
];

/** Of one log. */
const LOG_LINES = 5_000;
const LOG_BYTES = 2_000_000;

/**
 * The driver's objects and the logs of its pods, redacted. What cannot be read stands in the place
 * of its text. Never throws.
 */
export async function clusterDump(
  cluster: Cluster,
  progress: (text: string) => void,
): Promise<BundleFile[]> {
  const files: BundleFile[] = [];
  let pods: KubeObject[] = [];
  for (const { name, path, isOurs = () => true } of DUMPED) {
    progress(`reading ${name}`);
    const file = `cluster/${name}.json`;
    try {
      const all = await cluster.kube.list({ path: path(cluster.namespace) });
      const ours = all.filter(isOurs);
      if (name === "pods") pods = ours;
      files.push({
        path: file,
        text: `${JSON.stringify(ours.map(redactedObject), undefined, 2)}\n`,
      });
    } catch (error) {
      files.push({ path: file, text: notRead(error) });
    }
  }
  for (const pod of pods) files.push(...await logsOf(pod, { cluster, progress }));
  progress("");
  return files;
}

async function logsOf(
  pod: KubeObject,
  { cluster, progress }: { cluster: Cluster; progress: (text: string) => void },
): Promise<BundleFile[]> {
  const { kube, namespace } = cluster;
  const files: BundleFile[] = [];
  for (const { name, restarts } of containersOf(pod)) {
    for (const previous of restarts > 0 ? [false, true] : [false]) {
      progress(`reading the log of ${nameOf(pod)} ${name}`);
      const query = new URLSearchParams({
        container: name,
        tailLines: String(LOG_LINES),
        limitBytes: String(LOG_BYTES),
        ...(previous ? { previous: "true" } : {}),
      });
      const path = `/api/v1/namespaces/${namespace}/pods/${nameOf(pod)}/log?${query}`;
      const text = await kube.text(path).then(redactedText, notRead);
      files.push({ path: `logs/${nameOf(pod)}.${name}${previous ? ".before" : ""}.log`, text });
    }
  }
  return files;
}

function notRead(error: unknown): string {
  return `not read: ${redactedText(messageOf(error))}\n`;
}
