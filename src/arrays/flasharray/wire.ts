import { groupBaseOf, protectedSnapshot } from "../../names.ts";
import type { DestroyedVolume } from "../rest/admin_array.ts";
import type { Snapshot, Volume } from "../array.ts";
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
  ShapeFault,
  text,
} from "../rest/shape.ts";

// Items of FlashArray REST 2.x, with the fields that this client reads. Every field is optional: an
// older Purity leaves some out. A reader beside each says what it must be where it is there.

/** A serial number makes the WWID by which nodes know the device. */
const serial: Reader<string> = (value, at) => {
  const found = text()(value, at);
  if (/^[0-9a-fA-F]{1,32}$/.test(found)) return found;
  throw new ShapeFault(`${at} is no serial number`);
};

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
  /** Milliseconds until a destroyed volume is eradicated. */
  time_remaining?: number | null;
  space?: {
    virtual?: number | null;
    snapshots?: number | null;
    total_used?: number | null;
    total_physical?: number | null;
  } | null;
}

/** Reads a VolumeItem; refuses one without a name. */
export const volumeItem: Reader<VolumeItem> = record<VolumeItem>({
  id: text(),
  name,
  connection_count: count,
  created: moment,
  destroyed: flag,
  provisioned: count,
  serial,
  source: reference,
  time_remaining: number,
  space: record<NonNullable<VolumeItem["space"]>>({
    virtual: number,
    snapshots: number,
    total_used: count,
    total_physical: count,
  }),
}, ["name"]);

/** An item of /volume-snapshots. */
export interface SnapshotItem {
  id?: string;
  name?: string;
  created?: number;
  destroyed?: boolean;
  provisioned?: number;
  source?: Reference | null;
  suffix?: string;
}

/** Reads a SnapshotItem; refuses one without a name. */
export const snapshotItem: Reader<SnapshotItem> = record<SnapshotItem>({
  id: text(),
  name,
  created: moment,
  destroyed: flag,
  provisioned: count,
  source: reference,
  suffix: text(),
}, ["name"]);

/** An item of /hosts: the array's object for a node, with its initiators by kind. */
export interface HostItem {
  name?: string;
  is_local?: boolean;
  iqns?: string[];
  nqns?: string[];
  wwns?: string[];
  connection_count?: number;
  preferred_arrays?: Reference[];
  /** `status`: healthy, unhealthy or critical. */
  port_connectivity?: { status?: string } | null;
}

/** The text of one field of an object; nothing else of it is wanted, and no other shape is a fault. */
const connectivity: Reader<HostItem["port_connectivity"] & object> = (value) => {
  const status = typeof value === "object" && value !== null ? Reflect.get(value, "status") : "";
  return { status: shownText(status, "status") };
};

/** Reads a HostItem; refuses one without a name. */
export const hostItem: Reader<HostItem> = record<HostItem>({
  name,
  is_local: flag,
  iqns: list(text()),
  nqns: list(text()),
  wwns: list(text()),
  connection_count: count,
  preferred_arrays: list(reference),
  port_connectivity: connectivity,
}, ["name"]);

/** An item of /connections: one volume, one host, perhaps by a host group. */
export interface ConnectionItem {
  host?: Reference | null;
  host_group?: Reference | null;
  volume?: Reference | null;
  lun?: number | null;
  nsid?: number | null;
}

/** Reads a ConnectionItem; what it is about is compared with the call by `readAnswer`. */
export const connectionItem: Reader<ConnectionItem> = record<ConnectionItem>({
  host: reference,
  host_group: reference,
  volume: reference,
  lun: count,
  nsid: count,
});

/** The one item of /arrays. */
export interface ArrayItem extends ArrayIdentityItem {
  banner?: string | null;
  capacity?: number;
  space?: ArraySpace | null;
}

/** Reads an ArrayItem; its id and name are judged, because handles and messages carry them. */
export const arrayItem: Reader<ArrayItem> = record<ArrayItem>({
  ...identityFields,
  banner: text(),
  capacity: count,
  space: arraySpace,
});

/** An item of /ports: where targets listen. */
export interface PortItem {
  name?: string;
  iqn?: string | null;
  nqn?: string | null;
  portal?: string | null;
  wwn?: string | null;
}

/** Reads a PortItem; what nodes may do with it is judged in `ports.ts`. */
export const portItem: Reader<PortItem> = record<PortItem>({
  name: text(),
  iqn: text(),
  nqn: text(),
  portal: text(),
  wwn: text(),
});

/** An item of /network-interfaces. */
export interface InterfaceItem {
  name?: string;
  enabled?: boolean;
  services?: string[];
}

/** Reads an InterfaceItem, of which only `services` and `enabled` decide. */
export const interfaceItem: Reader<InterfaceItem> = record<InterfaceItem>({
  name: text(),
  enabled: flag,
  services: list(text()),
});

/** An item of /controllers: only ports of one that is ready can be used. */
export interface ControllerItem {
  name?: string;
  model?: string;
  status?: string;
  type?: string;
}

/** Reads a ControllerItem, of which only those that are ready count. */
export const controllerItem: Reader<ControllerItem> = record<ControllerItem>({
  name: text(),
  model: shownText,
  status: text(),
  type: text(),
});

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

/** A destroyed volume as the fleet sees it. */
export function destroyedVolumeOf(item: VolumeItem): DestroyedVolume {
  const { name, sizeBytes, createdMs, serial } = volumeOf(item);
  const { id = "", time_remaining: remainingMs } = item;
  const left = typeof remainingMs === "number" ? { remainingMs } : {};
  return { id, name, sizeBytes, createdMs, ...(serial ? { serial } : {}), ...left };
}

/** A snapshot as the fleet sees it. */
export function snapshotOf({ name = "", source, provisioned, created }: SnapshotItem): Snapshot {
  const taken = protectedSnapshot(name);
  const [first = "", suffix = ""] = name.split(".");
  const group = taken?.group ?? (groupBaseOf(suffix) === undefined ? undefined : suffix);
  return {
    name,
    volume: source?.name ?? taken?.volume ?? first,
    sizeBytes: provisioned ?? 0,
    createdMs: created ?? 0,
    ...(group === undefined ? {} : { group }),
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
