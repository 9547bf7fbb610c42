// The folder with everything as it was before a take-over. It holds tokens, so that only its owner
// may read it. The index is written last: a folder without one is no backup, and nothing was
// changed by whoever began it.
import { stringify } from "@std/yaml";
import { fileFault, PsoError, UsageError } from "../../errors.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import type { ApiKinds } from "./api_kinds.ts";
import { nameOf, textAt } from "../check/kube_object.ts";
import type { TakeoverCluster } from "./cluster.ts";
import {
  CONTROLLER_NAMES,
  DRIVER,
  hasController,
  type Installation,
  PATHS,
} from "./installation.ts";
import { mendManifest, objectsIn } from "./manifest.ts";
import { attachmentsOf, volumesOf } from "./obstacles.ts";
import { secretPath } from "./release_record.ts";
import { kubePath } from "../../kube/names.ts";

const FORMAT = 1;
const INDEX = "takeover.json";
/** The values of the release, as `helm get values` gives them. */
export const VALUES_FILE = "values.yaml";

/** One object of a backup. */
interface SavedObject {
  /** Where the API has it. */
  path: string;
  /** Its file in the folder. */
  file: string;
}

/** What a backup is of. */
export interface BackupIndex {
  format: number;
  /** ISO 8601 */
  made: string;
  /** The uid of the namespace kube-system, which no two clusters have in common. */
  cluster: string;
  namespace: string;
  /** Absent: PSO had no controller any more. */
  controller?: { path: string; replicas: number };
  /** The newest revision that has PSO's controller. Absent: Helm knew of no release. */
  release?: { name: string; revision: number };
  /** The release that the new objects were meant for. */
  newRelease: string;
  objects: SavedObject[];
}

/** Which cluster this is. `unavailable` when it does not say. */
export async function clusterUid(cluster: TakeoverCluster): Promise<string> {
  const uid = textAt(await cluster.find("/api/v1/namespaces/kube-system"), "metadata", "uid");
  if (uid !== "") return uid;
  throw new PsoError(
    "unavailable",
    `the cluster ${cluster.name} does not show its namespace kube-system, by which a backup knows ` +
      "it: give this user the right to read it",
  );
}

/** What goes into a backup beside the objects themselves. */
export interface BackupScope {
  found: Installation;
  kinds: ApiKinds;
  newRelease: string;
  replicas: number;
  now: () => number;
}

/**
 * Writes everything that belongs to PSO into a new folder: what its release made, its workloads,
 * the CSIDriver, classes, PersistentVolumes, attachments and all records of the release. UsageError
 * when the folder is there already.
 */
export async function makeBackup(
  cluster: TakeoverCluster,
  { folder, ...scope }: BackupScope & { folder: string },
): Promise<BackupIndex> {
  const { found, newRelease, replicas, now } = scope;
  const { namespace, controller, release } = found;
  const uid = await clusterUid(cluster);
  await makeFolder(folder);
  const objects: SavedObject[] = [];
  for (const [path, object] of await objectsOf(cluster, scope)) {
    const file = `${String(objects.length + 1).padStart(3, "0")}-${fileName(object)}.json`;
    await writeNew(`${folder}/${file}`, `${JSON.stringify(object, undefined, 2)}\n`);
    objects.push({ path, file });
  }
  const newest = release?.records[0];
  // An upgrade that failed halfway may have left a newer record, which is not PSO's.
  const psos = release?.records.find((one) => hasController(one, namespace));
  if (newest) await writeNew(`${folder}/${VALUES_FILE}`, stringify(newest.values));
  const index: BackupIndex = {
    format: FORMAT,
    made: new Date(now()).toISOString(),
    cluster: uid,
    namespace,
    ...controller && { controller: { path: controllerPath(controller), replicas } },
    ...release && psos && { release: { name: release.name, revision: psos.revision } },
    newRelease,
    objects,
  };
  await writeNew(`${folder}/${INDEX}`, `${JSON.stringify(index, undefined, 2)}\n`);
  return index;
}

/** Where the API has a StatefulSet. */
export function controllerPath(controller: KubeObject): string {
  const namespace = textAt(controller, "metadata", "namespace");
  return kubePath`/apis/apps/v1/namespaces/${namespace}/statefulsets/${nameOf(controller)}`;
}

function fileName(object: KubeObject): string {
  const namespace = textAt(object, "metadata", "namespace");
  const parts = [textAt(object, "kind").toLowerCase(), namespace, nameOf(object)];
  return parts.filter((part) => part !== "").join("-").replaceAll(/[^a-zA-Z0-9.-]/g, "_");
}

