import { createHash } from "node:crypto";
import type { DestroyedVolume } from "../rest/admin_array.ts";
import type { Snapshot, Volume } from "../array.ts";
import { adminClientsOf, isAddress, isOwnRule, parseRules } from "./export_rules.ts";
import {
  type ArrayIdentityItem,
  type ArraySpace,
  arraySpace,
  identityFields,
  shownText,
} from "../rest/array_facts.ts";
import { type Reference, reference } from "../rest/named_objects.ts";
import {
  count,
  flag,
  list,
  moment,
  name,
  number,
  type Reader,
  record,
  text,
} from "../rest/shape.ts";

// Items of FlashBlade REST 2.x, with the fields that this client reads. Every field is optional: an
// older Purity leaves some out. A reader beside each says what it must be where it is there.

/** An item of /file-systems; its NFS rules say who may mount it. */
export interface FileSystemItem {
  id?: string;
  name?: string;
  created?: number;
  destroyed?: boolean;
  provisioned?: number | null;
  hard_limit_enabled?: boolean;
  snapshot_directory_enabled?: boolean;
  nfs?: {
    v3_enabled?: boolean;
    v4_1_enabled?: boolean;
    rules?: string | null;
    export_policy?: Reference | null;
  };
  source?: Reference | null;
  /** Milliseconds until a destroyed file system is eradicated. */
  time_remaining?: number | null;
  space?: {
    virtual?: number | null;
    snapshots?: number | null;
    total_used?: number | null;
    total_physical?: number | null;
  } | null;
}

/** Reads a FileSystemItem; refuses one without a name. */
export const fileSystemItem: Reader<FileSystemItem> = record<FileSystemItem>({
  id: text(),
  name,
  created: moment,
  destroyed: flag,
  provisioned: count,
  hard_limit_enabled: flag,
  snapshot_directory_enabled: flag,
  nfs: record<NonNullable<FileSystemItem["nfs"]>>({
    v3_enabled: flag,
    v4_1_enabled: flag,
    rules: text(),
    export_policy: reference,
  }),
  source: reference,
  time_remaining: number,
  space: record<NonNullable<FileSystemItem["space"]>>({
    virtual: number,
    snapshots: number,
    total_used: count,
    total_physical: count,
  }),
}, ["name"]);

/** An item of /file-system-snapshots; a policy made it if it names one. */
export interface FileSystemSnapshotItem {
  id?: string;
  name?: string;
  created?: number;
  destroyed?: boolean;
  suffix?: string;
  source?: Reference | null;
  owner?: Reference | null;
  policy?: Reference | null;
  policies?: Reference[] | null;
}

/** Reads a FileSystemSnapshotItem; refuses one without a name. */
export const fileSystemSnapshotItem: Reader<FileSystemSnapshotItem> = record<
  FileSystemSnapshotItem
>({
  id: text(),
  name,
  created: moment,
  destroyed: flag,
  suffix: text(),
  source: reference,
  owner: reference,
  policy: reference,
  policies: list(reference),
}, ["name"]);

/** The one item of /arrays. */
export interface BladeItem extends ArrayIdentityItem {
  revision?: string;
  product_type?: string;
}

/** Reads a BladeItem; its id and name are judged, because handles and messages carry them. */
export const bladeItem: Reader<BladeItem> = record<BladeItem>({
  ...identityFields,
  revision: text(),
  product_type: shownText,
});

/** The one item of /arrays/space. */
export interface BladeSpaceItem {
  capacity?: number;
  space?: ArraySpace | null;
}

/** Reads a BladeSpaceItem: sizes in whole bytes. */
export const bladeSpaceItem: Reader<BladeSpaceItem> = record<BladeSpaceItem>({
  capacity: count,
  space: arraySpace,
});

/** An item of /network-interfaces. */
export interface BladeInterfaceItem {
  name?: string;
  address?: string;
  enabled?: boolean;
  services?: string[];
}

/** Reads a BladeInterfaceItem, of which the first that serves data is mounted from. */
export const bladeInterfaceItem: Reader<BladeInterfaceItem> = record<BladeInterfaceItem>({
  name: text(),
  address: text(),
  enabled: flag,
  services: list(text()),
});

