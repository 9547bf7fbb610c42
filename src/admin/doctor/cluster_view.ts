// What Kubernetes knows of volumes, nodes and snapshots. It is read before the arrays and after
// them, because both sides change meanwhile.
import { messageOf, PsoError } from "../../errors.ts";
import { decodeNodeId, type NodeIdentity } from "../../handoff.ts";
import { isKubeStatus, type KubeObject, type KubeReader } from "../../kube/client.ts";
import { parseSnapshotId } from "../../controller/volume_id.ts";
import { groupBaseFor, groupBaseOf, nameKey } from "../../names.ts";
import { DRIVER, ifThere } from "../check/cluster.ts";
import { at, nameOf, objectsAt, textAt, textsAt } from "../check/kube_object.ts";
import { type ClaimedVolume, claimedVolumeOf } from "../check/volume_look.ts";
import type { Known } from "./diagnosis.ts";
import { bytesOfQuantity } from "../../size.ts";

/** A PersistentVolume of the driver. */
export interface DoctorPv extends ClaimedVolume {
  uid: string;
  isDeleting: boolean;
  accessModes: readonly string[];
  /** Absent when it says no size. */
  sizeBytes?: number;
  claimUid: string;
}

/** A claim, as far as it tells of a volume that is being made or grown. */
interface DoctorClaim {
  /** What it asks for; absent when it says no size. */
  wantedBytes?: number;
}

/** A node of the cluster. */
export interface DoctorNode {
  name: string;
  /** As its CSINode says; absent: it may have any initiator and any address. */
  identity?: NodeIdentity;
}

/** Volumes that are attached, as VolumeAttachments say. */
export interface Attachments {
  has(pv: string, node: string): boolean;
}

/** Snapshots that VolumeSnapshotContents and those of groups mean. */
export interface ContentNames {
  /** By the whole name on the array, by the suffix, or by the part of it that is of its group. */
  has(snapshot: string): boolean;
}

/** One look at the cluster; what could not be read says why. */
export interface ClusterView {
  pvs: Known<DoctorPv[]>;
  /** By uid. */
  claims: Known<Map<string, DoctorClaim>>;
  /** `pv node`. */
  attachments: Known<Set<string>>;
  nodes: Known<DoctorNode[]>;
  /** Names and suffixes of snapshots, in lower case. */
  contents: Known<Set<string>>;
}

const STORAGE = "/apis/storage.k8s.io/v1";
const EPHEMERAL = "/apis/pso.purestorage.com/v1/ephemeralvolumes";
const SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1";
const GROUP_SNAPSHOTS = "/apis/groupsnapshot.storage.k8s.io/v1";

/**
 * Reads it all, with handles as the controller of the cluster with that prefix takes them. Never
 * throws: each part that cannot be read says why.
 */
export async function readCluster(kube: KubeReader, prefix: string): Promise<ClusterView> {
  const [pvs, claims, attachments, nodes, contents] = await Promise.all([
    known("PersistentVolumes", () => readPvs(kube, prefix)),
    known("PersistentVolumeClaims", () => readClaims(kube)),
    known("VolumeAttachments", () => readAttachments(kube)),
    known("Nodes and CSINodes", () => readNodes(kube)),
    known("VolumeSnapshotContents", () => readContents(kube)),
  ]);
  return { pvs, claims, attachments, nodes, contents };
}

async function known<T>(what: string, read: () => Promise<T>): Promise<Known<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { why: `${what} cannot be read: ${messageOf(error)}` };
  }
}

async function readPvs(kube: KubeReader, prefix: string): Promise<DoctorPv[]> {
  const all = await kube.list({ path: "/api/v1/persistentvolumes" });
  return all.filter((pv) => textAt(pv, "spec", "csi", "driver") === DRIVER).map((pv) => ({
    ...claimedVolumeOf(pv, prefix),
    uid: textAt(pv, "metadata", "uid"),
    isDeleting: textAt(pv, "metadata", "deletionTimestamp") !== "",
    accessModes: textsAt(pv, "spec", "accessModes"),
    sizeBytes: bytesOfQuantity(textAt(pv, "spec", "capacity", "storage")),
    claimUid: textAt(pv, "spec", "claimRef", "uid"),
  }));
}

/** Also what pods ask for without a claim: their volumes are named by the uid of that object. */
async function readClaims(kube: KubeReader): Promise<Map<string, DoctorClaim>> {
  const all = await kube.list({ path: "/api/v1/persistentvolumeclaims" });
  const ephemeral = await kube.list({ path: EPHEMERAL }).catch((error) => {
    if (isKubeStatus(error, 404)) return [];
    throw error;
  });
  return new Map([
    ...all.map((claim) =>
      [claim, textAt(claim, "spec", "resources", "requests", "storage")] as const
    ),
    ...ephemeral.map((one) => [one, textAt(one, "spec", "size")] as const),
  ].map(([object, size]) => [textAt(object, "metadata", "uid"), {
    wantedBytes: bytesOfQuantity(size),
  }]));
}

/** Throws, too, when the driver's volumes need no attachment: none proves nothing then. */
async function readAttachments(kube: KubeReader): Promise<Set<string>> {
  const driver = await ifThere(kube, `${STORAGE}/csidrivers/${DRIVER}`);
  if (at(driver, "spec", "attachRequired") !== true) {
    throw new PsoError("unsupported", `CSIDriver ${DRIVER} is missing or has attachRequired false`);
  }
  const all = await kube.list({ path: `${STORAGE}/volumeattachments` });
  return new Set(
    all.map((one) =>
      `${textAt(one, "spec", "source", "persistentVolumeName")} ${textAt(one, "spec", "nodeName")}`
    ),
  );
}

