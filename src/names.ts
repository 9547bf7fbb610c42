import { createHash } from "node:crypto";

// The names that this driver gives to objects on the arrays. Kubernetes' own names (`pvc-<uid>`,
// `snapshot-<uid>`) go through unchanged, as in PSO 5 and 6. Any other CSI name (up to 128 bytes of
// anything) is cut and gets a hash, so that two CSI names never become one name on an array.

/**
 * Characters that a FlashArray takes in the name of a volume or host and in a snapshot's suffix
 * (REST 2 reference, Volumes and Hosts). File systems of a FlashBlade are kept to the same.
 */
export const NAME_MAX = 63;

/** The pod of a volume of that name; undefined for a volume in none. */
export function podOfVolume(volume: string): string | undefined {
  const at = volume.lastIndexOf("::");
  return at < 0 ? undefined : volume.slice(0, at);
}

/**
 * The key of a name for maps, queues and comparisons: arrays compare the names of volumes,
 * snapshots and hosts without case, so that two spellings are one object.
 */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

/** The key of an initiator's name: arrays write WWNs in upper case, some with colons. */
export function initiatorKey(name: string): string {
  return name.replaceAll(":", "").toLowerCase();
}

const HASHED = /-x[0-9a-f]{16}$/;

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** How fit() makes a name. */
interface NameForm {
  head: string;
  /** Whether the whole name may be as it is, by it or by its text without the head. */
  isPlain: (name: string, text: string) => boolean;
}

/** `text` with `head` before it if that may be so, else a readable part of it and a hash of it. */
function fit(text: string, { head, isPlain }: NameForm): string {
  const plain = head + text;
  // Arrays compare names without regard to case, so a name with capitals needs the hash. So does a
  // name that looks hashed already, because it could be the hashed name of another one.
  if (
    plain.length <= NAME_MAX && isPlain(plain, text) && text === text.toLowerCase() &&
    !HASHED.test(plain)
  ) return plain;
  const readable = (head + text.replaceAll(/[^a-zA-Z0-9-]+/g, "-")).slice(0, NAME_MAX - 18).replace(
    /-+$/,
    "",
  );
  return `${readable}-x${shortHash(text)}`;
}

/**
 * What csi-provisioner calls a volume: `pvc-<UUID>`; with `--volume-name-uuid-length`, the UUID
 * without its hyphens and cut.
 */
