import type { KubeObject } from "../../kube/client.ts";
import { at, nameOf, textAt } from "../check/kube_object.ts";
import type { ApiKinds } from "./api_kinds.ts";
import { fullNameOf, numberAt, type TakeoverCluster, uidOf, versionOf } from "./cluster.ts";
import { DRIVER, type Installation, isFitting, ownerOf, PATHS } from "./installation.ts";
import { isPodOf, type Mark, stopController, untilGone } from "./old_controller.ts";
import { mendRecords, recordChanges } from "./release_record.ts";
import { kubePath } from "../../kube/names.ts";

/** What the steps work on. */
export interface Takeover {
  cluster: TakeoverCluster;
  found: Installation;
  kinds: ApiKinds;
  /** The release of Helm that will have the new objects. */
  release: string;
  /** How long pods may take to end. */
  waitMs: number;
}

/** One step of a take-over. */
export interface Step {
  /** What it does, on which objects; in lines. */
  what: string[];
  /** There is nothing to do any more. */
  isDone: boolean;
  /**
   * Does it, as far as it is not done: everything is read again before. `mark` says what is kept
   * of PSO's controller.
   */
  run: (mark: Mark) => Promise<void>;
}

/** The steps in their order, each with what it has to do now. */
export async function stepsOf(takeover: Takeover): Promise<Step[]> {
  return [
    stopStep(takeover),
    await recordStep(takeover),
    immutableStep(takeover),
    await handOverStep(takeover),
  ].filter(({ what }) => what.length > 0);
}

/** How many controllers PSO has. */
export function replicasOf({ controller }: Installation): number {
  const replicas = at(controller, "spec", "replicas");
  return typeof replicas === "number" ? replicas : 1;
}

function stopStep({ cluster, found, waitMs }: Takeover): Step {
  const { controller, namespace } = found;
  const name = nameOf(controller);
  const isDone = at(controller, "spec", "replicas") === 0 &&
    numberAt(controller, "status", "replicas") === 0;
  return {
    what: controller
      ? [
        `scale PSO's controller, StatefulSet ${fullNameOf(controller)}, to 0 and wait until its ` +
        "pods are gone; running pods go on",
      ]
      : [],
    isDone,
    run: async (mark) => {
      const path = kubePath`/apis/apps/v1/namespaces/${namespace}/statefulsets/${name}`;
      await stopController(cluster, { path, mark });
      const isOwn = isPodOf("StatefulSet", name);
      await untilGone(cluster, { namespace, isOwn, waitMs, workload: path });
    },
  };
}

async function recordStep({ cluster, found, kinds }: Takeover): Promise<Step> {
  const { release, namespace } = found;
  if (!release) return { what: [], isDone: true, run: () => Promise.resolve() };
  const changes = await recordChanges({ release, namespace, kinds });
  const head =
    `mend the record of release ${release.name}, which names kinds that the cluster does ` +
    "not serve";
  return {
    what: changes.length > 0 ? [head, ...changes.map((change) => `  ${change}`)] : [
      `mend the record of release ${release.name}: every kind in it is served`,
    ],
    isDone: changes.length === 0,
    run: () => mendRecords(cluster, { release, namespace, kinds }),
  };
}

function immutableStep({ cluster, found, waitMs }: Takeover): Step {
  const { driver, namespace, oldNodes } = found;
  const mustGo = driver && !isFitting(driver);
  const what = [
    ...mustGo
      ? [`delete CSIDriver ${DRIVER} (${driverText(driver)}), which the upgrade makes anew`]
      : [],
    ...oldNodes
      ? [
        `delete DaemonSet ${fullNameOf(oldNodes)} and wait until its pods are gone: what is ` +
        "mounted stays, and no pod with a volume starts or ends before the upgrade",
      ]
      : [],
  ];
  return {
    what: what.length > 0 ? what : ["delete what cannot be changed: there is nothing of it"],
    isDone: what.length === 0,
    run: async () => {
      await removeDriver(cluster);
      const path = kubePath`/apis/apps/v1/namespaces/${namespace}/daemonsets/pso-csi-node`;
      const nodes = await cluster.find(path);
      if (nodes) await cluster.remove(path, uidOf(nodes));
      await untilGone(cluster, { namespace, isOwn: isPodOf("DaemonSet", "pso-csi-node"), waitMs });
    },
  };
}

function driverText(driver: KubeObject): string {
  const modes = at(driver, "spec", "volumeLifecycleModes");
  return `attachRequired ${at(driver, "spec", "attachRequired")}, modes ${
    Array.isArray(modes) ? modes.join(", ") : "unset"
  }`;
}

/** Deletes the CSIDriver if it cannot become ours; the one that was read, and no other. */
async function removeDriver(cluster: TakeoverCluster): Promise<void> {
  const driver = await cluster.find(PATHS.driver);
  if (driver === undefined || nameOf(driver) !== DRIVER || isFitting(driver)) return;
  await cluster.remove(PATHS.driver, uidOf(driver));
}

const SNAPSHOT_CLASS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/pure-snapshotclass";
/** What an object says for which Helm must not delete it, and what takes that away. */
export const KEPT_BY_HELM = {
  set: { "helm.sh/resource-policy": "keep" },
  gone: { "helm.sh/resource-policy": null },
} as const;

/** Cluster-wide objects of PSO that Helm did not make, or does not own any more. */
const HANDED_OVER = [
  { kind: "CSIDriver", path: PATHS.driver, driver: (object: KubeObject) => nameOf(object) },
  {
    kind: "VolumeSnapshotClass",
    path: SNAPSHOT_CLASS,
    driver: (object: KubeObject) => textAt(object, "driver"),
  },
];

/** Where the objects are that may be handed over from nobody to the release. */
export const HANDED_OVER_PATHS = HANDED_OVER.map(({ path }) => path);

/** Helm takes over what says by labels and annotations that it belongs to the release. */
async function handOverStep({ cluster, found, release }: Takeover): Promise<Step> {
  const owner = `${found.namespace}/${release}`;
  const isWrong = (object: KubeObject) => ownerOf(object) !== owner;
  const objects = await Promise.all(HANDED_OVER.map(async ({ kind, path, driver }) => {
    const object = await cluster.find(path);
    const isOurs = object !== undefined && driver(object) === DRIVER && isWrong(object);
    return isOurs && (kind !== "CSIDriver" || isFitting(object)) ? [{ kind, path, object }] : [];
  }));
  const what = objects.flat().map(({ kind, object }) =>
    `hand ${kind} ${nameOf(object)} over to release ${release}: it belongs to ${
      ownerOf(object) || "no release"
    }`
  );
  return {
    what,
    isDone: what.length === 0,
    run: async () => {
      for (const { path } of objects.flat()) {
        const object = await cluster.find(path);
        if (object && isWrong(object)) await cluster.patch(path, helmOwner(owner, object));
      }
    },
  };
}

/**
 * The fields by which Helm knows what is its own. What a way back asked it to keep it may delete
 * again.
 */
function helmOwner(owner: string, object: KubeObject): KubeObject {
  const [namespace, name] = owner.split("/");
  return {
    metadata: {
      resourceVersion: versionOf(object),
      labels: { "app.kubernetes.io/managed-by": "Helm" },
      annotations: {
        "meta.helm.sh/release-name": name,
        "meta.helm.sh/release-namespace": namespace,
        ...KEPT_BY_HELM.gone,
      },
    },
  };
}
