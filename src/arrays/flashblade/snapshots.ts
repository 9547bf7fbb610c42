import { NAMES_PER_CALL } from "../rest/lookups/lookups.ts";
import type { SnapshotKind } from "../rest/snapshots.ts";
import {
  fileSnapshotOf,
  type FileSystemSnapshotItem,
  fileSystemSnapshotItem,
  isPassing,
  isScheduled,
} from "./wire.ts";

/**
 * The snapshots of file systems, looked up also by the name of their file system. The one that only
 * stands between a file system and its clone is nobody's to see.
 */
export const FILE_SYSTEM_SNAPSHOTS: SnapshotKind<FileSystemSnapshotItem> = {
  resource: {
    path: "file-system-snapshots",
    noun: "snapshot",
    nameKey: "names_or_owner_names",
    item: fileSystemSnapshotItem,
    together: NAMES_PER_CALL,
    recovery: () => "recover it there, or eradicate it to free the name (its data is lost then)",
  },
  ownerKey: "names_or_owner_names",
  owner: "file system",
  shownOf: fileSnapshotOf,
  isListed: (item) => !isPassing(item),
  isKept: (item) => !isScheduled(item),
};
