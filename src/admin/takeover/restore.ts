import { PsoError } from "../../errors.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import type { ApiKinds, ManifestObject } from "./api_kinds.ts";
import type { Backup } from "./backup.ts";
import { counted } from "../check/found.ts";
import { at, nameOf, textAt } from "../check/kube_object.ts";
import { fullNameOf, type TakeoverCluster, uidOf, versionOf } from "./cluster.ts";
import { type HelmRecord, RECORD_TYPE } from "./helm_release.ts";
import { DRIVER, hasController, ownerOf, PATHS, releasesIn } from "./installation.ts";
import { mendManifest, objectsIn } from "./manifest.ts";
import { MARK, untilGone } from "./old_controller.ts";
import { HANDED_OVER_PATHS, KEPT_BY_HELM } from "./steps.ts";
import { kubePath } from "../../kube/names.ts";

/** What a way back works with. */
export interface Restore {
  cluster: TakeoverCluster;
  backup: Backup;
  kinds: ApiKinds;
  /** How long pods may take to end. */
  waitMs: number;
  /** Told of each thing that is done, as a line. */
  tell: (line: string) => void;
}

/** What a person does after the way back. */
export interface RestoreEnd {
  /** Arguments of `helm`, when Helm has to finish it. */
  helm?: string[];
  /** What should be known. */
  note?: string;
}

/** The Deployment of this driver's controllers. */
const OUR_CONTROLLER = "pure-provisioner";

/**
 * Puts back what a take-over changed, as the backup has it; repeating it changes nothing. Before a
 * `helm upgrade` PSO works again afterwards. After one, our controllers are gone, and everything is
 * so that `helm rollback` brings PSO back: never do two controllers work.
 */
export async function restore(way: Restore): Promise<RestoreEnd> {
  const { cluster, backup } = way;
  const { namespace, release, newRelease, controller } = backup.index;
  await stopOurs(way);
  const releases = await releasesIn(cluster, namespace);
  const newest = releases.find(({ name }) => name === (release?.name ?? newRelease))?.records[0];
  if (!release && newest) {
    return { helm: ["-n", namespace, "uninstall", newRelease], note: "then run this once more" };
  }
  await restoreDriver(way);
  for (const path of HANDED_OVER_PATHS) await restoreOwner(way, path);
  if (release && newest && newest.revision > release.revision) {
    if (hasController(newest, namespace)) {
      return { note: "Helm has rolled the release back already" };
    }
    await clearForRollback(way, newest);
    return { helm: ["-n", namespace, "rollback", release.name, `${release.revision}`] };
  }
  await restoreRecords(way);
  await restoreMissing(
    way,
    kubePath`/apis/apps/v1/namespaces/${namespace}/daemonsets/pso-csi-node`,
  );
  await restoreController(way);
  if (controller?.replicas === 0) {
    return { note: "PSO's controller had 0 replicas when the backup was made, and has 0 again" };
  }
  return {};
}

/** Ends the controllers of this driver, if there are any. */
async function stopOurs({ cluster, backup, waitMs, tell }: Restore): Promise<void> {
  const { namespace } = backup.index;
  const path = kubePath`/apis/apps/v1/namespaces/${namespace}/deployments/${OUR_CONTROLLER}`;
  const found = await cluster.find(path);
  if (found === undefined) return;
  if (at(found, "spec", "replicas") !== 0) {
    const resourceVersion = versionOf(found);
    await cluster.patch(path, { metadata: { resourceVersion }, spec: { replicas: 0 } });
    tell(`Deployment ${fullNameOf(found)} is scaled to 0`);
  }
  const labels = at(found, "spec", "selector", "matchLabels");
  const wanted = Object.entries(isObject(labels) ? labels : {});
  const isOwn = (pod: KubeObject) =>
    ownedByReplicaSet(pod) &&
    wanted.every(([key, value]) => textAt(pod, "metadata", "labels", key) === value);
  await untilGone(cluster, { namespace, isOwn, waitMs });
}

/** The pods of PSO's StatefulSet bear the same label. */
function ownedByReplicaSet(pod: KubeObject): boolean {
  const owners = at(pod, "metadata", "ownerReferences");
  return Array.isArray(owners) && owners.some((one) => textAt(one, "kind") === "ReplicaSet");
}

/** What the API server itself puts into an object, and takes from nobody. */
const SERVERS_FIELDS = [
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "generation",
  "managedFields",
  "selfLink",
  "ownerReferences",
];

/** An object as it can be made anew. */
function asNew(object: KubeObject): KubeObject {
  const { status: _, ...rest } = object;
  const metadata = isObject(object.metadata) ? { ...object.metadata } : {};
  for (const field of SERVERS_FIELDS) delete metadata[field];
  return { ...rest, metadata };
}

/** The fields of a CSIDriver that differ for good. */
function fixedFields(driver: KubeObject): string {
  const modes = at(driver, "spec", "volumeLifecycleModes");
  return JSON.stringify([
    at(driver, "spec", "attachRequired"),
    Array.isArray(modes) ? modes.toSorted() : [],
  ]);
}

async function restoreDriver({ cluster, backup, tell }: Restore): Promise<void> {
  const saved = await backup.object(PATHS.driver);
  const live = await cluster.find(PATHS.driver);
  if (saved === undefined) return;
  if (live && fixedFields(live) === fixedFields(saved)) return;
  if (live) await cluster.remove(PATHS.driver, uidOf(live));
  await cluster.create(PATHS.driver.slice(0, -DRIVER.length - 1), asNew(saved));
  tell(`CSIDriver ${DRIVER} is as before`);
}

