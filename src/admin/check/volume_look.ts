// PersistentVolumes of the driver, and attachments that fail.
import type { KubeObject, KubeReader } from "../../kube/client.ts";
import { parseVolumeId } from "../../controller/volume_id.ts";
import { nameKey } from "../../names.ts";
import { foreignText } from "../../foreign_text.ts";
import { type Cluster, DRIVER } from "./cluster.ts";
import { counted, type FoundList } from "./found.ts";
import { at, nameOf, namesText, textAt } from "./kube_object.ts";

/** A PersistentVolume of the driver. */
export interface ClaimedVolume {
  pv: string;
  /** `Bound`, `Released`, `Available`, `Failed`, `Pending`. */
  phase: string;
  /** `namespace/name`; absent when it is nobody's. */
  claim?: string;
  storageClass: string;
  reclaimPolicy: string;
  handle: string;
  /** First 8 hex digits of the array's id; absent in handles of PSO. */
  arrayHint?: string;
  /** What it may be called on the array, likeliest first; none for a handle that names nothing. */
  names: string[];
  /**
   * What PSO called the volume that it made for a PersistentVolume of this name, by its attributes
   * or else by this cluster's prefix: of a handle without an array that says another name.
   */
  psoName?: string;
}

/**
 * Every PersistentVolume of the driver, with handles as the controller of the cluster with that
 * prefix takes them. Throws what KubeClient throws.
 */
export async function claimedVolumes(
  kube: KubeReader,
  cluster: string,
): Promise<ClaimedVolume[]> {
  const all = await kube.list({ path: "/api/v1/persistentvolumes" });
  return all.filter((pv) => textAt(pv, "spec", "csi", "driver") === DRIVER)
    .map((pv) => claimedVolumeOf(pv, cluster));
}

/** A PersistentVolume of the driver, as the API server gave it. */
export function claimedVolumeOf(pv: KubeObject, cluster: string): ClaimedVolume {
  const handle = textAt(pv, "spec", "csi", "volumeHandle");
  const { arrayHint, names } = handleOf(handle, cluster);
  const psoName = psoNameOf(pv, cluster);
  const isElsewhere = arrayHint === undefined &&
    !names.some((name) => nameKey(name) === nameKey(psoName));
  const claim = at(pv, "spec", "claimRef");
  const claimName = `${textAt(claim, "namespace")}/${textAt(claim, "name")}`;
  return {
    pv: nameOf(pv),
    phase: textAt(pv, "status", "phase"),
    storageClass: textAt(pv, "spec", "storageClassName"),
    reclaimPolicy: textAt(pv, "spec", "persistentVolumeReclaimPolicy"),
    handle,
    names,
    ...(isElsewhere ? { psoName } : {}),
    ...(claimName === "/" ? {} : { claim: claimName }),
    ...(arrayHint === undefined ? {} : { arrayHint }),
  };
}

/** What PSO called the volume of a PersistentVolume: 6.x wrote both parts of it down. */
export function psoNameOf(pv: KubeObject, cluster: string): string {
  const attributes = ["spec", "csi", "volumeAttributes"];
  const prefix = textAt(pv, ...attributes, "namespace") || cluster;
  return `${prefix}-${textAt(pv, ...attributes, "volumeName") || nameOf(pv)}`;
}

/**
 * A handle that is too long names nothing. `<prefix>/<pv>` of this cluster's own prefix is PSO's,
 * also when the prefix looks like the id of an array.
 */
function handleOf(handle: string, cluster: string): { arrayHint?: string; names: string[] } {
  try {
    const parsed = parseVolumeId(handle);
    const [, old] = parsed.names;
    const isOld = old !== undefined && parsed.arrayHint === cluster.toLowerCase();
    return isOld ? { names: [old] } : parsed;
  } catch {
    return { names: [] };
  }
}

/** All names that these volumes may have on an array, in lower case. */
export function claimedNames(volumes: readonly ClaimedVolume[]): Set<string> {
  return new Set(volumes.flatMap(({ names }) => names.map(nameKey)));
}

/** Tells what is still to be done for PersistentVolumes, and what is before an uninstall. */
export async function tellVolumes({ kube }: Cluster, found: FoundList): Promise<void> {
  // Names are no matter here.
  const volumes = await claimedVolumes(kube, "");
  const isOfPhase = (phase: string) => volumes.filter((one) => one.phase === phase);
  const released = isOfPhase("Released");
  found.ok(
    "volumes",
    `${counted(volumes.length, "PersistentVolume")}, ${isOfPhase("Bound").length} Bound, ` +
      `${released.length} Released`,
  );
  const deleting = [...released, ...isOfPhase("Failed")].filter(({ reclaimPolicy }) =>
    reclaimPolicy === "Delete"
  );
  if (deleting.length > 0) {
    found.warn(
      "uninstall",
      `${counted(deleting.length, "PersistentVolume")} still to be deleted by the driver: ${
        namesText(deleting.map(({ pv }) => pv))
      }`,
      "uninstall only when they are gone: without the driver they keep their finalizers for ever",
    );
  }
  const attachments = await kube.list({ path: "/apis/storage.k8s.io/v1/volumeattachments" });
  const own = attachments.filter((one) => textAt(one, "spec", "attacher") === DRIVER);
  for (const one of own.filter(troubleOf).slice(0, 5)) {
    const pv = textAt(one, "spec", "source", "persistentVolumeName");
    found.warn(
      "attachments",
      `${pv} on ${textAt(one, "spec", "nodeName")}: ${troubleOf(one)}`,
      "look the message up in docs/troubleshooting.md",
    );
  }
}

/** The last words of the driver about an attachment; empty when it went well. */
function troubleOf(attachment: KubeObject): string {
  const said = textAt(attachment, "status", "attachError", "message") ||
    textAt(attachment, "status", "detachError", "message");
  return foreignText(said);
}

/** What csi-provisioner calls a volume, after the prefix of its cluster. */
const PROVISIONED = /^(.+)-pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Tells when the volumes of a cluster bear other prefixes than the one of its configuration, and
 * none bears that: somebody has changed it, which must never be.
 */
export function tellClusterId(
  found: FoundList,
  { cluster, claimed }: { cluster: string; claimed: readonly ClaimedVolume[] },
): void {
  const prefixes = new Set(
    claimed.flatMap(({ names }) => PROVISIONED.exec(names[0] ?? "")?.[1]?.toLowerCase() ?? []),
  );
  if (prefixes.size === 0 || prefixes.has(cluster.toLowerCase())) return;
  found.warn(
    "clusterID",
    `it is ${cluster}, and the volumes of this cluster are named ${
      namesText([...prefixes].map((prefix) => `${prefix}-…`))
    }`,
    "set it back to what it was before: what belongs to whom is known by it",
  );
}
