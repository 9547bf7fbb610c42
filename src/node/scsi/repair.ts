import { readBlockDevice } from "../../host/block_device.ts";
import type { Host } from "../../host/host.ts";
import { isSessionTo, listSessions } from "../../host/iscsi.ts";
import { findMap } from "../../host/multipath.ts";
import { devicesWithWwid, reviveDevice, wwidOfSerial } from "../../host/scsi.ts";
import type { NodeContext } from "../context.ts";
import type { ScsiAttachment } from "../protocol.ts";
import type { StageRecord } from "../stage_record.ts";
import { iqnsOf, openPaths } from "./attach.ts";
import { growOverPaths, mapOver } from "./map.ts";
import { refuseOtherTargets } from "./other_targets.ts";

/**
 * Repairs the map of a mounted volume by the steps of attach: opens the missing paths over the
 * sessions that are there, brings all paths into the map, takes paths of other volumes out of it,
 * and lets the map take the size of its paths. Nothing else is removed. A volume without a map is
 * left as it is. `unavailable` when something stays wrong, `in_use` when another array shows the
 * volume's serial number too.
 */
export async function repairPaths(
  context: NodeContext,
  { attachment, device }: StageRecord<ScsiAttachment>,
  signal?: AbortSignal,
): Promise<void> {
  const { host } = context;
  const wwid = wwidOfSerial(attachment.serial);
  const before = await findMap(host, wwid);
  if (!before || before.name !== device) return;
  // Paths of another array must not come into our map.
  await refuseOtherTargets(host, { attachment, wwid });
  for (const { hctl } of await devicesWithWwid(host, wwid)) await reviveDevice(host, hctl, signal);
  const reachable = await reachablePart(host, attachment);
  if (!reachable) return;
  const paths = await context.targets.using(
    iqnsOf(attachment),
    () =>
      openPaths(context, { attachment: reachable, wwid, multipath: true, isAgain: true }, signal),
  );
  const map = await mapOver(context, { wwid, paths, multipath: true }, signal);
  const isSmall = map &&
    (await readBlockDevice(host, map.name)).sizeBytes <
      Math.max(...paths.map(({ sizeBytes }) => sizeBytes));
  if (isSmall) await growOverPaths(context, map.name, signal);
}

/**
 * The attachment with only those iSCSI targets that have a live session: logins are another work of
 * the healer's. `undefined` when no target has one.
 */
async function reachablePart(
  host: Host,
  attachment: ScsiAttachment,
): Promise<ScsiAttachment | undefined> {
  if (!("targets" in attachment)) return attachment;
  const live = (await listSessions(host)).filter(({ state }) => state === "LOGGED_IN");
  const targets = attachment.targets.filter((target) =>
    live.some((session) => isSessionTo(session, target))
  );
  return targets.length > 0 ? { ...attachment, targets } : undefined;
}
