import { PsoError } from "../../errors.ts";
import type { AdminArray } from "../rest/admin_array.ts";
import type { RestClient } from "../rest/client.ts";
import {
  type ArrayParts,
  type PartsContext,
  restArray,
  type RestArrayOptions,
} from "../rest/rest_array.ts";
import { Snapshots } from "../rest/snapshots.ts";
import { Exports } from "./exports.ts";
import { FileSystems } from "./file_systems.ts";
import type { FlashBladeFacts } from "./ports.ts";
import { FILE_SYSTEM_SNAPSHOTS } from "./snapshots.ts";
import { readFlashBlade } from "./status.ts";

/** What the configuration says of one FlashBlade. */
interface FlashBladeOptions extends RestArrayOptions {
  /** Host name or address that nodes mount from; absent: its first data interface. */
  nfsEndpoint?: string;
}

/** A FlashBlade over REST 2.x: file systems. */
export function flashBlade(
  rest: RestClient,
  told: FlashBladeOptions,
): AdminArray {
  const partsOf = (context: PartsContext<FlashBladeFacts>): ArrayParts<FlashBladeFacts> => {
    const snapshots = new Snapshots(context, FILE_SYSTEM_SNAPSHOTS);
    const volumes = new FileSystems({ ...context, snapshots });
    const attachments = new Exports({
      ...context,
      find: (name, signal) => volumes.findItem(name, { lane: "attach", signal }),
    });
    const look = (signal?: AbortSignal) =>
      readFlashBlade({ ...context, nfsEndpoint: told.nfsEndpoint }, signal);
    return {
      look,
      modify: (name, changes, signal) => attachments.modify(name, changes, signal),
      takeGroup: () => Promise.reject(noGroups(context.label())),
      openBlocks: ({ snapshot }) => Promise.reject(noBlocks(context.label(), snapshot)),
      volumes,
      snapshots,
      attachments,
    };
  };
  return restArray(rest, { told, kind: "file", partsOf });
}

/** The snapshot of a file system has files, and no blocks. */
function noBlocks(label: string, snapshot: string): PsoError {
  return new PsoError(
    "unsupported",
    `array ${label} is a FlashBlade and tells no blocks of ${snapshot}: back up the files of a ` +
      "claim that is made of the snapshot",
  );
}

/** A FlashBlade takes snapshots of several file systems one after another. */
function noGroups(label: string): PsoError {
  return new PsoError(
    "unsupported",
    `array ${label} is a FlashBlade and takes no snapshot of several file systems at one moment: ` +
      "take a VolumeSnapshot of each claim",
  );
}
