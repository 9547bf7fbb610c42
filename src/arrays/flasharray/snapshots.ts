import { NAMES_PER_CALL } from "../rest/lookups/lookups.ts";
import type { Resource } from "../rest/named_objects.ts";
import type { SnapshotKind } from "../rest/snapshots.ts";
import { ownerOf } from "./cluster_volumes.ts";
import { isOwnSnapshot, type SnapshotItem, snapshotItem, snapshotOf } from "./wire.ts";

/** /volume-snapshots: those of volumes, of groups and of protection groups. */
export const SNAPSHOT_RESOURCE: Resource<SnapshotItem> = {
  path: "volume-snapshots",
  noun: "snapshot",
  nameKey: "names",
  item: snapshotItem,
  isContained: true,
  together: NAMES_PER_CALL,
  recovery: (name) =>
    `get it back with \`purevol recover ${name}\`, ` +
    `or free the name with \`purevol eradicate ${name}\` (its data is lost then)`,
};

/**
 * The snapshots of volumes. Those of protection groups are nobody's to see, and numbered ones were
 * made by a schedule.
 */
export const VOLUME_SNAPSHOTS: SnapshotKind<SnapshotItem> = {
  resource: SNAPSHOT_RESOURCE,
  ownerKey: "source_names",
  owner: "volume",
  ownerOf,
  shownOf: snapshotOf,
  isListed: isOwnSnapshot,
  isKept: ({ name = "" }) => !/^\d+$/.test(name.split(".")[1] ?? ""),
};
