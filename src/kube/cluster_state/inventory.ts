import { isObject, type KubeClient, type KubeCollection, type KubeObject } from "../client.ts";
import { KUBE_LIMITS } from "../limits.ts";

/** A PersistentVolume. */
interface ListedVolume {
  name: string;
  /** Absent for one of another driver. */
  handle?: string;
  /** `namespace/name`; absent without a claim. */
  claim?: string;
  /** Absent while no claim is bound to it. */
  claimUid?: string;
}

/** A claim. */
interface ListedClaim {
  namespace: string;
  name: string;
  uid: string;
  created: string;
  annotations: Record<string, string>;
}

/** What is looked for in the lists. */
interface InventoryOptions {
  /** The name of this driver. */
  driver: string;
  /** Annotations of claims whose keys begin so are kept. */
  annotations: string;
}

/**
 * Every PersistentVolume and then every claim of the cluster, as they are now. Nothing is left out:
 * an error of any page is an error of all. Claims come last, so that a PersistentVolume that is
 * written meanwhile has its claim in the list.
 */
export async function readInventory(
  kube: Pick<KubeClient, "pages">,
  { driver, annotations }: InventoryOptions,
  signal: AbortSignal,
): Promise<{ volumes: ListedVolume[]; claims: ListedClaim[] }> {
  const volumes = await all(kube, { path: "/api/v1/persistentvolumes" }, {
    keep: (object) => volumeOf(object, driver),
    signal,
  });
  const claims = await all(kube, {
    path: "/api/v1/persistentvolumeclaims",
    isMetadataOnly: true,
  }, { keep: (object) => claimOf(object, annotations), signal });
  return { volumes, claims };
}

/** How a list is read. */
interface ListReading<T> {
  keep: (object: KubeObject) => T;
  signal: AbortSignal;
}

async function all<T>(
  kube: Pick<KubeClient, "pages">,
  collection: KubeCollection,
  { keep, signal }: ListReading<T>,
): Promise<T[]> {
  const kept: T[] = [];
  const list = { ...collection, pageItems: KUBE_LIMITS.factItems };
  for await (const { items } of kube.pages(list, signal)) {
    for (const item of items) kept.push(keep(item));
  }
  return kept;
}

function volumeOf({ metadata, spec }: KubeObject, driver: string): ListedVolume {
  const { csi, claimRef } = members(spec);
  const source = members(csi);
  const { namespace, name, uid } = members(claimRef);
  return {
    name: text(members(metadata).name),
    ...(source.driver === driver ? { handle: text(source.volumeHandle) } : {}),
    ...(text(name) === "" ? {} : { claim: `${text(namespace)}/${text(name)}` }),
    ...(text(uid) === "" ? {} : { claimUid: text(uid) }),
  };
}

function claimOf({ metadata }: KubeObject, prefix: string): ListedClaim {
  const { namespace, name, uid, creationTimestamp, annotations } = members(metadata);
  const kept = Object.entries(members(annotations)).flatMap(([key, value]) =>
    key.startsWith(prefix) && typeof value === "string" ? [[key, value]] : []
  );
  return {
    namespace: text(namespace),
    name: text(name),
    uid: text(uid),
    created: text(creationTimestamp),
    annotations: Object.fromEntries(kept),
  };
}

function members(value: unknown): KubeObject {
  return isObject(value) ? value : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
