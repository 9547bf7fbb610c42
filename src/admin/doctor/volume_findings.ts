// Volumes, PersistentVolumes and snapshots that only one side knows, or that both know differently.
import { messageOf } from "../../errors.ts";
import { nameKey } from "../../names.ts";
import { formatSize, KiB } from "../../size.ts";
import { namesText } from "../check/kube_object.ts";
import { absentState } from "../check/volume_table.ts";
import type { ArrayView } from "./array_view.ts";
import type { DoctorPv } from "./cluster_view.ts";
import { type Diagnoses, type Diagnosis, timeText, type Unknown, YOUNG_MS } from "./diagnosis.ts";
import {
  type DoctorScope,
  meantNames,
  type Pair,
  pairsOf,
  pvEvidence,
  unread,
  volumeEvidence,
  volumesOf,
} from "./pairs.ts";

/** Volumes of our prefix with the tag of another cluster. */
export function foreignVolumes({ arrays, prefix }: DoctorScope): Diagnoses {
  const check = "another cluster";
  const findings = arrays.flatMap((view) =>
    view.volumes.flatMap((volume): Diagnosis[] => {
      const tag = view.tags.value?.get(nameKey(volume.name));
      if (tag === undefined || tag === prefix) return [];
      return [{
        level: "fail",
        check,
        object: volume.name,
        what: `volume ${volume.name} on array ${view.label} bears the prefix of this cluster ` +
          `(${prefix}) and has the tag cluster=${tag}: the cluster ${tag} made it`,
        evidence: volumeEvidence({ view, volume }),
        plan:
          "find out which cluster uses it; two clusters must not share a clusterID, and nothing of " +
          "it may be deleted from here",
      }];
    })
  );
  return {
    findings,
    unknown: arrays.flatMap(({ label, tags }) => unread(check, [[`array ${label}`, tags]])),
  };
}

/** Volumes of ours that no PersistentVolume means, and that no claim waits for. */
export function unclaimedVolumes({ cluster, arrays, prefix, now }: DoctorScope): Diagnoses {
  const check = "volume without PV";
  const { anyPvs, claims, contents } = cluster;
  const unknown = unread(check, [
    ["every volume", anyPvs],
    ["every volume", claims],
    ...arrays.map(({ label, tags }) => [`array ${label}`, tags] as const),
  ]);
  if (!anyPvs.value || !claims.value) return { findings: [], unknown };
  const meant = meantNames(anyPvs.value);
  // What PSO made for a PersistentVolume whose handle names nothing is told with that one.
  const psoNames = new Set(
    (cluster.pvs.value ?? []).flatMap((pv) => psoVolumeOf(pv, arrays) ?? [])
      .map(({ volume }) => nameKey(volume.name)),
  );
  const uids = new Set(claims.value.keys());
  const isWaitedFor = (name: string) => uids.has(/-pvc-([0-9a-f-]{36})$/i.exec(name)?.[1] ?? "");
  const findings = arrays.filter(({ tags }) => tags.value).flatMap((view) =>
    view.volumes.filter(({ name, createdMs }) => {
      const tag = view.tags.value?.get(nameKey(name));
      return !meant.has(nameKey(name)) && !psoNames.has(nameKey(name)) && !isWaitedFor(name) &&
        now - createdMs > YOUNG_MS && (tag === undefined || tag === prefix);
    }).map((volume): Diagnosis => {
      const { hosts = [] } = volume;
      const connected = hosts.length > 0 ? `, and is connected to ${hosts.join(", ")}` : "";
      return {
        level: "warn",
        check,
        object: volume.name,
        what: `no PersistentVolume means volume ${volume.name} on array ${view.label}${connected}`,
        evidence: volumeEvidence({ view, volume }),
        plan: hosts.length > 0
          ? "find out who uses it on those hosts before anything else; a PersistentVolume of its " +
            "handle brings it back"
          : endOf({ view, volume }, { contents, prefix }),
      };
    })
  );
  return { findings, unknown };
}

/** What to do with a volume that nobody uses. Whoever destroys it destroys its snapshots, too. */
function endOf(
  { view: { snapshots, tags }, volume: { name } }: Omit<Pair, "pv">,
  { contents, prefix }: Pick<DoctorScope, "prefix"> & Pick<DoctorScope["cluster"], "contents">,
): string {
  const all = snapshots.value?.items ?? [];
  const own = all.filter(({ volume }) => nameKey(volume) === nameKey(name));
  const needed = own.filter((snapshot) => contents.value?.has(snapshot.name));
  if (needed.length > 0) {
    return `VolumeSnapshotContents mean its snapshots (${
      namesText(needed.map((snapshot) => snapshot.name))
    }), which would go with it: delete their VolumeSnapshots first, or write a PersistentVolume ` +
      "of its handle";
  }
  const isKnown = snapshots.value?.isCut === false && (own.length === 0 || contents.value);
  return (tags.value?.has(nameKey(name)) ? "" : ownerUnknown(prefix)) +
    (isKnown ? "" : "find out first who needs its snapshots, which would go with it; ") +
    "if its data is needed, write a PersistentVolume of its handle; else destroy it on the " +
    `array (purevol destroy ${name}), which can recover it for a while`;
}

