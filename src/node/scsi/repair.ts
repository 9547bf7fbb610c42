import { readBlockDevice } from "../../host/block_device.ts";
import { isSessionTo, listSessions } from "../../host/iscsi.ts";
import { findMap } from "../../host/multipath.ts";
import { devicesWithWwid, reviveDevice, wwidOfSerial } from "../../host/scsi.ts";
import type { NodeContext } from "../context.ts";
import { mapOver, openPaths, scsiBlock } from "./attach.ts";
import { refuseOtherTargets } from "./other_targets.ts";
import type { StageRecord } from "../stage_record.ts";

/**
 * Puts the map of a mounted volume right, by the steps of attach(): opens the paths that lack, by
 * the sessions that are there, brings all into the map, takes paths of other volumes out of it, and
 * lets it take the size of its paths. Nothing else is removed. Without a map nothing can be done.
 * `unavailable` when something stays wrong, `in_use` when another array shows the volume's serial
 * number too.
 */
export async function repairPaths(
  context: NodeContext,
  record: StageRecord,
  signal?: AbortSignal,
): Promise<void> {
  const { host } = context;
  const { attachment } = record;
  if (attachment.protocol !== "iscsi" && attachment.protocol !== "fc") return;
  const wwid = wwidOfSerial(attachment.serial);
  const before = await findMap(host, wwid);
  if (!before || before.name !== record.device) return;
  await refuseOtherTargets(host, { attachment, wwid }); // their paths must not come into our map
  for (const device of await devicesWithWwid(host, wwid)) {
    await reviveDevice(host, device.hctl, signal);
  }
  let reachable = attachment;
  if (attachment.protocol === "iscsi") {
    const live = (await listSessions(host)).filter(({ state }) => state === "LOGGED_IN");
    reachable = {
      ...attachment,
      targets: attachment.targets.filter((target) =>
        live.some((session) => isSessionTo(session, target))
      ),
    };
    if (reachable.targets.length === 0) return;
  }
  const iqns = attachment.protocol === "iscsi" ? attachment.targets.map(({ iqn }) => iqn) : [];
  const paths = await context.targets.using(
    iqns,
    () => openPaths(context, { attachment: reachable, wwid, multipath: true }, signal),
  );
  const map = await mapOver(context, { wwid, paths, multipath: true }, signal);
  const isSmall = map &&
    (await readBlockDevice(host, map.name)).sizeBytes <
      Math.max(...paths.map(({ sizeBytes }) => sizeBytes));
  if (isSmall) await scsiBlock.grow(context, map.name, signal);
}
