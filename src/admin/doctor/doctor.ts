// What `admin doctor` finds: Kubernetes and the arrays are read, compared, and nothing is changed.
import type { Config } from "../../config/model.ts";
import type { KubeReader } from "../../kube/client.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { type SeenVolumes, seenVolumes } from "../check/volume_table.ts";
import { viewArrays } from "./array_view.ts";
import { readCluster, steadyCluster } from "./cluster_view.ts";
import { openVolumes } from "./connection_findings.ts";
import type { Diagnoses, Unknown } from "./diagnosis.ts";
import type { DoctorScope } from "./pairs.ts";
import {
  foreignVolumes,
  lostVolumes,
  strayedSnapshots,
  unclaimedVolumes,
  wrongSizes,
} from "./volume_findings.ts";

/** Both sides, and how the look is followed. */
interface DoctorSides {
  kube: KubeReader;
  config: Pick<Config, "clusterId">;
  /** Opens a look at each array of the configuration; the caller closes them. */
  look: () => Promise<ArrayLook[]>;
  now: () => number;
  progress: (text: string) => void;
}

/** How much was compared. */
export interface DoctorReport extends Diagnoses {
  volumes: number;
  persistentVolumes?: number;
  arrays: number;
}

/**
 * Reads the cluster, the arrays, and the cluster once more, and compares. What was made or taken
 * away meanwhile is no finding, and neither is what could not be read. Never throws.
 */
export async function diagnose(
  { kube, config: { clusterId }, look, now, progress }: DoctorSides,
): Promise<DoctorReport> {
  progress("asking the cluster");
  const before = await readCluster(kube, clusterId);
  const looks = await look();
  progress("asking the arrays for volumes, hosts and snapshots");
  const claimed = before.pvs.value;
  const { seen, silent, isCut } = await seenVolumes(looks, { cluster: clusterId, claimed });
  const arrays = await viewArrays(looks, { seen, silent, cluster: clusterId });
  progress("asking the cluster once more");
  const cluster = steadyCluster(before, await readCluster(kube, clusterId));
  const scope: DoctorScope = { cluster, arrays, looks, silent, prefix: clusterId, now: now() };
  const parts = [
    await lostVolumes(scope),
    openVolumes(scope),
    foreignVolumes(scope),
    wrongSizes(scope),
    unclaimedVolumes(scope),
    strayedSnapshots(scope),
  ];
  progress("");
  return {
    findings: parts.flatMap(({ findings }) => findings).toSorted((one, other) =>
      Number(other.level === "fail") - Number(one.level === "fail")
    ),
    unknown: [
      ...unlooked({ looks, silent, isCut }),
      ...parts.flatMap(({ unknown }) => unknown),
    ],
    volumes: seen.length,
    persistentVolumes: cluster.pvs.value?.length,
    arrays: arrays.length,
  };
}

/** Arrays whose volumes are not known, or not all. */
function unlooked(
  { looks, silent, isCut }: Omit<SeenVolumes, "seen"> & { looks: readonly ArrayLook[] },
): Unknown[] {
  const check = "everything";
  const told = looks.filter((look) => silent.has(look)).map(({ found }): Unknown => {
    const fault = found.all.findLast(({ level }) => level === "fail");
    return { check, object: found.object, why: fault?.what ?? "it did not answer" };
  });
  return isCut
    ? [...told, { check, object: "arrays", why: "one has more volumes than are read" }]
    : told;
}
