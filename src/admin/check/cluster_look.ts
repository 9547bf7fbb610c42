// What `admin check` finds out about the cluster that a kubeconfig leads to. It reads only.
import type { KubeReader } from "../../kube/client.ts";
import { RELEASE_ANNOTATION } from "../../kube/obstacles.ts";
import { abortError, untilAborted, withDeadline } from "../../async/wait.ts";
import { isPsoError, messageOf } from "../../errors.ts";
import {
  CHART,
  type Cluster,
  containersOf,
  DRIVER,
  ifThere,
  isReady,
  leaderOf,
  podsOf,
  podTrouble,
  tellUnanswered,
} from "./cluster.ts";
import { CONTROLLER_NAMES } from "../takeover/installation.ts";
import { tellControllerArrays } from "./controller_arrays.ts";
import { counted, FoundList } from "./found.ts";
import { at, mapAt, nameOf, namesText, objectsAt, textAt } from "./kube_object.ts";
import { type NodeFacts, nodesOf, tellNodePlugin, tellNodes } from "./node_look.ts";
import { tellNewKeys, tellTopology } from "./topology_look.ts";
import { tellVolumes } from "./volume_look.ts";

/** What the cluster is compared with. */
interface ClusterScope {
  now: () => number;
  /** As for nodes; absent while the configuration is not known, too. */
  topologyKeys?: readonly string[];
  /** A label of topology that some array has, as `KEY=VALUE`. */
  topologyExample?: string;
  progress: (text: string) => void;
  /** How long all of it may take. Default: five minutes. */
  timeoutMs?: number;
  /** What nodesOf() gives, for who needs it too: the nodes are asked once. Default: asks them. */
  nodes?: () => Promise<readonly NodeFacts[]>;
}

/** One look at a part of the cluster; it throws what KubeClient throws. */
interface Part {
  check: string;
  look: (cluster: Cluster, found: FoundList) => Promise<void>;
}

/** All lists and all nodes together: 256 dead nodes alone take 80 seconds. */
const LOOK_MS = 300_000;

/**
 * Looks at the driver's objects in a cluster. A part that cannot be read, or that there is no time
 * for, is a finding, so that the others still tell. Never throws.
 */
export async function lookAtCluster(cluster: Cluster, scope: ClusterScope): Promise<FoundList> {
  const found = new FoundList(`cluster ${cluster.name}`);
  if (!await tellServer(cluster.kube, found)) return found;
  const parts: Part[] = [
    { check: "driver", look: tellDriver },
    { check: "PSO", look: tellOldController },
    { check: "classes", look: tellClasses },
    { check: "snapshots", look: tellSnapshots },
    { check: "controller", look: tellController },
    { check: "leader", look: (one, list) => tellLeader(one, { found: list, now: scope.now }) },
    { check: "node plugin", look: tellNodePlugin },
    {
      check: "nodes",
      look: async (one, list) => {
        const all = await (scope.nodes?.() ?? nodesOf(one, scope));
        const { namespace } = one;
        const { topologyKeys: keys, topologyExample: example } = scope;
        tellNodes(all, list);
        if (keys) tellTopology(all, { found: list, namespace, keys, example });
        tellNewKeys(all, { found: list, namespace });
      },
    },
    { check: "volumes", look: tellVolumes },
  ];
  const timeoutMs = scope.timeoutMs ?? LOOK_MS;
  await withDeadline(`cluster ${cluster.name}`, { timeoutMs }, async (signal) => {
    const bounded = { ...cluster, kube: endingWith(cluster.kube, signal) };
    for (const { check, look } of parts) {
      scope.progress(`asking cluster ${cluster.name}: ${check}`);
      const list = new FoundList(found.object);
      try {
        if (signal.aborted) throw abortError(signal);
        // What is still on its way when the time is over tells nobody any more.
        await untilAborted(look(bounded, list), signal);
      } catch (error) {
        if (isPsoError(error, "denied")) list.warn(check, `not looked at: ${messageOf(error)}`);
        else list.fail(check, messageOf(error));
      }
      found.add(...list.all);
    }
  });
  scope.progress("");
  return found;
}

/** The same reader, whose lists end with the signal; everything else has a deadline of its own. */
function endingWith(kube: KubeReader, signal: AbortSignal): KubeReader {
  return {
    get: (path, wait) => kube.get(path, wait),
    text: (path, wait) => kube.text(path, wait),
    list: (collection, own = signal) => kube.list(collection, own),
  };
}

