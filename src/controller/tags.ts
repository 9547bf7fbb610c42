import { type Capability, claimAccessModeOf } from "../capability.ts";
import { GROUP_TAG } from "./placement/spread_group.ts";

/** Keys of the tags by which a deleted volume gets the same objects in Kubernetes again. */
export const OBJECT_TAGS = {
  /** `Filesystem` or `Block`. */
  volumeMode: "pvc-volume-mode",
  /** As the claim has them, with commas between: `ReadWriteOnce,ReadOnlyMany`. */
  accessModes: "pvc-access-modes",
  storageClass: "pvc-storage-class",
  /** csi.fsType of the PersistentVolume, or NOT_NAMED. */
  fsType: "pv-fs-type",
  /** The protocol of the class, or NOT_NAMED. */
  protocol: "pv-protocol",
} as const;

/**
 * Said of what the class leaves to the configuration: without a tag it could not be told from what
 * nobody wrote, and of an imported volume the tag of its earlier life would stay.
 */
export const NOT_NAMED = "default";

/** Keys of the tags by which the driver tells what belongs to whom; no class may set them. */
export const OWN_TAGS = [
  "cluster",
  "pvc-namespace",
  "pvc-name",
  "pv",
  "spread-group",
  "imported",
  ...Object.values(OBJECT_TAGS),
] as const;

/** With a cluster's `clusterID` behind it: that cluster is about to take the volume in. */
export const CONTEST_PREFIX = "importing.";

/** A FlashArray takes keys of 64 and values of 256 characters. */
const KEY_MAX = 64;
const VALUE_MAX = 256;
/** Tags of one class: they travel in one REST call. */
const COUNT_MAX = 20;

/** What `tags` of a class takes, as its refusal says it after "wanted". */
export const TAGS_TAKEN = `1 to ${COUNT_MAX} times key=value with commas between: a key of at ` +
  `most ${KEY_MAX} letters, digits, ., _, / and -, none of ${OWN_TAGS.join(", ")} and none that ` +
  `begins with ${CONTEST_PREFIX}, each once, and a value of 1 to ${VALUE_MAX} characters without ` +
  "comma";

/** What the driver's own tags say of a volume. */
interface TaggedVolume {
  claim: { name?: string; namespace?: string; volume?: string };
  /** Volumes that it is spread with. */
  group?: { key: string };
  /** What was asked for. */
  capabilities: readonly Capability[];
  /** Absent: the claim's is not known. */
  storageClass?: string;
  /** Absent: the class names none. */
  protocol?: string;
}

/** Tags of the array's volume, for people and for finding what belongs to whom. */
export function ownTags(clusterId: string, volume: TaggedVolume): Record<string, string> {
  const { claim, group } = volume;
  const tags: Record<Exclude<(typeof OWN_TAGS)[number], "imported">, string | undefined> = {
    cluster: clusterId,
    "pvc-namespace": claim.namespace,
    "pvc-name": claim.name,
    pv: claim.volume,
    [GROUP_TAG]: group?.key,
    ...objectTags(volume),
  };
  return Object.fromEntries(
    Object.entries(tags).flatMap(([key, value]) => value ? [[key, value]] : []),
  );
}

function objectTags({ capabilities, storageClass, protocol }: TaggedVolume) {
  const isBlock = capabilities.some(({ access }) => access.type === "block");
  const modes = new Set(capabilities.flatMap(({ mode }) => claimAccessModeOf(mode) ?? []));
  const fsTypes = capabilities.flatMap(({ access }) =>
    access.type === "mount" ? access.fsType : []
  );
  return {
    [OBJECT_TAGS.volumeMode]: isBlock ? "Block" : "Filesystem",
    [OBJECT_TAGS.accessModes]: [...modes].join(","),
    [OBJECT_TAGS.storageClass]: storageClass,
    [OBJECT_TAGS.fsType]: fsTypes[0] || NOT_NAMED,
    [OBJECT_TAGS.protocol]: protocol ?? NOT_NAMED,
  };
}

/** The tags in a text such as `tier=gold,team=billing`; `undefined` when it is not of that form. */
export function readTags(text: string): Record<string, string> | undefined {
  const parts = text.split(",").map((part) => part.trim());
  const tags = new Map<string, string>();
  for (const part of parts) {
    const at = part.indexOf("=");
    const [key, value] = [part.slice(0, Math.max(at, 0)).trim(), part.slice(at + 1).trim()];
    if (!isKey(key) || !isValue(value) || tags.has(key)) return undefined;
    tags.set(key, value);
  }
  return tags.size <= COUNT_MAX ? Object.fromEntries(tags) : undefined;
}

function isKey(key: string): boolean {
  return /^[A-Za-z0-9._/-]+$/.test(key) && key.length <= KEY_MAX &&
    !OWN_TAGS.some((own) => own === key.toLowerCase()) &&
    !key.toLowerCase().startsWith(CONTEST_PREFIX);
}

function isValue(value: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  return value !== "" && value.length <= VALUE_MAX && !/[\x00-\x1f\x7f]/.test(value);
}
