// The one repair that is safe whatever else goes on: a destroyed volume that a bound PersistentVolume
// means is recovered. Nothing is written over, no host gets or loses a volume, and the array can
// destroy it again. Every other finding needs a person:
//  - A connection or a rule may serve a machine that still writes. No VolumeAttachment proves only
//    that Kubernetes does not know of it, and a publish may begin between the look and the change.
//  - A host of no node, an initiator of no node: it may be a machine outside of the cluster.
//  - A volume or snapshot without an object: it may be a Retain volume, or another cluster's.
//  - A size: a volume is never made smaller, and a PersistentVolume is the resizer's.
import { messageOf } from "../../errors.ts";
import type { KubeReader } from "../../kube/client.ts";
import { kubePath } from "../../kube/names.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { ifThere } from "../check/cluster.ts";
import { textAt } from "../check/kube_object.ts";
import { wantedFor } from "../undelete/manifest.ts";
import { outlookOf } from "../undelete/obstacles.ts";
import { type Waiting, waitingVolumes } from "../undelete/waiting.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** What became of one finding that can be repaired. */
export interface Repair {
  /** The finding's object. */
  object: string;
  /** What it is to change, in words. */
  what: string;
  isDone: boolean;
  /** Why it was not done; absent when it was. */
  why?: string;
}

/** What repairs work on. */
interface RepairScope {
  kube: KubeReader;
  looks: readonly ArrayLook[];
  /** The prefix of this cluster's volumes, without its `-`. */
  cluster: string;
  /** Asks for one repair; false leaves it. */
  confirm: (what: string) => Promise<boolean>;
}

/** What is to be recovered, as the finding proved it. */
interface Recovery {
  object: string;
  what: string;
  volume: string;
  array: string;
  uid: string | undefined;
  handle: string | undefined;
}

/** Every repair that is offered for these findings. */
function recoveriesFor(findings: readonly Diagnosis[]): Recovery[] {
  return findings.flatMap(({ check, object, evidence }) => {
    const { volume, array, pvUid: uid, handle } = evidence;
    if (check !== "PV without volume" || volume === undefined || array === undefined) return [];
    const what = `recover volume ${volume} on array ${array} for PersistentVolume ${object}`;
    return [{ object, what, volume, array, uid, handle }];
  });
}

/**
 * Asks for each repair and carries it out. All that it rests on is read again after the answer, and
 * the volume is changed by its id. Never throws: what failed says why.
 */
export async function repairAll(
  findings: readonly Diagnosis[],
  scope: RepairScope,
): Promise<Repair[]> {
  const repairs: Repair[] = [];
  for (const recovery of recoveriesFor(findings)) {
    const { object, what } = recovery;
    try {
      const why = await scope.confirm(what) ? await recover(recovery, scope) : "it was not wanted";
      repairs.push({
        object,
        what,
        isDone: why === undefined,
        ...(why === undefined ? {} : { why }),
      });
    } catch (error) {
      repairs.push({ object, what, isDone: false, why: messageOf(error) });
    }
  }
  return repairs;
}

/** Why it was not recovered; undefined when it was. */
async function recover(
  recovery: Recovery,
  { kube, looks, cluster }: RepairScope,
): Promise<string | undefined> {
  const question = { cluster, name: recovery.volume };
  const { waiting } = await waitingVolumes(looks, question);
  const fits = waiting.filter(({ array }) => array.label === recovery.array);
  const [one] = fits;
  if (!one || fits.length > 1) {
    return `array ${recovery.array} has ${fits.length} destroyed volumes ${recovery.volume} by now`;
  }
  const { obstacles, pv } = await outlookOf(one, {
    looks,
    cluster,
    kube,
    wanted: wantedFor(one, {}),
  });
  if (obstacles.length > 0) return obstacles.join("; ");
  if (pv !== recovery.object) {
    return `PersistentVolume ${recovery.object} does not mean it any more`;
  }
  return await withBoundPv(recovery, { kube, one });
}

/** The last look is the one at the PersistentVolume: a delete that is wanted begins there. */
async function withBoundPv(
  { object, uid, handle }: Recovery,
  { kube, one }: { kube: KubeReader; one: Waiting },
): Promise<string | undefined> {
  const pv = await ifThere(kube, kubePath`/api/v1/persistentvolumes/${object}`);
  const isSame = pv !== undefined && textAt(pv, "metadata", "uid") === (uid ?? "") &&
    textAt(pv, "spec", "csi", "volumeHandle") === handle;
  if (!isSame) return `PersistentVolume ${object} is another one by now`;
  const phase = textAt(pv, "status", "phase");
  if (phase !== "Bound" || textAt(pv, "metadata", "deletionTimestamp") !== "") {
    return `PersistentVolume ${object} is ${
      phase || "of no phase"
    } or being deleted, and only the ` +
      "volume of a bound one is recovered: its delete may be wanted";
  }
  await one.array.recoverVolume(one.volume);
  return undefined;
}