async function tellServer(kube: KubeReader, found: FoundList): Promise<boolean> {
  try {
    const { gitVersion } = await kube.get("/version");
    found.ok("server", `Kubernetes ${gitVersion}`);
    return true;
  } catch (error) {
    tellUnanswered(found, { check: "server", error });
    return false;
  }
}

async function tellDriver({ kube, namespace }: Cluster, found: FoundList): Promise<void> {
  const driver = await ifThere(kube, `/apis/storage.k8s.io/v1/csidrivers/${DRIVER}`);
  if (driver === undefined) {
    found.fail(
      "driver",
      `there is no CSIDriver ${DRIVER}: the driver is not installed`,
      "install the chart",
    );
    return;
  }
  const release = mapAt(driver, "metadata", "annotations")[RELEASE_ANNOTATION];
  if (at(driver, "spec", "attachRequired") !== true) {
    found.fail(
      "driver",
      `CSIDriver ${DRIVER} has attachRequired false, as PSO 5 had it: no volume is connected`,
      "take the cluster over as the page about the upgrade from PSO says",
    );
  } else if (release === undefined) {
    found.warn(
      "driver",
      `CSIDriver ${DRIVER} has no annotation ${RELEASE_ANNOTATION}: another installation made it`,
      "uninstall that one, or take it over",
    );
  } else if (release.split("/")[0] !== namespace) {
    found.warn(
      "driver",
      `CSIDriver ${DRIVER} belongs to the installation ${release}, and ${namespace} was looked at`,
      `look at it with -n ${release.split("/")[0]}`,
    );
  } else found.ok("driver", `CSIDriver ${DRIVER} of the installation ${release}`);
}

/** A controller of PSO 5 or 6 knows nothing of our Lease. */
async function tellOldController({ kube }: Cluster, found: FoundList): Promise<void> {
  const sets = await kube.list({ path: "/apis/apps/v1/statefulsets" });
  for (const set of sets.filter((one) => CONTROLLER_NAMES.includes(nameOf(one)))) {
    const name = `${textAt(set, "metadata", "namespace")}/${nameOf(set)}`;
    const fix = "pso-bin admin takeover says how to go on";
    if (at(set, "spec", "replicas") === 0) {
      found.warn("PSO", `the StatefulSet ${name} of PSO is still there, with 0 replicas`, fix);
    } else {
      found.fail(
        "PSO",
        `the StatefulSet ${name} of PSO provisions too: both change the arrays`,
        fix,
      );
    }
  }
}

const DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class";

async function tellClasses({ kube }: Cluster, found: FoundList): Promise<void> {
  const classes = await kube.list({ path: "/apis/storage.k8s.io/v1/storageclasses" });
  const own = classes.filter(({ provisioner }) => provisioner === DRIVER);
  const shown = own.map((one) => {
    const isDefault = mapAt(one, "metadata", "annotations")[DEFAULT_CLASS] === "true";
    return nameOf(one) + (isDefault ? " (default)" : "");
  });
  if (own.length > 0) found.ok("classes", `StorageClasses ${shown.join(", ")}`);
  else {
    found.warn(
      "classes",
      `no StorageClass has the provisioner ${DRIVER}: no claim can ask for a volume`,
      "install the chart with storageclass.createBuiltIn, or apply classes of your own",
    );
  }
  const defaults = classes.filter((one) =>
    mapAt(one, "metadata", "annotations")[DEFAULT_CLASS] === "true"
  );
  if (defaults.length > 1) {
    found.warn(
      "classes",
      `${counted(defaults.length, "StorageClass")}es are the default: ${
        namesText(defaults.map(nameOf))
      }`,
      "leave the annotation on one of them",
    );
  }
}

const SNAPSHOTS = "snapshot.storage.k8s.io";
const SNAPSHOT_KINDS = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"];

