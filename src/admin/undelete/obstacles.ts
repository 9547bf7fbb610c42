// What stands in the way of a recovery. All of it is told at once, by name.
import { arrayHintOf } from "../../arrays/fleet.ts";
import { isPsoError, messageOf } from "../../errors.ts";
import type { KubeReader } from "../../kube/client.ts";
import { kubePath } from "../../kube/names.ts";
import { nameKey } from "../../names.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { ifThere } from "../check/cluster.ts";
import { textAt } from "../check/kube_object.ts";
import { type ClaimedVolume, claimedVolumes } from "../check/volume_look.ts";
import type { Wanted } from "./manifest.ts";
import { isOfCluster, type Waiting } from "./waiting.ts";

/** What a recovery is compared with. */
interface RecoveryScope {
  looks: readonly ArrayLook[];
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster: string;
  /** Absent: no cluster was asked. */
  kube?: KubeReader;
  wanted: Wanted;
}

/** What was found out before a recovery. */
export interface Outlook {
  /** Each keeps the volume from being recovered. */
  obstacles: string[];
  /** The PersistentVolume that means the volume already. */
  pv?: string;
}

/** Looks at the arrays and the cluster. Never throws: what cannot be read is an obstacle. */
export async function outlookOf(one: Waiting, scope: RecoveryScope): Promise<Outlook> {
  const { volume, array, tags } = one;
  const shown = `volume ${volume.name} (id ${volume.id}) on array ${array.label}`;
  const obstacles: string[] = [];
  if (!isOfCluster(one, scope.cluster)) {
    const tag = tags.get("cluster");
    obstacles.push(
      tag === undefined
        ? `${shown} was not made by this cluster (${scope.cluster}): recover it on the array, and ` +
          "write its PersistentVolume by hand"
        : `${shown} has the tag of another cluster: cluster=${tag}, and this one is ` +
          `${scope.cluster}; recover it from there`,
    );
  }
  obstacles.push(...await namesakes(one, scope.looks));
  const { kube } = scope;
  if (kube === undefined) return { obstacles };
  try {
    const { pv, problems } = await inCluster(one, { ...scope, kube });
    return { obstacles: [...obstacles, ...problems], pv };
  } catch (error) {
    const why =
      `${messageOf(error)}: without that it is not known whether its PersistentVolume or ` +
      "claim is there";
    return { obstacles: [...obstacles, why] };
  }
}

/** Live volumes of that name, on any array: a bare name in a handle could mean either. */
async function namesakes(
  { volume: { name, id }, array: own }: Waiting,
  looks: readonly ArrayLook[],
): Promise<string[]> {
  const told = await Promise.all(looks.map(async ({ array, found }): Promise<string[]> => {
    if (array === undefined) {
      return [
        `${found.object} did not answer, and may have a live volume ${name}: see pso-bin ` +
        "admin arrays",
      ];
    }
    try {
      const live = await array.findVolume(name);
      if (live === undefined) return [];
      const serial = live.serial === undefined ? "" : ` (serial ${live.serial})`;
      return [
        `array ${array.label} has a live volume ${live.name}${serial}, and the destroyed one with ` +
        `the id ${id} on array ${own.label} has its name: rename the live one if you need both`,
      ];
    } catch (error) {
      return [messageOf(error)];
    }
  }));
  return told.flat();
}

/** Kubernetes goes on deleting such a volume, and what is recovered now would be destroyed again. */
function refuseDoomed({ pv, phase, reclaimPolicy }: ClaimedVolume): string[] {
  if (reclaimPolicy !== "Delete" || !["Released", "Failed"].includes(phase)) return [];
  return [
    `PersistentVolume ${pv}, which means it, is ${phase} with reclaimPolicy Delete, so that the ` +
    "driver would destroy it again: set that to Retain first",
  ];
}

/** What the cluster has of the names that the manifest would use. */
async function inCluster(
  { volume, handle, array }: Waiting,
  { kube, wanted, looks, cluster }: RecoveryScope & { kube: KubeReader },
): Promise<{ pv?: string; problems: string[] }> {
  const id = looks.find((look) => look.array === array)?.status?.id ?? "";
  const all = await claimedVolumes(kube, cluster);
  const meant = all.filter(({ names, arrayHint }) =>
    names.some((name) => nameKey(name) === nameKey(volume.name)) &&
    (arrayHint === undefined || arrayHint === arrayHintOf(id))
  );
  const [first] = meant;
  if (first) return { pv: first.pv, problems: meant.flatMap(refuseDoomed) };
  const problems: string[] = [];
  const pv = await ifThere(kube, kubePath`/api/v1/persistentvolumes/${wanted.pv}`);
  if (pv !== undefined) {
    const other = textAt(pv, "spec", "csi", "volumeHandle") || "no handle";
    problems.push(
      `PersistentVolume ${wanted.pv} is there and means another volume: ${other}, not ${handle}; ` +
        "give the recovered one another name by --pv",
    );
  }
  const { claim } = wanted;
  if (claim === undefined) return { problems };
  const path = kubePath`/api/v1/namespaces/${claim.namespace}/persistentvolumeclaims/${claim.name}`;
  const object = await ifThere(kube, path).catch((error) => {
    if (isPsoError(error, "not_found")) return undefined;
    throw error;
  });
  if (object !== undefined) {
    const bound = textAt(object, "spec", "volumeName") || "no PersistentVolume yet";
    problems.push(
      `claim ${claim.namespace}/${claim.name} is there and has ${bound}: give the recovered volume ` +
        "another claim by --claim NAMESPACE/NAME",
    );
  }
  return { problems };
}
