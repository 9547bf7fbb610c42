// What a support bundle holds of a cluster. Secrets are not asked for.
import { withDeadline } from "../../async/wait.ts";
import { isPsoError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { kubePath } from "../../kube/names.ts";
import { type BundleFile, notRead } from "./bundle_file.ts";
import { type Cluster, DRIVER } from "../check/cluster.ts";
import { nameOf, textAt } from "../check/kube_object.ts";
import { isOurEvent, isOurLease, isOurPod, isOurWorkload } from "./ours.ts";
import { logsOf } from "./pod_logs.ts";
import { redactedObject } from "./redaction.ts";

/** What was collected. */
export interface ClusterDump {
  files: BundleFile[];
  /** What is not in it, and why; a line each. */
  leftOut: string[];
}

/** How it is collected. */
interface DumpScope {
  progress: (text: string) => void;
  /** Of all logs. Default: 200 MB. */
  logBytes?: number;
}

/** Objects of one kind. */
interface Dumped {
  /** Name of the file. */
  name: string;
  path: (namespace: string) => string;
  /** Which of them are the driver's business; absent: all. `names` are those of what was ours so far. */
  isOurs?: (object: KubeObject, names: ReadonlySet<string>) => boolean;
}

const inNamespace = (api: string, plural: string) => (namespace: string) =>
  api + kubePath`/namespaces/${namespace}/${plural}`;
const ofCluster = (path: string) => () => path;

const DUMPED: readonly Dumped[] = [
  { name: "deployments", path: inNamespace("/apis/apps/v1", "deployments"), isOurs: isOurWorkload },
  { name: "daemonsets", path: inNamespace("/apis/apps/v1", "daemonsets"), isOurs: isOurWorkload },
  {
    name: "statefulsets",
    path: inNamespace("/apis/apps/v1", "statefulsets"),
    isOurs: isOurWorkload,
  },
  { name: "pods", path: inNamespace("/api/v1", "pods"), isOurs: isOurPod },
  { name: "events", path: inNamespace("/api/v1", "events"), isOurs: isOurEvent },
  {
    name: "leases",
    path: inNamespace("/apis/coordination.k8s.io/v1", "leases"),
    isOurs: isOurLease,
  },
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

/** One list: a server that is this slow is in trouble, and the others get less. */
const LIST_MS = 30_000;
const LATER_LIST_MS = 5_000;

/**
 * The driver's objects and the logs of its pods, redacted. What cannot be read stands in the place
 * of its text. Never throws.
 */
export async function clusterDump(cluster: Cluster, scope: DumpScope): Promise<ClusterDump> {
  const { kube, namespace } = cluster;
  const files: BundleFile[] = [];
  const names = new Set<string>();
  let pods: KubeObject[] = [];
  let timeoutMs = LIST_MS;
  for (const { name, path, isOurs = () => true } of DUMPED) {
    scope.progress(`reading ${name}`);
    const file = `cluster/${name}.json`;
    try {
      const all = await withDeadline(
        `the list of ${name}`,
        { timeoutMs },
        (signal) => kube.list({ path: path(namespace) }, signal),
      );
      const ours = all.filter((object) => isOurs(object, names));
      for (const object of ours) names.add(nameOf(object));
      if (name === "pods") pods = ours;
      files.push({
        path: file,
        text: `${JSON.stringify(ours.map(redactedObject), undefined, 2)}\n`,
      });
    } catch (error) {
      if (isPsoError(error, "timeout")) timeoutMs = LATER_LIST_MS;
      files.push({ path: file, text: notRead(error) });
    }
  }
  const logs = await logsOf(pods, { cluster, ...scope });
  scope.progress("");
  return { files: [...files, ...logs.files], leftOut: logs.leftOut };
}