async function tellSnapshots({ kube }: Cluster, found: FoundList): Promise<void> {
  const group = await ifThere(kube, `/apis/${SNAPSHOTS}`);
  const versions = objectsAt(group, "versions").map((one) => textAt(one, "version"));
  const install =
    "install the CRDs and the snapshot-controller of kubernetes-csi/external-snapshotter";
  if (group === undefined) {
    found.warn("snapshots", "the CRDs of snapshots are missing: no snapshot can be made", install);
    return;
  }
  if (!versions.includes("v1")) {
    found.fail(
      "snapshots",
      `the CRDs of snapshots are old: they serve ${versions.join(", ")}, not v1`,
      install,
    );
    return;
  }
  const served = await kube.get(`/apis/${SNAPSHOTS}/v1`);
  const kinds = objectsAt(served, "resources").map((one) => textAt(one, "name"));
  const missing = SNAPSHOT_KINDS.filter((kind) => !kinds.includes(kind));
  if (missing.length > 0) {
    found.fail(
      "snapshots",
      `of the CRDs of snapshots these are missing: ${missing.join(", ")}`,
      install,
    );
    return;
  }
  const classes = await kube.list({ path: `/apis/${SNAPSHOTS}/v1/volumesnapshotclasses` });
  const own = classes.filter(({ driver }) => driver === DRIVER);
  if (own.length > 0) {
    found.ok("snapshots", `CRDs v1, VolumeSnapshotClasses ${own.map(nameOf).join(", ")}`);
  } else {
    found.warn(
      "snapshots",
      `CRDs v1, and no VolumeSnapshotClass has the driver ${DRIVER}`,
      "upgrade the release once more: it makes one now that the CRDs are there",
    );
  }
  await tellSnapshotController(kube, found);
}

async function tellSnapshotController(kube: KubeReader, found: FoundList): Promise<void> {
  const deployments = await kube.list({ path: "/apis/apps/v1/deployments" });
  const runs = deployments.some((one) =>
    objectsAt(one, "spec", "template", "spec", "containers").some(({ image }) =>
      /(^|\/)snapshot-controller(:|@|$)/.test(String(image))
    )
  );
  if (runs) return;
  found.warn(
    "snapshots",
    "no Deployment runs the snapshot-controller: a VolumeSnapshot stays without content",
    "install the snapshot-controller, unless your distribution runs it elsewhere",
  );
}

/** What the chart names; an older major number lacks what the driver's objects need. */
const SIDECAR_MAJORS: Readonly<Record<string, number>> = {
  "csi-provisioner": 6,
  "csi-attacher": 4,
  "csi-resizer": 2,
  "csi-snapshotter": 8,
  "csi-snapshot-metadata": 1,
  "csi-node-driver-registrar": 2,
};

async function tellController(cluster: Cluster, found: FoundList): Promise<void> {
  const pods = await podsOf(cluster, CHART.controllerApp);
  if (pods.length === 0) {
    found.fail(
      "controller",
      `no pod in namespace ${cluster.namespace} has the label app=${CHART.controllerApp}: nothing ` +
        "makes volumes",
      "install the chart, or name its namespace by -n",
    );
    return;
  }
  const unready = pods.filter((pod) => !isReady(pod));
  if (unready.length === 0) found.ok("controller", `${counted(pods.length, "pod")}, all ready`);
  else {
    const text = `${pods.length - unready.length} of ${pods.length} pods ready: ${
      namesText(unready.map(podTrouble))
    }`;
    const [pod] = unready.map(nameOf);
    const fix = `see \`kubectl -n ${cluster.namespace} describe pod ${pod}\` and \`kubectl -n ` +
      `${cluster.namespace} logs ${pod} --all-containers\``;
    if (unready.length === pods.length) found.fail("controller", text, fix);
    else found.warn("controller", text, fix);
  }
  await tellControllerArrays(cluster, { pods, found });
  tellSidecars(pods.flatMap(containersOf).map(({ image }) => image), found);
}

/** Tells the versions of sidecars by their images. */
export function tellSidecars(images: readonly string[], found: FoundList): void {
  const known = [...new Set(images)].flatMap((image) => {
    const last = image.slice(image.lastIndexOf("/") + 1);
    const [, name = "", tag = ""] = /^([^:@]+):([^:@]+)(?:@|$)/.exec(last) ?? [];
    const major = Number(/^v?(\d+)/.exec(tag)?.[1] ?? NaN);
    return name in SIDECAR_MAJORS ? [{ name, tag, major }] : [];
  });
  if (known.length === 0) return;
  const old = known.filter(({ name, major }) => major < (SIDECAR_MAJORS[name] ?? 0));
  const text = known.map(({ name, tag }) => `${name} ${tag}`).join(", ");
  if (old.length === 0) found.ok("sidecars", text);
  else {
    found.warn(
      "sidecars",
      `${text}: too old are ${old.map(({ name }) => name).join(", ")}`,
      "take the images out of your values, so that the chart's own are used",
    );
  }
}

async function tellLeader(
  cluster: Cluster,
  { found, now }: { found: FoundList; now: () => number },
): Promise<void> {
  const leader = await leaderOf(cluster, now);
  if ("pod" in leader) found.ok("leader", leader.pod);
  else found.fail("leader", leader.why, leader.fix);
}
