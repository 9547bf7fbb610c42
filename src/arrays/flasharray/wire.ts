import type { Snapshot, Volume } from "../array.ts";
import type { ArrayIdentityItem } from "../rest/array_facts.ts";
import type { Reference } from "../rest/named_objects.ts";

// Items of FlashArray REST 2.x, with the fields that this client reads. Every field is optional: an
// older Purity leaves some out.

/** An item of /volumes; `serial` and `space` tell what it is and whether it was written. */
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

/** An item of /volume-snapshots. */
export interface SnapshotItem {
  name?: string;
  created?: number;
  destroyed?: boolean;
  provisioned?: number;
  source?: Reference | null;
  suffix?: string;
}

/** An item of /hosts: the array's object for a node, with its initiators by kind. */
export interface HostItem {
  name?: string;
  is_local?: boolean;
  iqns?: string[];
  nqns?: string[];
  wwns?: string[];
  connection_count?: number;
}

/** An item of /connections: one volume, one host, perhaps by a host group. */
export interface ConnectionItem {
  host?: Reference | null;
  host_group?: Reference | null;
  volume?: Reference | null;
  lun?: number | null;
  nsid?: number | null;
}

/** The one item of /arrays. */
export interface ArrayItem extends ArrayIdentityItem {
  banner?: string | null;
  capacity?: number;
  space?: { total_physical?: number | null; total_used?: number | null } | null;
}

/** An item of /ports: where targets listen. */
export interface PortItem {
  name?: string;
  iqn?: string | null;
  nqn?: string | null;
  portal?: string | null;
  wwn?: string | null;
}

/** An item of /network-interfaces. */
export interface InterfaceItem {
  name?: string;
  enabled?: boolean;
  services?: string[];
}

/** An item of /controllers: only ports of one that is ready can be used. */
export interface ControllerItem {
  name?: string;
  status?: string;
  type?: string;
}

/**
 * Whether the array may hold data of the volume. True forbids a format. False allows none by
 * itself, because it is not known how fast real arrays update `space`.
 */
export function everWritten(item: VolumeItem): boolean {
  return Boolean(item.source?.name) || (item.space?.virtual ?? 0) > 0 ||
    (item.space?.snapshots ?? 0) > 0;
}

/** A volume as the fleet sees it; `hosts` where they were asked for. */
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

/** A snapshot as the fleet sees it. */
export function snapshotOf(item: SnapshotItem): Snapshot {
  return {
    name: item.name ?? "",
    volume: item.source?.name ?? item.name?.split(".")[0] ?? "",
    sizeBytes: item.provisioned ?? 0,
    createdMs: item.created ?? 0,
  };
}

/**
 * True for `VOLUME.SUFFIX`. A snapshot of a protection group is `GROUP.SUFFIX.VOLUME` and belongs
 * to the group's schedule.
 */
export function isOwnSnapshot(item: SnapshotItem): boolean {
  const volume = item.source?.name;
  return Boolean(volume) && (item.name ?? "").startsWith(`${volume}.`) &&
    (item.name ?? "").split(".").length === 2;
}
