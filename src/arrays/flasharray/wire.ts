import type { Snapshot, Volume } from "../array.ts";
import type { ArrayIdentityItem } from "../rest/array_facts.ts";
import type { Reference } from "../rest/named_objects.ts";

// Items of FlashArray REST 2.x, with the fields that this client reads. Every field is optional: an
// older Purity leaves some out.

export interface VolumeItem {
  id?: string;
  name?: string;
  connection_count?: number;
  created?: number;
  destroyed?: boolean;
  provisioned?: number;
  serial?: string;
  source?: Reference | null;
  space?: {
    virtual?: number | null;
    snapshots?: number | null;
    total_used?: number | null;
    total_physical?: number | null;
  } | null;
}

export interface SnapshotItem {
  name?: string;
  created?: number;
  destroyed?: boolean;
  provisioned?: number;
  source?: Reference | null;
  suffix?: string;
}

export interface HostItem {
  name?: string;
  is_local?: boolean;
  iqns?: string[];
  nqns?: string[];
  wwns?: string[];
  connection_count?: number;
}

export interface ConnectionItem {
  host?: Reference | null;
  host_group?: Reference | null;
  volume?: Reference | null;
  lun?: number | null;
  nsid?: number | null;
}

export interface ArrayItem extends ArrayIdentityItem {
  banner?: string | null;
  capacity?: number;
  space?: { total_physical?: number | null; total_used?: number | null } | null;
}

export interface PortItem {
  name?: string;
  iqn?: string | null;
  nqn?: string | null;
  portal?: string | null;
  wwn?: string | null;
}

export interface InterfaceItem {
  name?: string;
  enabled?: boolean;
  services?: string[];
}

export interface ControllerItem {
  name?: string;
  status?: string;
  type?: string;
}

/**
 * Whether the array may hold data in the volume. Only ever forbids a format: how fast real arrays
 * update `space` is not known.
 */
export function everWritten(item: VolumeItem): boolean {
  return Boolean(item.source?.name) || (item.space?.virtual ?? 0) > 0 ||
    (item.space?.snapshots ?? 0) > 0;
}

export function volumeOf(item: VolumeItem, hosts?: string[]): Volume {
  return {
    name: item.name ?? "",
    sizeBytes: item.provisioned ?? 0,
    createdMs: item.created ?? 0,
    ...(item.serial ? { serial: item.serial.toUpperCase() } : {}),
    ...(item.source?.name ? { source: item.source.name } : {}),
    everWritten: everWritten(item),
    usedBytes: item.space?.total_used ?? item.space?.total_physical ?? 0,
    ...(hosts ? { hosts } : {}),
  };
}

export function snapshotOf(item: SnapshotItem): Snapshot {
  return {
    name: item.name ?? "",
    volume: item.source?.name ?? item.name?.split(".")[0] ?? "",
    sizeBytes: item.provisioned ?? 0,
    createdMs: item.created ?? 0,
  };
}

/**
 * True for `VOLUME.SUFFIX`; a protection group's are `GROUP.SUFFIX.VOLUME` and belong to its
 * schedule.
 */
export function isOwnSnapshot(item: SnapshotItem): boolean {
  const volume = item.source?.name;
  return Boolean(volume) && (item.name ?? "").startsWith(`${volume}.`) &&
    (item.name ?? "").split(".").length === 2;
}
