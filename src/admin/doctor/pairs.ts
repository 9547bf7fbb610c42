// Which PersistentVolume means which volume.
import type { Volume } from "../../arrays/array.ts";
import { nameKey } from "../../names.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { isMeant } from "../check/volume_table.ts";
import type { ArrayView } from "./array_view.ts";
import type { DoctorPv, SteadyCluster } from "./cluster_view.ts";
import { type Evidence, type Known, timeText, type Unknown } from "./diagnosis.ts";

/** Both sides, as they were read. */
export interface DoctorScope {
  cluster: SteadyCluster;
  arrays: readonly ArrayView[];
  looks: readonly ArrayLook[];
  /** Arrays whose volumes are not known. */
  silent: ReadonlySet<ArrayLook>;
  /** The prefix of this cluster's volumes, without its `-`. */
  prefix: string;
  /** Milliseconds since 1970. */
  now: number;
}

/** A PersistentVolume and the one volume that it means. */
export interface Pair {
  pv: DoctorPv;
  view: ArrayView;
  volume: Volume;
}

/** The volumes that a handle of a PersistentVolume names. */
export function volumesOf(
  pv: DoctorPv,
  arrays: readonly ArrayView[],
): Omit<Pair, "pv">[] {
  return arrays.flatMap((view) =>
    view.volumes.filter((volume) => isMeant(pv, { look: view.look, volume }))
      .map((volume) => ({ view, volume }))
  );
}

/** The pairs that are certain; a handle that two arrays fit makes none. */
export function pairsOf({ cluster, arrays }: DoctorScope): Pair[] {
  return (cluster.pvs.value ?? []).flatMap((pv) => {
    const found = volumesOf(pv, arrays);
    const [one] = found;
    return one && found.length === 1 && !pv.isDeleting ? [{ pv, ...one }] : [];
  });
}

/** All names of volumes that PersistentVolumes may mean, on whatever array, in lower case. */
export function meantNames(pvs: readonly DoctorPv[]): Set<string> {
  return new Set(pvs.flatMap(({ names }) => names.map(nameKey)));
}

/** What proves a finding about a volume. */
export function volumeEvidence({ view, volume }: Omit<Pair, "pv">): Evidence {
  return {
    array: view.label,
    volume: volume.name,
    serial: volume.serial,
    created: timeText(volume.createdMs),
    sizeBytes: volume.sizeBytes,
    hosts: volume.hosts?.length ? volume.hosts : undefined,
    tag: view.tags.value?.get(nameKey(volume.name)),
  };
}

/** What proves a finding about a PersistentVolume. */
export function pvEvidence(pv: DoctorPv): Evidence {
  return {
    pv: pv.pv,
    pvUid: pv.uid || undefined,
    pvSizeBytes: pv.sizeBytes,
    handle: pv.handle,
    claim: pv.claim,
    accessModes: pv.accessModes,
  };
}

/** What cannot be judged because it could not be read: one for each of these that says why. */
export function unread(
  check: Unknown["check"],
  needs: readonly (readonly [object: string, known: Known<unknown>])[],
): Unknown[] {
  return needs.flatMap(([object, { why }]) => why === undefined ? [] : [{ check, object, why }]);
}
