import { arrayHintOf, type FleetMember } from "../../arrays/fleet.ts";
import type { Volume } from "../../arrays/array.ts";
import { PsoError } from "../../errors.ts";
import { isClusterVolumeName, isOwnVolumeName, nameKey } from "../../names.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
import { parseVolumeId } from "../volume_id.ts";

/** A PersistentVolume of the cluster, whoever made it. */
export interface KnownVolume {
  name: string;
  /** Absent for one of another driver. */
  handle?: string;
  /** `namespace/name` of its claim; absent without one. */
  claim?: string;
  /** Absent while no claim is bound to it. */
  claimUid?: string;
}

/** A claim of the cluster. */
export interface KnownClaim {
  namespace: string;
  name: string;
  uid: string;
  /** As Kubernetes writes times: the earlier one comes first as a text, too. */
  created: string;
  /** Those that are about importing. */
  annotations: Readonly<Record<string, string>>;
}

/** A volume that a pod describes itself. */
export interface KnownInline {
  /** Of the pod. */
  namespace: string;
  pod: string;
  /** Its name on the array is made of it. */
  uid: string;
  /** Absent until it was made. */
  handle?: string;
}

/** Everything that may have a volume, in Kubernetes. */
export interface Inventory {
  volumes: readonly KnownVolume[];
  claims: readonly KnownClaim[];
  inline: readonly KnownInline[];
}

/** The claim that wants the volume, and what its volume is called in CSI: `pvc-<uid>`. */
export interface Importer {
  namespace: string;
  name: string;
  csiName: string;
}

/** A volume that is to be taken in or copied, with all that tells whose it is. */
export interface Candidate {
  member: FleetMember;
  volume: Volume;
  tags: ReadonlyMap<string, string>;
  /** The tags of the last claim that it was given to; where an array has none, as remembered. */
  given: ReadonlyMap<string, string>;
  /** So long ago `given` may lack what a leader before gave. */
  givenForMs: number;
  importer: Importer;
  inventory: Inventory;
  options: Pick<ProvisionerOptions, "clusterId" | "deletePrefixes">;
  nowMs: number;
}

/** A volume that is taken in itself. */
export interface Original extends Candidate {
  /** The claims of the inventory that want this volume, too. */
  rivals: readonly KnownClaim[];
}

/**
 * So long may csi-provisioner need to write the PersistentVolume of a volume that it was given:
 * until then nothing in Kubernetes shows that somebody has it.
 */
const WRITING_MS = 600_000;

/**
 * `in_use` for a volume that is not to be had: of another cluster or namespace, with a
 * PersistentVolume, or of a claim that waits for it. `unavailable` while that cannot be told.
 */
export function refuseOthers(candidate: Candidate): void {
  refuseOtherCluster(candidate);
  refuseOtherNamespace(candidate);
  refusePodOfOthers(candidate);
  refusePersistentVolume(candidate);
  refuseOtherClaim(candidate);
}

/**
 * `in_use` for an original that a machine uses, that a pod describes itself, or that an older claim
 * wants, too. Of several
 * claims the oldest gets it, whichever is asked for first, so that a restart changes nothing.
 */
export function refuseUsed(original: Original): void {
  const { volume: { hosts = [], adminClients = [] }, importer, inventory, rivals } = original;
  const own = inventory.claims.find(isOf(importer));
  if (own === undefined) {
    throw new PsoError(
      "unavailable",
      `the claim ${
        shownClaim(importer)
      } is not in the list of claims that Kubernetes gave: it is ` +
        "tried again",
    );
  }
  refuseOtherIncarnation(importer, own);
  refusePodsOwn(original);
  // What a claim that has another volume by now says of this one means nothing any more.
  const older = rivals.filter((rival) =>
    rival.uid !== own.uid && isOlder(rival, own) && !isBound(rival, inventory)
  );
  if (older[0]) {
    throw refusal(
      original,
      `the claim ${shownClaim(older[0])} wants it, too, and is older: delete one of the two`,
    );
  }
  if (volumeOfImporter(original)) return;
  refuseOtherLeaders(original, own);
  const users = [...hosts, ...adminClients === "any" ? [] : adminClients];
  if (users.length === 0) return;
  throw refusal(
    original,
    `it is connected to ${
      users.slice(0, 5).join(", ")
    }: end that use and disconnect it there, or ` +
      "import a copy",
  );
}

/**
 * An array without tags does not tell that the leader before gave the volume to another claim, whose
 * PersistentVolume may still be written.
 */