/** Every object by its path, once. Objects of lists get their kind back, which lists leave out. */
async function objectsOf(
  cluster: TakeoverCluster,
  { found, kinds }: Pick<BackupScope, "found" | "kinds">,
): Promise<Map<string, KubeObject>> {
  const { namespace, release } = found;
  const paths = new Set([
    PATHS.driver,
    ...CONTROLLER_NAMES.map((name) =>
      kubePath`/apis/apps/v1/namespaces/${namespace}/statefulsets/${name}`
    ),
    ...["pure-csi", "pso-csi-node"].map((name) =>
      kubePath`/apis/apps/v1/namespaces/${namespace}/daemonsets/${name}`
    ),
    "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/pure-snapshotclass",
    ...release?.records.map(({ secret }) => secretPath(namespace, nameOf(secret))) ?? [],
  ]);
  for (const { manifest } of release?.records ?? []) {
    // As the cluster calls the kinds now: under their old names it knows no object.
    const mended = await mendManifest(manifest, { namespace, kinds });
    for (const object of objectsIn(mended.manifest, namespace)) {
      const path = await kinds.pathOf(object);
      if (path !== undefined) paths.add(path);
    }
  }
  const objects = new Map<string, KubeObject>();
  for (const path of paths) {
    const object = await cluster.find(path);
    if (object) objects.set(path, object);
  }
  const classes = await cluster.list({ path: "/apis/storage.k8s.io/v1/storageclasses" });
  const lists: [string, string, KubeObject[]][] = [
    ["/apis/storage.k8s.io/v1/storageclasses", "StorageClass", classes.filter(isOurs)],
    ["/api/v1/persistentvolumes", "PersistentVolume", await volumesOf(cluster)],
    ["/apis/storage.k8s.io/v1/volumeattachments", "VolumeAttachment", await attachmentsOf(cluster)],
  ];
  for (const [path, kind, items] of lists) {
    const apiVersion = path.split("/").slice(2, -1).join("/");
    for (const item of items) {
      objects.set(path + kubePath`/${nameOf(item)}`, { apiVersion, kind, ...item });
    }
  }
  return objects;
}

function isOurs(storageClass: KubeObject): boolean {
  return storageClass.provisioner === DRIVER;
}

async function makeFolder(folder: string): Promise<void> {
  try {
    const parent = folder.slice(0, folder.replace(/\/+$/, "").lastIndexOf("/") + 1);
    if (parent !== "") await Deno.mkdir(parent, { recursive: true });
    await Deno.mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new UsageError(
      `${folder} is there already: go on by --resume ${folder}, or name another folder by --backup`,
    );
  }
}

/** Writes a file that is not there yet, to the disk. */
async function writeNew(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
  await file.sync();
}

/** A backup that was made before, of this cluster. */
export class Backup {
  private constructor(readonly folder: string, readonly index: BackupIndex) {}

  /** UsageError when the folder holds no whole backup, or one of another cluster. */
  static async open(folder: string, cluster: TakeoverCluster): Promise<Backup> {
    const index = await indexIn(folder);
    if (!isIndex(index)) throw new UsageError(`${folder}/${INDEX} is of another version`);
    const uid = await clusterUid(cluster);
    if (index.cluster !== uid) {
      throw new UsageError(
        `${folder} is a backup of another cluster than ${cluster.name}: name the right one by ` +
          "--kubeconfig and --context",
      );
    }
    return new Backup(folder, index);
  }

  /** The object as it was; undefined when there was none. */
  async object(path: string): Promise<KubeObject | undefined> {
    const saved = this.index.objects.find((one) => one.path === path);
    if (saved === undefined) return undefined;
    const object: unknown = JSON.parse(await Deno.readTextFile(`${this.folder}/${saved.file}`));
    if (isObject(object)) return object;
    throw new UsageError(`${this.folder}/${saved.file} holds no object: the backup is damaged`);
  }
}

/** What the index says. UsageError for a folder that has none. */
async function indexIn(folder: string): Promise<unknown> {
  const file = `${folder}/${INDEX}`;
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new UsageError(
        `${file} is damaged (${error.message}): if the take-over ended while it wrote that file, ` +
          "nothing was changed; begin anew by --yes with another folder",
      );
    }
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new UsageError(
        `${file} ${fileFault(error)}: name the folder of the backup, as a user who may read it`,
      );
    }
  }
  const isThere = await Deno.stat(folder).then(() => true, () => false);
  throw new UsageError(
    isThere
      ? `${folder} holds no whole backup, for ${INDEX} is not in it: nothing was changed by who ` +
        "began it; begin anew by --yes with another folder"
      : `there is no folder ${folder}: name the one that the take-over told when it began`,
  );
}

function isIndex(value: unknown): value is BackupIndex {
  return isObject(value) && value.format === FORMAT && Array.isArray(value.objects) &&
    typeof value.cluster === "string" && typeof value.namespace === "string";
}