/** Gives an object the labels and annotations back that it had. */
async function restoreOwner(
  { cluster, backup, tell }: Pick<Restore, "cluster" | "backup" | "tell">,
  path: string,
): Promise<void> {
  const saved = await backup.object(path);
  const live = saved && await cluster.find(path);
  if (!saved || !live || ownerOf(live) === ownerOf(saved)) return;
  const fields = (key: "labels" | "annotations") => {
    const [before, now] = [at(saved, "metadata", key), at(live, "metadata", key)];
    const gone = Object.keys(isObject(now) ? now : {}).map((name) => [name, null]);
    return { ...Object.fromEntries(gone), ...isObject(before) ? before : {} };
  };
  const resourceVersion = versionOf(live);
  const metadata = {
    resourceVersion,
    labels: fields("labels"),
    annotations: fields("annotations"),
  };
  await cluster.patch(path, { metadata });
  tell(
    `${textAt(saved, "kind")} ${nameOf(saved)} belongs to ${ownerOf(saved) || "no release"} again`,
  );
}

async function restoreRecords({ cluster, backup, tell }: Restore): Promise<void> {
  const { namespace } = backup.index;
  const secrets = kubePath`/api/v1/namespaces/${namespace}/secrets` + "/";
  for (const { path } of backup.index.objects.filter((one) => one.path.startsWith(secrets))) {
    const saved = await backup.object(path);
    const live = saved && await cluster.find(path);
    if (!saved || !live || saved.type !== RECORD_TYPE) continue;
    if (textAt(live, "data", "release") === textAt(saved, "data", "release")) continue;
    await cluster.update(path, { ...live, data: saved.data });
    tell(`the release record Secret ${fullNameOf(saved)} is as before`);
  }
}

/** Makes an object anew that is not there any more. */
async function restoreMissing({ cluster, backup, tell }: Restore, path: string): Promise<void> {
  const saved = await backup.object(path);
  if (saved === undefined || await cluster.find(path)) return;
  await cluster.create(path.slice(0, path.lastIndexOf("/")), asNew(saved));
  tell(`${textAt(saved, "kind")} ${fullNameOf(saved)} is there again`);
}

async function restoreController(way: Restore): Promise<void> {
  const { cluster, backup, tell } = way;
  const { controller } = backup.index;
  if (!controller) return;
  const { path, replicas } = controller;
  await restoreMissing(way, path);
  const live = await cluster.find(path);
  const isMarked = textAt(live, "metadata", "annotations", MARK) !== "";
  if (!live || (at(live, "spec", "replicas") === replicas && !isMarked)) return;
  const resourceVersion = versionOf(live);
  const metadata = { resourceVersion, annotations: { [MARK]: null } };
  await cluster.patch(path, { metadata, spec: { replicas } });
  tell(
    `PSO's controller, StatefulSet ${fullNameOf(live)}, has ${counted(replicas, "replica")} again`,
  );
}

/** Kinds that a rollback makes anew without any loss. */
const REMADE = [
  "ClusterRole",
  "ClusterRoleBinding",
  "ConfigMap",
  "DaemonSet",
  "Deployment",
  "Role",
  "RoleBinding",
  "SecurityContextConstraints",
  "Service",
  "ServiceAccount",
  "StatefulSet",
  "StorageClass",
  "VolumeSnapshotClass",
];

function refuseForeign(kind: string, live: KubeObject): never {
  throw new PsoError(
    "in_use",
    `${kind} ${fullNameOf(live)} is there and belongs to ${ownerOf(live) || "no release"}, and ` +
      "Helm refuses a rollback that meets it: it was made after the upgrade; save it, delete it, " +
      "and run this once more",
  );
}

/**
 * Deletes what PSO's release made and the new one does not know: Helm refuses a rollback that meets
 * such an object, and makes it anew where there is none. `in_use` when somebody else made one of
 * that name. What only the new one knows it deletes: an object that was there before is kept.
 */
async function clearForRollback(way: Restore, newer: HelmRecord): Promise<void> {
  const { cluster, backup, kinds, tell } = way;
  const { namespace, release } = backup.index;
  const own = (await releasesIn(cluster, namespace)).find(({ name }) => name === release?.name);
  const before = own?.records.find(({ revision }) => revision === release?.revision);
  const { manifest } = await mendManifest(before?.manifest ?? "", { namespace, kinds });
  const keyOf = ({ kind, name, namespace }: ManifestObject) => `${kind} ${namespace}/${name}`;
  const kept = new Set(objectsIn(newer.manifest, namespace).map(keyOf));
  const paths = new Set<string>();
  const doomed: { kind: string; path: string; live: KubeObject }[] = [];
  // An upgrade that ended well has deleted what is PSO's own.
  const isMadeSince = (live: KubeObject) =>
    newer.status === "deployed" && ownerOf(live) !== `${namespace}/${newer.release}`;
  for (const object of objectsIn(manifest, namespace)) {
    const path = await kinds.pathOf(object);
    const live = path && await cluster.find(path);
    if (!path || !live) continue;
    paths.add(path);
    if (kept.has(keyOf(object)) || !REMADE.includes(object.kind)) continue;
    if (isMadeSince(live)) refuseForeign(object.kind, live);
    doomed.push({ kind: object.kind, path, live });
  }
  for (const { kind, path, live } of doomed) {
    await cluster.remove(path, uidOf(live));
    tell(`${kind} ${fullNameOf(live)} is deleted; the rollback makes it anew`);
  }
  for (const path of HANDED_OVER_PATHS) {
    const live = !paths.has(path) && await backup.object(path) && await cluster.find(path);
    if (!live) continue;
    const resourceVersion = versionOf(live);
    await cluster.patch(path, { metadata: { resourceVersion, annotations: KEPT_BY_HELM.set } });
  }
}