function refuseOtherLeaders(original: Original, { uid }: KnownClaim): void {
  const { given, givenForMs, importer, inventory, rivals } = original;
  if (givenForMs >= WRITING_MS || given.get("pv") === importer.csiName) return;
  const other = rivals.find((rival) => rival.uid !== uid && !isBound(rival, inventory));
  if (!other) return;
  throw new PsoError(
    "unavailable",
    `${shownVolume(original)} may have been given to the claim ${
      shownClaim(other)
    } by the leader ` +
      `before this one, and its PersistentVolume may still be written: for ${
        WRITING_MS / 60_000
      } ` +
      "minutes after a change of the leader this is tried again; delete one of the two claims",
  );
}

/** The annotation was read of the claim that bears the name now: it must be the one that asks. */
function refuseOtherIncarnation(importer: Importer, { uid }: KnownClaim): void {
  const [, asked] = /^pvc-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(importer.csiName) ??
    [];
  if (asked === undefined || asked === uid) return;
  throw new PsoError(
    "not_found",
    `the claim ${
      shownClaim(importer)
    } that ${importer.csiName} was asked for is gone, and another ` +
      "one has its name: nothing is imported for it",
  );
}

function refuseOtherCluster(candidate: Candidate): void {
  const { volume: { name }, tags, options: { clusterId, deletePrefixes } } = candidate;
  const clusters = [clusterId, ...deletePrefixes];
  const tag = tags.get("cluster");
  if (tag !== undefined ? clusters.includes(tag) : isNobodys(name, clusters)) return;
  const why = tag === undefined
    ? "it has a name that another cluster's driver gives"
    : `it has the tag of another cluster: cluster=${tag}`;
  throw refusal(
    candidate,
    `${why}, and this one is ${clusterId}; put that clusterID into deletePrefixes if the other ` +
      "cluster does not need it",
  );
}

/** No driver's, or of one of these clusters. */
function isNobodys(name: string, clusters: readonly string[]): boolean {
  return !isClusterVolumeName(name) || clusters.some((one) => isOwnVolumeName(one, name));
}

function refuseOtherNamespace(candidate: Candidate): void {
  const { tags, importer } = candidate;
  const namespace = tags.get("pvc-namespace");
  if (namespace === undefined || namespace === importer.namespace) return;
  throw refusal(
    candidate,
    `it has the tag pvc-namespace=${namespace}: only claims of that namespace may have it; if it ` +
      "needs it no more, take the tag away on the array",
  );
}

/** The content of a volume that a pod describes itself is its namespace's, as a claim's is. */
function refusePodOfOthers(candidate: Candidate): void {
  const inline = podVolumeOf(candidate);
  if (!inline || inline.namespace === candidate.importer.namespace) return;
  throw refusal(
    candidate,
    `it is the volume of the pod ${shownPod(inline)}: only claims of that namespace may have a ` +
      "copy of it",
  );
}

/** The volume goes when its pod ends, whoever has it by then. */
function refusePodsOwn(original: Original): void {
  const inline = podVolumeOf(original);
  if (!inline) return;
  throw refusal(
    original,
    `it is the volume of the pod ${
      shownPod(inline)
    }, and is destroyed when that ends: import a copy`,
  );
}

function podVolumeOf(candidate: Candidate): KnownInline | undefined {
  const { inventory, volume } = candidate;
  return inventory.inline.find(({ uid, handle }) =>
    isVolumeOf(uid, volume.name) || (handle !== undefined && means(handle, candidate))
  );
}

function shownPod({ namespace, pod }: KnownInline): string {
  return `${namespace}/${pod}`;
}

/** The PersistentVolume that csi-provisioner wrote for the importer: this is a repetition then. */
function volumeOfImporter({ importer, ...candidate }: Candidate): KnownVolume | undefined {
  return candidate.inventory.volumes.find((known) =>
    known.name === importer.csiName && known.handle !== undefined && means(known.handle, candidate)
  );
}

function refusePersistentVolume(candidate: Candidate): void {
  const { inventory, importer } = candidate;
  const other = inventory.volumes.find(({ name, handle }) =>
    name !== importer.csiName &&
    (isNamedAfter(name, candidate) || (handle !== undefined && means(handle, candidate)))
  );
  if (other === undefined) return;
  const whose = other.claim === undefined ? "" : ` of the claim ${other.claim}`;
  throw refusal(
    candidate,
    `it has the PersistentVolume ${other.name}${whose}: use that, or delete it with ` +
      "reclaimPolicy Retain first",
  );
}