const CLAIM_NAME = /^pvc-([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{1,32})$/;

/**
 * The array's name for a CSI volume: `<clusterID>-pvc-<UUID>`. Any other CSI name gets a hash, so
 * that isOwnVolumeName() knows every volume that this driver makes. At most 63 characters.
 */
export function volumeNameFor(clusterId: string, csiName: string): string {
  return fit(csiName, { head: `${clusterId}-`, isPlain: (_, text) => CLAIM_NAME.test(text) });
}

/** A volume's name without the pod (`pod::`) and the volume group (`group/`) that it begins with. */
export function baseNameOf(volume: string): string {
  return volume.split(/::|\//).at(-1) ?? "";
}

/** A pod or a volume group of a FlashArray, in which volumes are made together. */
export interface Container {
  what: "pod" | "volume group";
  /** Of a volume group that lies in a pod: `pod::group`. */
  name: string;
}

/** The name of a volume in a container, as arrays write it. */
export function nameIn(container: Container | undefined, base: string): string {
  if (container === undefined) return base;
  return `${container.name}${container.what === "pod" ? "::" : "/"}${base}`;
}

/**
 * Whether the name of a volume proves that this cluster made it: `<clusterID>-pvc-<UUID>`, as PSO
 * and csi-provisioner have it, or a hashed name of ours. It stands after the pod (`pod::name`) or
 * volume group (`group/name`) that an administrator moved the volume into. The prefix alone proves
 * nothing: `k8s-prod-…` may be a volume of the cluster `k8s-prod`.
 */
export function isOwnVolumeName(clusterId: string | undefined, volume: string): boolean {
  if (clusterId === undefined || clusterId === "") return false;
  const name = baseNameOf(volume).toLowerCase();
  const head = `${clusterId.toLowerCase()}-`;
  if (!name.startsWith(head)) return false;
  return CLAIM_NAME.test(name.slice(head.length)) || HASHED.test(name.slice(head.length - 1));
}

/** Whether the name of a volume is one that a driver of some cluster gives, whichever that is. */
export function isClusterVolumeName(volume: string): boolean {
  const name = baseNameOf(volume).toLowerCase();
  const at = name.lastIndexOf("-pvc-");
  return (at > 0 && CLAIM_NAME.test(name.slice(at + 1))) || HASHED.test(name);
}

/**
 * The suffix for a CSI snapshot: letters, digits and `-`, with at least one letter;
 * `snapshot-<uid>` stays what it is.
 */
export function snapshotSuffixFor(csiName: string): string {
  const begins = /^[a-zA-Z0-9]/.test(csiName) ? "" : "s";
  const allowed = /^(?=.*[a-zA-Z])[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
  const isPlain = (name: string) => allowed.test(name) && !GROUP_SUFFIX.test(name);
  return fit(csiName, { head: begins, isPlain });
}

/**
 * Whether the suffix of a snapshot is one that PSO and this driver give: `snapshot-…`, a hashed
 * one or that of a group.
 */
export function isOwnSnapshotSuffix(suffix: string): boolean {
  const name = suffix.toLowerCase();
  return name.startsWith("snapshot-") || HASHED.test(name) || GROUP_SUFFIX.test(name);
}

/** What csi-snapshotter calls a group snapshot. */
const GROUP_NAME = /^groupsnapshot-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
/** Hex digits of the hash of a group's members. */
const MEMBERS_DIGITS = 11;
const MEMBERS = new RegExp(`-m[0-9a-f]{${MEMBERS_DIGITS}}$`);
/** What the suffixes of groups look like, and no other suffix that this driver gives. */
const GROUP_SUFFIX = new RegExp(`^(group-[0-9a-f]{32}|.+-x[0-9a-f]{16})${MEMBERS.source}`);
/** So many characters of a name that is hashed stay, to be read by people. */
const GROUP_READABLE = 20;

/**
 * The part of a group's suffix that its CSI name alone decides: `group-<UUID without hyphens>`,
 * else a readable part and a hash.
 */
export function groupBaseFor(csiName: string): string {
  const [, uuid] = GROUP_NAME.exec(csiName) ?? [];
  if (uuid !== undefined) return `group-${uuid.replaceAll("-", "")}`;
  const readable = csiName.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replace(/^-/, "")
    .slice(0, GROUP_READABLE).replace(/-$/, "");
  return `${readable || "group"}-x${shortHash(csiName)}`;
}

/**
 * The suffix of every snapshot of a group: it tells the group's CSI name and, by a hash of their
 * names, its volumes. At most 51 characters: the handle of each snapshot then fits in 128 bytes.
 */
export function groupSuffixFor(csiName: string, volumes: readonly string[]): string {
  return `${groupBaseFor(csiName)}-m${membersHash(volumes)}`;
}

function membersHash(volumes: readonly string[]): string {
  const hash = createHash("sha256").update(volumes.map(nameKey).sort().join("\0"));
  return hash.digest("hex").slice(0, MEMBERS_DIGITS);
}

/** As groupBaseFor() of the name that the suffix was made from; `undefined` for no group's. */
export function groupBaseOf(suffix: string): string | undefined {
  const name = suffix.toLowerCase();
  return GROUP_SUFFIX.test(name) ? name.replace(MEMBERS, "") : undefined;
}

/** Whether a group with that suffix was made of exactly these volumes. */
export function isGroupOf(suffix: string, volumes: readonly string[]): boolean {
  return suffix.toLowerCase().endsWith(`-m${membersHash(volumes)}`);
}

/**
 * What the name of a FlashArray's snapshot says when a protection group took it:
 * `group.suffix.volume`, where the volume is in the group's pod. `undefined` for any other.
 */
export function protectedSnapshot(name: string): { group: string; volume: string } | undefined {
  const [group, suffix, volume, more] = name.split(".");
  if (!group || !suffix || !volume || more !== undefined) return undefined;
  const pod = /^.*::/.exec(group)?.[0] ?? "";
  return { group: `${group}.${suffix}`, volume: `${pod}${volume}` };
}

/** Node names that are host names as they are, and that arrays take. */
const PLAIN_HOST = /^(?=.*[a-z-])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Ends of names that this driver makes itself: of a node's own host, and of its second one. */
const HOST_HASHED = /-x([0-9a-f]{12}|[0-9a-f]{16})$/;

/**
 * Node name → name of the host object that this driver makes for it: the node name itself if an
 * array takes it, else a readable part and a hash of the whole. No two nodes get one name: `a.b` and
 * `a-b` differ, and so does a node whose name looks like one with a hash.
 */
export function hostNameFor(nodeName: string): string {
  if (PLAIN_HOST.test(nodeName) && !HOST_HASHED.test(nodeName)) return nodeName;
  const readable = cleaned(nodeName).slice(0, NAME_MAX - 18).replace(/-+$/, "") || "node";
  return `${readable}-x${shortHash(nodeName)}`;
}

/**
 * Node name → what PSO called its host object: what the array refuses became `-`. Several nodes may
 * have one such name, so that it proves nothing without an initiator.
 */
export function psoHostNameFor(nodeName: string): string {
  const name = cleaned(nodeName);
  return name.length <= NAME_MAX ? name : hostNameFor(nodeName);
}

function cleaned(nodeName: string): string {
  return nodeName.replaceAll(/[^a-zA-Z0-9-]/g, "-").replace(/^-+|-+$/g, "");
}
