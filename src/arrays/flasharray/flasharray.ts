import type { Logger } from "../../log.ts";
import type { AdminArray } from "../rest/admin_array.ts";
import type { RestClient } from "../rest/client.ts";
import {
  type ArrayParts,
  type PartsContext,
  restArray,
  type RestArrayOptions,
} from "../rest/rest_array.ts";
import { Snapshots } from "../rest/snapshots.ts";
import { Blocks } from "./blocks/snapshot_blocks.ts";
import { Connections } from "./connections.ts";
import { takeGroupSnapshot } from "./group_snapshots.ts";
import type { FlashArrayFacts } from "./ports.ts";
import { VOLUME_SNAPSHOTS } from "./snapshots.ts";
import { readFlashArray } from "./status.ts";
import { VolumeGroups } from "./volume_groups.ts";
import { Volumes } from "./volumes.ts";

/** A FlashArray over REST 2.x: block volumes. */
export function flashArray(
  rest: RestClient,
  told: RestArrayOptions & { log: Logger },
): AdminArray {
  const { log } = told;
  const partsOf = (context: PartsContext<FlashArrayFacts>): ArrayParts<FlashArrayFacts> => {
    const snapshots = new Snapshots(context, VOLUME_SNAPSHOTS);
    const blocks = new Blocks(context);
    const groups = new VolumeGroups(context);
    const volumes: Volumes = new Volumes({
      ...context,
      groups,
      snapshots,
      hostsOf: (names, signal) => attachments.hostsOf(names, signal),
    });
    const attachments: Connections = new Connections({
      ...context,
      log,
      find: (name, signal) => volumes.findItem(name, { lane: "attach", signal }),
    });
    return {
      look: async (signal) => {
        const look = await readFlashArray(context, signal);
        groups.forget();
        return look;
      },
      modify: (name, changes, signal) => volumes.modify(name, changes, signal),
      takeGroup: (names, suffix, signal) =>
        takeGroupSnapshot(context, { volumes: names, suffix }, signal),
      openBlocks: (query, signal) => blocks.open(query, signal),
      volumes,
      snapshots,
      attachments,
    };
  };
  return restArray(rest, { told, kind: "block", partsOf });
}