/** What a passing snapshot is called: after its clone, with a check of that and of its source. */
const PASSING = /^(clone-[0-9a-f]{16})-([0-9a-f]{8})$/;
/** As PASSING, or without the check, as early versions of this driver called it. */
const CLONE_SUFFIX = /^clone-[0-9a-f]{16}(-[0-9a-f]{8})?$/;

function hexOf(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}

/** Suffix of the snapshot that is made only to clone `source` as `target`. */
export function passingSuffix({ source, target }: { source: string; target: string }): string {
  const name = `clone-${hexOf(target, 16)}`;
  return `${name}-${hexOf(`${source}.${name}`, 8)}`;
}

/**
 * Whether the snapshot stands only between a file system and its clone. Its suffix proves it by a
 * check that nobody writes by chance: a snapshot that somebody calls so is one to keep.
 */
export function isPassing(item: FileSystemSnapshotItem): boolean {
  const [volume, suffix] = item.name?.split(".") ?? [];
  const [, name, check] = PASSING.exec(item.suffix ?? suffix ?? "") ?? [];
  return name !== undefined && hexOf(`${item.source?.name ?? volume}.${name}`, 8) === check;
}

/**
 * The volume or snapshot that the file system was made from; the passing snapshot of a clone stands
 * for its volume.
 */
export function sourceOf(item: FileSystemItem): string | undefined {
  const name = item.source?.name ?? undefined;
  const [volume, suffix] = name?.split(".") ?? [];
  return suffix !== undefined && CLONE_SUFFIX.test(suffix) ? volume : name || undefined;
}

/** Clients of the rules that this driver wrote: those are the nodes that may mount it. */
export function clientsOf(item: FileSystemItem): string[] {
  return parseRules(item.nfs?.rules ?? "").filter(isOwnRule).map(({ client }) => client);
}

/** Every single address that a rule lets in, whoever wrote it. */
export function addressesIn(item: FileSystemItem): string[] {
  return parseRules(item.nfs?.rules ?? "").map(({ client }) => client).filter(isAddress);
}

/** Whom an administrator lets in besides: by rules, or without any by an export policy. */
function adminAccessOf({ nfs }: FileSystemItem): string[] | "any" {
  const rules = parseRules(nfs?.rules ?? "");
  return rules.length === 0 && nfs?.export_policy?.name ? "any" : adminClientsOf(rules);
}

/** A file system as the fleet sees it; with `hosts`, who it is exported to. */
export function fileVolumeOf(item: FileSystemItem, hosts = false): Volume {
  const source = sourceOf(item);
  return {
    name: item.name ?? "",
    sizeBytes: item.provisioned ?? 0,
    createdMs: item.created ?? 0,
    ...(source === undefined ? {} : { source }),
    everWritten: source !== undefined || (item.space?.virtual ?? 0) > 0 ||
      (item.space?.snapshots ?? 0) > 0,
    usedBytes: item.space?.total_used ?? item.space?.total_physical ?? 0,
    ...(hosts ? { hosts: clientsOf(item), adminClients: adminAccessOf(item) } : {}),
  };
}

/** A destroyed file system as the fleet sees it. */
export function destroyedFileSystemOf(item: FileSystemItem): DestroyedVolume {
  const { name, sizeBytes, createdMs } = fileVolumeOf(item);
  const { id = "", time_remaining: remainingMs } = item;
  const left = typeof remainingMs === "number" ? { remainingMs } : {};
  return { id, name, sizeBytes, createdMs, ...left };
}

/** Full name of the file system that a snapshot was taken of. */
function ownerOf(item: FileSystemSnapshotItem): string {
  return item.source?.name ?? item.owner?.name ?? item.name?.split(".")[0] ?? "";
}

/**
 * `sizeBytes` is 0: the array keeps none, and the size that the file system has now is another one
 * once it has grown.
 */
export function fileSnapshotOf(item: FileSystemSnapshotItem): Snapshot {
  const createdMs = item.created ?? 0;
  return { name: item.name ?? "", volume: ownerOf(item), sizeBytes: 0, createdMs };
}

/** True for a snapshot that a snapshot policy made and will remove. */
export function isScheduled(item: FileSystemSnapshotItem): boolean {
  return Boolean(item.policy?.name) || (item.policies ?? []).some((policy) => Boolean(policy.name));
}