/**
 * Whether the volume was made for the PersistentVolume of that name, whatever its handle: those of
 * the FlexVolume driver have none, and PSO 6 and PX-CSI wrote ids of their databases.
 */
function isNamedAfter(
  pv: string,
  { volume: { name }, options: { clusterId } }: Pick<Candidate, "volume" | "options">,
): boolean {
  const volume = nameKey(name);
  const isOfClaim = /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(pv);
  return volume === nameKey(`${clusterId}-${pv}`) || (isOfClaim && volume.endsWith(`-${pv}`));
}

/**
 * Whether a handle may mean the volume. Without an array it means the volume wherever it is; so it
 * does when the volume is in a pod, which several arrays may have, or was made by the array that
 * the handle names.
 */
function means(
  handle: string,
  { member, volume }: Pick<Candidate, "member" | "volume">,
): boolean {
  let parsed: ReturnType<typeof parseVolumeId>;
  try {
    parsed = parseVolumeId(handle);
  } catch {
    return false; // too long for a handle
  }
  const { arrayHint, names } = parsed;
  const isHere = arrayHint === undefined || member.id === undefined ||
    arrayHint === arrayHintOf(member.id) || volume.name.includes("::") ||
    volume.serial?.toLowerCase().startsWith(arrayHint);
  // Of a handle with an array, the other name is PSO's form of one that has none.
  return names.some((name, at) => nameKey(name) === nameKey(volume.name) && (isHere || at > 0));
}

/**
 * A volume that a claim was given and whose PersistentVolume is not written yet: by its name
 * (`pvc-<uid>`) or by its tags.
 */
function refuseOtherClaim(candidate: Candidate): void {
  const { volume, given: tags, importer, inventory, nowMs } = candidate;
  // Its tags are of its making, and no claim's.
  if (podVolumeOf(candidate)) return;
  const made = inventory.claims.find(({ uid }) => isVolumeOf(uid, volume.name));
  if (made && !isOf(importer)(made)) {
    throw refusal(candidate, `it was made for the claim ${shownClaim(made)}: use that`);
  }
  const pv = tags.get("pv");
  if (pv === undefined || pv === importer.csiName) return;
  const given = { namespace: tags.get("pvc-namespace") ?? "", name: tags.get("pvc-name") ?? "" };
  const holder = inventory.claims.find((claim) => isOf(given)(claim) && !isOf(importer)(claim));
  if (holder && !isBound(holder, inventory)) {
    throw refusal(
      candidate,
      `it was given to the claim ${shownClaim(holder)}, which waits for its PersistentVolume: ` +
        "delete one of the two",
    );
  }
  const givenMs = Math.max(volume.createdMs, Date.parse(tags.get("imported") ?? "") || 0);
  if (nowMs - givenMs >= WRITING_MS) return;
  throw new PsoError(
    "unavailable",
    `${shownVolume(candidate)} was given to the claim ${shownClaim(given)} less than ` +
      `${
        WRITING_MS / 60_000
      } minutes ago, and its PersistentVolume ${pv} may still be written: it ` +
      "is tried again",
  );
}

function isVolumeOf(uid: string, name: string): boolean {
  const [, made] = /-pvc-([0-9a-f-]+)$/i.exec(name) ?? [];
  const digits = made?.replaceAll("-", "").toLowerCase() ?? "";
  return digits.length >= 8 && uid.replaceAll("-", "").toLowerCase().startsWith(digits);
}

function isOf(one: { namespace: string; name: string }): (claim: KnownClaim) => boolean {
  return ({ namespace, name }) => namespace === one.namespace && name === one.name;
}

/** Whether the claim has a PersistentVolume. */
function isBound({ uid }: KnownClaim, { volumes }: Inventory): boolean {
  return volumes.some(({ claimUid }) => claimUid === uid);
}

function isOlder(one: KnownClaim, other: KnownClaim): boolean {
  return one.created === other.created ? one.uid < other.uid : one.created < other.created;
}

function shownClaim({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

function shownVolume({ volume, member }: Candidate): string {
  return `volume ${volume.name} on array ${member.array.label}`;
}

function refusal(candidate: Candidate, reason: string): PsoError {
  return new PsoError(
    "in_use",
    `Cannot import ${shownVolume(candidate)} for the claim ${shownClaim(candidate.importer)}: ` +
      reason,
  );
}
