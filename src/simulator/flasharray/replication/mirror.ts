import type { Change } from "../../store.ts";
import type { PodRecord } from "../containers/containers.ts";
import {
  connectionKey,
  type FlashArrayState,
  type SnapshotRecord,
  type VolumeRecord,
} from "../state.ts";

/** Arrays that are being written to by another one: what they are given goes no further. */
const receiving = new Set<FlashArrayState>();

/** The stretched pod that a change is about; undefined for any other change. */
function podOf(
  state: FlashArrayState,
  { table, key, value, old }: Change,
  all: readonly Change[],
): PodRecord | undefined {
  const record = value ?? old;
  if (record === undefined) return undefined;
  const { containers } = state;
  const named = (name: string) => containers.podOf(name);
  let pod: PodRecord | undefined;
  if (table === "pods") pod = containers.pods.get(key);
  else if (table === "volumes") pod = named((record as VolumeRecord).name);
  else if (table === "volume-groups") pod = named((record as VolumeRecord).name);
  else if (table === "snapshots") {
    const { volumeId } = record as SnapshotRecord;
    const gone = all.find((change) => change.table === "volumes" && change.key === volumeId)?.old;
    const volume = state.volumes.get(volumeId) ?? gone as VolumeRecord | undefined;
    pod = volume && named(volume.name);
  }
  return pod?.members === undefined ? undefined : pod;
}

/** Writes what changed in stretched pods to the arrays that `partnersOf` gives. */
export function mirror(
  state: FlashArrayState,
  changes: readonly Change[],
  partnersOf: (pod: PodRecord) => FlashArrayState[],
): void {
  if (receiving.has(state)) return;
  const wanted = new Map<FlashArrayState, Change[]>();
  for (const change of changes) {
    const pod = podOf(state, change, changes);
    for (const partner of pod === undefined ? [] : partnersOf(pod)) {
      wanted.set(partner, [...wanted.get(partner) ?? [], change]);
    }
  }
  for (const [partner, mine] of wanted) receive(state, partner, mine);
}

/**
 * Carries out changes of one array on another one. Both have the same bytes: the image of a volume
 * is one file with a name in either's folder.
 */
function receive(from: FlashArrayState, to: FlashArrayState, changes: readonly Change[]): void {
  const images = to.context.plane?.images;
  const source = from.context.plane?.images;
  const hasImage = ({ table }: Change) => table === "volumes" || table === "snapshots";
  for (const { key } of changes.filter((one) => hasImage(one) && one.value !== null)) {
    if (source !== undefined) images?.shareImage(key, source);
  }
  const gone = changes.filter(({ table, value }) => table === "volumes" && value === null);
  for (const { key } of gone) disconnectAll(to, key);
  receiving.add(to);
  try {
    to.context.store.change(() => {
      for (const { table, key, value } of changes) to.context.store.record([table, key, value]);
    });
  } finally {
    receiving.delete(to);
  }
  for (const { key } of changes.filter((one) => hasImage(one) && one.value === null)) {
    images?.removeImage(key);
  }
  for (const { table, key, value, old } of changes) {
    const [after, before] = [value, old] as [VolumeRecord | null, VolumeRecord | undefined];
    if (table !== "volumes" || !after || after.provisioned === before?.provisioned) continue;
    const { serial, provisioned: sizeBytes } = after;
    to.context.plane?.block.resized({ id: key, serial, sizeBytes });
  }
}

/** Ends every connection of a volume that goes. */
function disconnectAll(state: FlashArrayState, volumeId: string): void {
  const ended = [...state.connections.values()].filter((one) => one.volumeId === volumeId);
  if (ended.length === 0) return;
  const rows = ended.flatMap((connection) => state.rowsOf(connection));
  state.context.store.change(() => {
    for (const connection of ended) state.connections.delete(connectionKey(connection));
  });
  const hosts = rows.flatMap(({ host }) => state.hostNamed(host) ?? []);
  state.context.plane?.block.show(hosts.map((host) => state.planeHost(host)));
}

/** What is in a pod, as changes that make it so on an array that has none of it. */
function contentsOf(state: FlashArrayState, pod: PodRecord): Change[] {
  const volumes = state.containers.volumesIn(pod);
  const made = (table: string, records: readonly { id: string }[]) =>
    records.map((value): Change => ({ table, key: value.id, value, old: undefined }));
  return [
    ...made("volume-groups", state.containers.groupsIn(pod)),
    ...made("volumes", volumes),
    ...made("snapshots", volumes.flatMap(({ id }) => state.snapshotsOf(id))),
  ];
}

/** The changes that take away what is in the pod, but for what is `kept`. */
function removalOf(state: FlashArrayState, pod: PodRecord, kept: readonly Change[]): Change[] {
  const keys = new Set(kept.map(({ table, key }) => `${table}/${key}`));
  return contentsOf(state, pod).filter(({ table, key }) => !keys.has(`${table}/${key}`))
    .map(({ table, key, value }) => ({ table, key, value: null, old: value ?? undefined }));
}

/** Makes the pod on `to` what it is on `from`, with the members that the record says. */
export function copyPod(from: FlashArrayState, to: FlashArrayState, pod: PodRecord): void {
  const contents = contentsOf(from, pod);
  const stale = to.containers.pods.get(pod.id);
  const removed = stale === undefined ? [] : removalOf(to, stale, contents);
  const own: Change = { table: "pods", key: pod.id, value: pod, old: stale };
  receive(from, to, [...removed, own, ...contents]);
}

/** Takes the pod and all that is in it from an array; the others keep it. */
export function dropPod(state: FlashArrayState, pod: PodRecord): void {
  const own: Change = { table: "pods", key: pod.id, value: null, old: pod };
  receive(state, state, [...removalOf(state, pod, []), own]);
}
