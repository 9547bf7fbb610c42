// Whether the driver will find what PersistentVolumes mean: each is looked for by its handle, as
// the controller does it, and nothing is changed.
import { Fleet } from "../../arrays/fleet.ts";
import { openArray } from "../../arrays/open.ts";
import type { VolumeKind } from "../../arrays/array.ts";
import { Slots } from "../../async/slots.ts";
import type { Config } from "../../config/model.ts";
import { VolumeLocator } from "../../controller/volume_locator.ts";
import { isPsoError, messageOf } from "../../errors.ts";
import { findFsType, FS_TYPES } from "../../file_systems.ts";
import type { KubeObject } from "../../kube/client.ts";
import { silentLogger } from "../../log.ts";
import { nameOf, textAt } from "../check/kube_object.ts";
import { psoNameOf } from "../check/volume_look.ts";
import type { Problem } from "./problem.ts";

/** Volumes that are looked for at once; each array has a limit of its own beside this. */
const AT_ONCE = 16;
/** Longest search for one volume. */
const SEARCH_MS = 60_000;

/** `volumeProblems` over the arrays of a configuration, which are opened for it and closed again. */
export async function lookAtVolumes(
  { arrays, clusterId }: Config,
  volumes: readonly KubeObject[],
): Promise<Problem[]> {
  const open = arrays.map((config) => openArray(config, { log: silentLogger }));
  const entries = open.map(({ array }) => ({ array }));
  try {
    const fleet = new Fleet(entries, { log: silentLogger, cluster: clusterId });
    return await volumeProblems(fleet, { volumes, cluster: clusterId });
  } finally {
    await Promise.all(open.map((one) => one.close()));
  }
}

/** What is looked for. */
interface TakenVolumes {
  /** PersistentVolumes of the driver. */
  volumes: readonly KubeObject[];
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster: string;
}

/**
 * What is wrong with the arrays and with these PersistentVolumes: an array that does not answer, a
 * handle that means no volume or several, a file system that no node will mount. While an array is
 * silent, only volumes are told of which the others say enough.
 */
export async function volumeProblems(
  fleet: Fleet,
  { volumes, cluster }: TakenVolumes,
): Promise<Problem[]> {
  await fleet.refresh();
  const silent = fleet.members.filter(({ problem }) => problem !== undefined);
  const ofArrays = silent.map(({ array, problem }): Problem => ({
    object: `array ${array.label}`,
    what: `does not answer as it should: ${messageOf(problem)}`,
    fix: "see `pso-bin admin check -f values.yaml`, and give that file by -f",
  }));
  const locator = new VolumeLocator(fleet);
  const slots = new Slots(AT_ONCE);
  const ofVolumes = await Promise.all(
    volumes.map((volume) =>
      slots.run(() => problemsOf(volume, { locator, cluster, isWhole: silent.length === 0 }))
    ),
  );
  return [...ofArrays, ...ofVolumes.flat()];
}

interface VolumeSearch extends Pick<TakenVolumes, "cluster"> {
  locator: VolumeLocator;
  /** Every array answers. */
  isWhole: boolean;
}

async function problemsOf(volume: KubeObject, search: VolumeSearch): Promise<Problem[]> {
  const csi = ["spec", "csi"];
  const handle = textAt(volume, ...csi, "volumeHandle");
  const backend = textAt(volume, ...csi, "volumeAttributes", "backend");
  const kind = backend === "block" || backend === "file" ? backend : undefined;
  const object = `PersistentVolume ${nameOf(volume)}`;
  const psoName = psoNameOf(volume, search.cluster);
  const found = await searchFor(handle, { ...search, kind, psoName });
  const fsType = textAt(volume, ...csi, "fsType");
  const isMounted = textAt(volume, "spec", "volumeMode") !== "Block" && kind !== "file";
  if (!isMounted || fsType === "" || findFsType(fsType) !== undefined || found?.isFile) {
    return found?.problem ? [{ object, ...found.problem }] : [];
  }
  const foreign: Problem = {
    object,
    what: `has the file system ${fsType}, and this driver mounts ${FS_TYPES.join(" and ")} only`,
    fix: "copy its data to a new volume while PSO still serves it",
  };
  return [foreign, ...(found?.problem ? [{ object, ...found.problem }] : [])];
}

interface Looked {
  problem?: Omit<Problem, "object">;
  isFile?: boolean;
}

async function searchFor(
  handle: string,
  { locator, kind, isWhole, psoName }: VolumeSearch & { kind?: VolumeKind; psoName: string },
): Promise<Looked | undefined> {
  try {
    const signal = AbortSignal.timeout(SEARCH_MS);
    const options = { kind, complete: true };
    const found = await locator.find(handle, signal, options);
    if (found) return { isFile: found.member.array.kind === "file" };
    const made = psoName === handle ? undefined : await locator.find(psoName, signal, options);
    if (made) {
      return {
        isFile: made.member.array.kind === "file",
        problem: {
          what: `has the handle ${JSON.stringify(handle)}, which means no volume, as an id of ` +
            `PSO 6's database does; array ${made.member.array.label} has ${made.volume.name}, as ` +
            "PSO called the volume of this PersistentVolume",
          fix: "make the PersistentVolume anew with that name as its handle " +
            "(docs/handles.md#when-two-arrays-have-one-name), and delete neither the claim nor " +
            "the volume before",
        },
      };
    }
    return {
      problem: {
        what: `has the handle ${JSON.stringify(handle)}, and no array has a volume that it means`,
        fix: "add its array to the values file, or see docs/handles.md; delete the " +
          "PersistentVolume if nobody needs it any more",
      },
    };
  } catch (error) {
    // The silent array itself is told once, and not again for each volume that it may have.
    if (!isWhole && isPsoError(error, "unavailable", "timeout")) return undefined;
    return {
      problem: {
        what: `cannot be found by its handle ${JSON.stringify(handle)}: ${messageOf(error)}`,
        fix: "see docs/handles.md",
      },
    };
  }
}