/** Begins the plan for what has our prefix and no tag: two clusters may have one `clusterID`. */
function ownerUnknown(prefix: string): string {
  return `make sure that no other cluster has the clusterID ${prefix}, because no tag tells which ` +
    "one made it; ";
}

/** PersistentVolumes whose volume is on no array, although all that may have it have answered. */
export async function lostVolumes(scope: DoctorScope): Promise<Diagnoses> {
  const check = "PV without volume";
  const { cluster, arrays, looks, silent } = scope;
  const unknown = unread(check, [["every PersistentVolume", cluster.pvs]]);
  const findings: Diagnosis[] = [];
  for (const pv of cluster.pvs.value ?? []) {
    const found = volumesOf(pv, arrays);
    if (pv.isDeleting || found.length === 1) continue;
    const why = found.length > 1
      ? `its handle fits ${found.map(({ view }) => view.label).join(" and ")}`
      : doubtOf(pv, { scope, state: absentState(pv, { looks, silent }) });
    if (why !== undefined) unknown.push({ check, object: pv.pv, why });
    else {
      const traced = await traceOf(pv, arrays);
      if ("why" in traced) unknown.push({ check, object: pv.pv, why: traced.why });
      else findings.push(lostVolume(pv, { traced, arrays }));
    }
  }
  return { findings, unknown };
}

/** Why it is not certain that the volume is lost. */
function doubtOf(
  pv: DoctorPv,
  { scope, state }: { scope: DoctorScope; state: ReturnType<typeof absentState> },
): string | undefined {
  // The volume goes before the PersistentVolume does.
  if (pv.phase !== "Bound" && pv.reclaimPolicy === "Delete") {
    return `it is ${pv.phase}, and its volume is to be deleted with it: look again`;
  }
  const names = new Set(pv.names.map(nameKey));
  const namesake = scope.arrays.find(({ volumes }) =>
    volumes.some(({ name }) => names.has(nameKey(name)))
  );
  if (namesake) {
    return `array ${namesake.label} has a volume of that name, and its handle names another array`;
  }
  if (pv.names.length === 0) return `its handle ${pv.handle} names no volume`;
  if (state === "missing") return undefined;
  return state === "no array"
    ? `its handle names an array that the configuration does not list: ${pv.arrayHint}`
    : "an array that may have it did not answer";
}

/** Where the volume is among the destroyed ones, if it is. */
interface Traced {
  label?: string;
  serial?: string;
  name?: string;
}

async function traceOf(
  pv: DoctorPv,
  arrays: readonly ArrayView[],
): Promise<Traced | { why: string }> {
  const asked = arrays.filter(({ hint }) => pv.arrayHint === undefined || hint === pv.arrayHint);
  for (const { array, label } of asked) {
    for (const name of pv.names) {
      try {
        const trace = await array.traceVolume(name);
        if (trace?.isLive) return { why: `array ${label} has it by now: look again` };
        if (trace) return { label, name, serial: trace.serial };
      } catch (error) {
        return { why: messageOf(error) };
      }
    }
  }
  return {};
}

/**
 * The volume that PSO made for a PersistentVolume whose handle means none: PSO 6 may have written
 * an id of its database there. Undefined where several arrays have the name.
 */
function psoVolumeOf(
  pv: DoctorPv,
  arrays: readonly ArrayView[],
): Omit<Pair, "pv"> | undefined {
  const { psoName } = pv;
  if (psoName === undefined || volumesOf(pv, arrays).length > 0) return undefined;
  const found = volumesOf({ ...pv, names: [psoName] }, arrays);
  return found.length === 1 ? found[0] : undefined;
}

/** What is known of a volume that a handle does not lead to. */
interface LostScope {
  traced: Traced;
  arrays: readonly ArrayView[];
}

