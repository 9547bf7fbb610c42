import { messageOf } from "../../errors.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import { RELEASE_ANNOTATION } from "../../kube/obstacles.ts";
import { at, nameOf, objectsAt, textAt } from "../check/kube_object.ts";
import { fullNameOf, type TakeoverCluster } from "./cluster.ts";
import { type HelmRecord, readRecord, RECORD_TYPE } from "./helm_release.ts";
import { objectsIn } from "./manifest.ts";
import type { Problem } from "./problem.ts";
import { kubePath } from "../../kube/names.ts";

/** The driver's name, of this product and of PSO. */
export const DRIVER = "pure-csi";
/** Paths of what has one name in every installation. */
export const PATHS = {
  driver: `/apis/storage.k8s.io/v1/csidrivers/${DRIVER}`,
  statefulSets: "/apis/apps/v1/statefulsets",
  deployments: "/apis/apps/v1/deployments",
} as const;

/** A generation of PSO, by the names that its chart gives. */
export interface PsoKind {
  major: 5 | 6;
  /** The StatefulSet that provisions. */
  controller: string;
  /** The DaemonSet on the nodes. */
  nodes: string;
}

const KINDS: readonly PsoKind[] = [
  { major: 5, controller: "pure-provisioner", nodes: "pure-csi" },
  { major: 6, controller: "pso-csi-controller", nodes: "pso-csi-node" },
];
/** The names of all controllers of PSO. */
export const CONTROLLER_NAMES = KINDS.map(({ controller }) => controller);
/** Every container of PSO's own program has it; its value is the prefix of volume names. */
const PREFIX_VARIABLE = "PURE_K8S_NAMESPACE";

/** A release of Helm: its records, the newest first. */
export interface Release {
  name: string;
  records: readonly HelmRecord[];
}

/** What was found of PSO in a cluster. */
export interface Installation {
  namespace: string;
  /** Absent: neither its StatefulSet nor its release is there. */
  kind?: PsoKind;
  /** The StatefulSet; absent when it is gone. */
  controller?: KubeObject;
  /** The release that made it; absent when Helm does not know of it. */
  release?: Release;
  /** The DaemonSet of PSO 6, whose name no other version has. */
  oldNodes?: KubeObject;
  /** The CSIDriver `pure-csi`. */
  driver?: KubeObject;
  /** The prefix of volume names that PSO's pods were given. */
  clusterId?: string;
}

/** An installation, and what stands in the way of taking it over. */
export interface Search {
  found: Installation;
  problems: Problem[];
}

/**
 * Looks for PSO 5 and 6 in the whole cluster, because two provisioners in two namespaces are two at
 * work. `namespace` says which one is meant, and where a release is looked for when nothing of PSO
 * runs any more.
 */
export async function findInstallation(
  cluster: TakeoverCluster,
  namespace: string | undefined,
): Promise<Search> {
  const problems: Problem[] = [];
  const controllers = await controllersIn(cluster, problems);
  const [controller, second] = controllers;
  if (controller && second) {
    problems.push({
      object: "cluster",
      what: `has several controllers of PSO: ${controllers.map(fullNameOf).join(", ")}`,
      fix: "end all but one of them, and begin again",
    });
  }
  const driver = await cluster.find(PATHS.driver);
  const where = textAt(controller, "metadata", "namespace") || namespace ||
    textAt(driver, "metadata", "annotations", "meta.helm.sh/release-namespace") ||
    // Of this driver's chart, applied by another tool than Helm.
    (textAt(driver, "metadata", "annotations", RELEASE_ANNOTATION).split("/")[0] ?? "");
  if (controller && namespace !== undefined && where !== namespace) {
    problems.push({
      object: `StatefulSet ${fullNameOf(controller)}`,
      what: `is PSO's controller, and -n names ${namespace}`,
      fix: `say -n ${where}`,
    });
  }
  if (where === "") return { found: { namespace: "", driver }, problems };
  const damaged: string[] = [];
  const releases = await releasesIn(cluster, where, (message) => damaged.push(message));
  const [release, ...more] = releases.filter(({ records }) =>
    records.some((one) => hasController(one, where))
  );
  if (more.length > 0) {
    problems.push({
      object: `namespace ${where}`,
      what: `has several releases of PSO: ${[release, ...more].map((one) => one?.name).join(", ")}`,
      fix: "uninstall all but the one that runs, by `helm uninstall`",
    });
  }
  if (controller && !release) {
    problems.push({
      object: `StatefulSet ${fullNameOf(controller)}`,
      what: ["belongs to no release of Helm whose record can be read", ...damaged].join("; "),
      fix: "go the manual way of docs/upgrading-from-pso.md",
    });
  }
  const kind = KINDS.find((one) => one.controller === nameOf(controller)) ?? kindOf(release);
  const nodes = (name: string) =>
    cluster.find(kubePath`/apis/apps/v1/namespaces/${where}/daemonsets/${name}`);
  const oldNodes = await nodes("pso-csi-node");
  const clusterId = prefixOf(controller) ?? prefixOf(oldNodes) ?? prefixOf(await nodes(DRIVER));
  return {
    found: { namespace: where, kind, controller, release, oldNodes, driver, clusterId },
    problems,
  };
}