async function readNodes(kube: KubeReader): Promise<DoctorNode[]> {
  const nodes = await kube.list({ path: "/api/v1/nodes" });
  const registrations = await kube.list({ path: `${STORAGE}/csinodes` });
  const identities = new Map(registrations.map((one) => [nameOf(one), identityIn(one)]));
  return nodes.map((node) => {
    const name = nameOf(node);
    const identity = identities.get(name);
    return identity ? { name, identity } : { name };
  });
}

function identityIn(registration: KubeObject): NodeIdentity | undefined {
  const entry = objectsAt(registration, "spec", "drivers").find((one) => one.name === DRIVER);
  return decodeNodeId(textAt(entry, "nodeID"));
}

/** Those of groups count too: they name their snapshots before these have contents of their own. */
async function readContents(kube: KubeReader): Promise<Set<string>> {
  const all = await kube.list({ path: `${SNAPSHOTS}/volumesnapshotcontents` }).catch((error) => {
    if (!isKubeStatus(error, 404)) throw error;
    throw new PsoError("not_found", "the CRDs of snapshots are missing", { cause: error });
  });
  const path = `${GROUP_SNAPSHOTS}/volumegroupsnapshotcontents`;
  const groups = await kube.list({ path }).catch((error) => {
    if (isKubeStatus(error, 404)) return [];
    throw error;
  });
  return new Set([...all.flatMap(snapshotNamesOf), ...groups.flatMap(groupNamesOf)]);
}

/**
 * As snapshotNamesOf(), of a group: before the handles are written, `groupsnapcontent-<uid>` tells
 * how the suffix of its snapshots begins.
 */
function groupNamesOf(content: KubeObject): string[] {
  const handles = [
    ...objectsAt(content, "status", "volumeSnapshotInfoList").map((one) =>
      textAt(one, "snapshotHandle")
    ),
    ...textsAt(content, "spec", "source", "groupSnapshotHandles", "volumeSnapshotHandles"),
  ];
  const [, uid] = /^groupsnapcontent-(.+)$/.exec(nameOf(content)) ?? [];
  const bases = uid === undefined ? [] : [groupBaseFor(`groupsnapshot-${uid}`)];
  return [...handles.flatMap(namesIn), ...bases].map(nameKey);
}

/**
 * What a content may mean: the names in its handle, and the suffix that csi-snapshotter gives before
 * it writes the handle (`snapcontent-<uid>` makes `snapshot-<uid>`).
 */
function snapshotNamesOf(content: KubeObject): string[] {
  const handles = [
    textAt(content, "status", "snapshotHandle"),
    textAt(content, "spec", "source", "snapshotHandle"),
  ];
  const [, uid] = /^snapcontent-(.+)$/.exec(nameOf(content)) ?? [];
  return [...handles.flatMap(namesIn), ...(uid === undefined ? [] : [`snapshot-${uid}`])]
    .map(nameKey);
}

/** A handle that is too long names nothing. */
function namesIn(handle: string): string[] {
  try {
    return parseSnapshotId(handle).names;
  } catch {
    return [];
  }
}

/** Two looks at one cluster, put together so that nothing that changed between them counts. */
export interface SteadyCluster {
  /** Those that both looks show as the same object. */
  pvs: Known<DoctorPv[]>;
  /** Those that either look shows. */
  anyPvs: Known<DoctorPv[]>;
  claims: ClusterView["claims"];
  attachments: Known<Attachments>;
  nodes: ClusterView["nodes"];
  contents: Known<ContentNames>;
}

/** What stayed as it was from the first look to the second, and what either of them shows. */
export function steadyCluster(before: ClusterView, after: ClusterView): SteadyCluster {
  const contents = joined(before.contents, after.contents, (a, b) => a.union(b));
  return {
    pvs: joined(before.pvs, after.pvs, (a, b) => {
      const uids = new Set(a.map(pvKey));
      return b.filter((pv) => uids.has(pvKey(pv)));
    }),
    anyPvs: joined(before.pvs, after.pvs, (a, b) => [...a, ...b]),
    claims: joined(before.claims, after.claims, (a, b) => new Map([...a, ...b])),
    attachments: joined(before.attachments, after.attachments, (a, b) => {
      const all = a.union(b);
      return { has: (pv, node) => all.has(`${pv} ${node}`) };
    }),
    nodes: joined(before.nodes, after.nodes, withBoth),
    contents: contents.value ? { value: contentNames(contents.value) } : { why: contents.why },
  };
}

function pvKey({ pv, uid, handle }: DoctorPv): string {
  return `${pv} ${uid} ${handle}`;
}

function contentNames(all: ReadonlySet<string>): ContentNames {
  return {
    has: (snapshot) => {
      const key = nameKey(snapshot);
      const suffix = key.slice(key.lastIndexOf(".") + 1);
      return all.has(key) || all.has(groupBaseOf(suffix) ?? suffix);
    },
  };
}

/** A node that registered anew meanwhile, or not at all once, is one that is not known. */
function withBoth(before: readonly DoctorNode[], after: readonly DoctorNode[]): DoctorNode[] {
  const old = new Map(before.map((node) => [node.name, node]));
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  return names.map((name) => {
    const [a, b] = [old.get(name), after.find((node) => node.name === name)];
    const isSame = a?.identity && JSON.stringify(a.identity) === JSON.stringify(b?.identity);
    return isSame ? { name, identity: a.identity } : { name };
  });
}

function joined<T, R>(a: Known<T>, b: Known<T>, join: (a: T, b: T) => R): Known<R> {
  if (a.why !== undefined) return { why: a.why };
  if (b.why !== undefined) return { why: b.why };
  return { value: join(a.value, b.value) };
}