function lostVolume(
  pv: DoctorPv,
  { traced: { label, serial, name }, arrays }: LostScope,
): Diagnosis {
  const claim = pv.claim === undefined ? "" : `, of the claim ${pv.claim},`;
  const home = label === undefined ? psoVolumeOf(pv, arrays) : undefined;
  if (home) {
    return {
      level: "fail",
      check: "PV without volume",
      object: pv.pv,
      what:
        `no array has the volume ${pv.names[0]} that PersistentVolume ${pv.pv}${claim} means, ` +
        `and array ${home.view.label} has ${home.volume.name}, as PSO called the volume of this ` +
        "PersistentVolume",
      evidence: pvEvidence(pv),
      plan:
        `PSO 6 may have written an id of its database for a handle. If ${home.volume.name} is ` +
        "the right one, make the PersistentVolume anew with that name as its handle " +
        "(docs/handles.md#when-two-arrays-have-one-name); before that, delete neither the claim " +
        "nor the volume",
    };
  }
  return {
    level: "fail",
    check: "PV without volume",
    object: pv.pv,
    what: label === undefined
      ? `no array has the volume ${pv.names[0]} that PersistentVolume ${pv.pv}${claim} means`
      : `volume ${name} that PersistentVolume ${pv.pv}${claim} means was destroyed on array ${label}`,
    evidence: { ...pvEvidence(pv), array: label, volume: name, serial },
    plan: label === undefined
      ? "look for it on the array under another name or in a pod; if its data is given up, delete " +
        "the claim and its PersistentVolume"
      : `recover it before its time is over: pso-bin admin undelete --volume ${name}`,
  };
}

/** Arrays round a size up to whole blocks, and PSO wrote down what was asked for. */
const ROUNDED_BYTES = 64 * KiB;

/** Volumes whose size is another one than their PersistentVolume says. */
export function wrongSizes(scope: DoctorScope): Diagnoses {
  const check = "size mismatch";
  const { claims } = scope.cluster;
  const unknown = unread(check, [["every volume", claims]]);
  if (!claims.value) return { findings: [], unknown };
  const known = claims.value;
  const findings = pairsOf(scope).flatMap((pair): Diagnosis[] => {
    const { pv, volume } = pair;
    const wanted = known.get(pv.claimUid)?.wantedBytes ?? 0;
    if (pv.sizeBytes === undefined) return [];
    const surplus = volume.sizeBytes - pv.sizeBytes;
    if (surplus >= 0 && surplus < ROUNDED_BYTES) return [];
    // The claim asks for more than its PersistentVolume has: it is being grown.
    if (volume.sizeBytes > pv.sizeBytes && wanted > pv.sizeBytes) return [];
    return [wrongSize(pair, pv.sizeBytes)];
  });
  return { findings, unknown };
}

function wrongSize({ pv, view, volume }: Pair, pvBytes: number): Diagnosis {
  const isSmaller = volume.sizeBytes < pvBytes;
  const size = formatSize(volume.sizeBytes);
  return {
    level: isSmaller ? "fail" : "warn",
    check: "size mismatch",
    object: volume.name,
    what:
      `volume ${volume.name} on array ${view.label} has ${size}, and PersistentVolume ${pv.pv} ` +
      `says ${formatSize(pvBytes)}`,
    evidence: { ...volumeEvidence({ view, volume }), ...pvEvidence(pv) },
    plan: isSmaller
      ? "find out who made it smaller: a file system on it may be cut; nothing of it must be grown " +
        "or checked before its data is safe"
      : `it does no harm; to use the room, ask for ${size} in the claim`,
  };
}

/** Snapshots of ours that no VolumeSnapshotContent means. */
export function strayedSnapshots({ cluster, arrays, prefix, now }: DoctorScope): Diagnoses {
  const check = "snapshot without content";
  const { contents } = cluster;
  const unknown: Unknown[] = arrays.flatMap(({ label, snapshots, tags }) => [
    ...unread(check, [[`array ${label}`, snapshots], [`array ${label}`, tags]]),
    ...(snapshots.value?.isCut
      ? [{ check, object: `array ${label}`, why: "it has more snapshots than are read" } as const]
      : []),
  ]);
  const findings = arrays.flatMap((view) => {
    const { snapshots, tags, label } = view;
    if (!snapshots.value || !tags.value) return [];
    const { items } = snapshots.value;
    if (contents.value === undefined) {
      if (items.length > 0) {
        unknown.push({ check, object: `array ${label}`, why: contents.why ?? "" });
      }
      return [];
    }
    const known = contents.value;
    return items.filter(({ name, volume, createdMs }) => {
      const tag = tags.value.get(nameKey(volume));
      return !known.has(name) && now - createdMs > YOUNG_MS &&
        (tag === undefined || tag === prefix);
    }).map(({ name, volume, createdMs, sizeBytes }): Diagnosis => ({
      level: "warn",
      check,
      object: name,
      what:
        `no VolumeSnapshotContent means snapshot ${name} on array ${label}: its volume cannot ` +
        "be deleted while it is there",
      evidence: {
        array: label,
        snapshot: name,
        volume,
        sizeBytes: sizeBytes > 0 ? sizeBytes : undefined,
        created: timeText(createdMs),
      },
      plan: (tags.value.has(nameKey(volume)) ? "" : ownerUnknown(prefix)) +
        "if it is needed, write a VolumeSnapshotContent of its handle; else destroy it on the array",
    }));
  });
  return { findings, unknown };
}