async function controllersIn(
  cluster: TakeoverCluster,
  problems: Problem[],
): Promise<KubeObject[]> {
  const lists = await Promise.all(
    CONTROLLER_NAMES.map((name) =>
      cluster.list({ path: PATHS.statefulSets, fields: { "metadata.name": name } })
    ),
  );
  return lists.flat().filter((found) => {
    if (prefixOf(found) !== undefined) return true;
    problems.push({
      object: `StatefulSet ${fullNameOf(found)}`,
      what:
        `has the name of PSO's controller, and no container of it has the variable ${PREFIX_VARIABLE}`,
      fix: "if it provisions volumes of this driver, end it; else give it another name",
    });
    return false;
  });
}

/** The prefix of volume names that a workload of PSO is given; undefined when it is none. */
function prefixOf(workload: KubeObject | undefined): string | undefined {
  const containers = objectsAt(workload, "spec", "template", "spec", "containers");
  const variables = containers.flatMap((one) => objectsAt(one, "env"));
  const found = variables.find(({ name }) => name === PREFIX_VARIABLE);
  return found && textAt(found, "value");
}

/** The releases of Helm in a namespace, PSO's and others; damaged records are left out. */
export async function releasesIn(
  cluster: TakeoverCluster,
  namespace: string,
  tellDamaged: (message: string) => void = () => {},
): Promise<Release[]> {
  const path = kubePath`/api/v1/namespaces/${namespace}/secrets`;
  const secrets = await cluster.list({ path, fields: { type: RECORD_TYPE } });
  const records: HelmRecord[] = [];
  for (const secret of secrets) {
    try {
      records.push(readRecord(secret));
    } catch (error) {
      tellDamaged(messageOf(error));
    }
  }
  const byName = Map.groupBy(records, ({ release }) => release);
  return [...byName].map(([name, own]) => ({
    name,
    records: own.sort((one, other) => other.revision - one.revision),
  }));
}

/** Whether a record is one of PSO: its manifest has PSO's controller. */
export function hasController({ manifest }: HelmRecord, namespace: string): boolean {
  return objectsIn(manifest, namespace).some(({ kind, name }) =>
    kind === "StatefulSet" && CONTROLLER_NAMES.includes(name)
  );
}

function kindOf(release: Release | undefined): PsoKind | undefined {
  const objects = release?.records.flatMap(({ manifest }) => objectsIn(manifest, "")) ?? [];
  return KINDS.find(({ controller }) =>
    objects.some(({ kind, name }) => kind === "StatefulSet" && name === controller)
  );
}

/** The fields of a CSIDriver that can never be changed while it lives. */
export function isFitting(driver: KubeObject): boolean {
  const modes = at(driver, "spec", "volumeLifecycleModes");
  const has = Array.isArray(modes) ? modes.map(String).sort().join() : "Persistent";
  return at(driver, "spec", "attachRequired") !== false && has === "Ephemeral,Persistent";
}

/** `namespace/name` of the release of Helm that an object belongs to; empty for none. */
export function ownerOf(object: KubeObject): string {
  const annotations = at(object, "metadata", "annotations");
  const of = (key: string) =>
    isObject(annotations) ? annotations[`meta.helm.sh/${key}`] : undefined;
  const isHelms = textAt(object, "metadata", "labels", "app.kubernetes.io/managed-by") === "Helm";
  const [name, namespace] = [of("release-name"), of("release-namespace")];
  return isHelms && typeof name === "string" ? `${namespace}/${name}` : "";
}
