import { findMap } from "../../host/multipath.ts";
import { deleteDevice, devicesWithWwid, isPureWwid, wwidOfSerial } from "../../host/scsi.ts";
import type { NodeContext } from "../context.ts";
import type { BlockConnection, ScsiAttachment } from "../protocol.ts";
import type { StageRecord } from "../stage_record.ts";
import { attachScsi } from "./attach.ts";
import { detachScsi, wwidOfDevice } from "./detach.ts";
import { lookAtScsi, unknownMaps } from "./health.ts";
import { growOverPaths } from "./map.ts";
import { refuseOtherTargets } from "./other_targets.ts";
import { repairPaths } from "./repair.ts";
import { endIdleSessions, idleSessionNames } from "./sessions.ts";

/**
 * Volumes by SCSI: iSCSI and Fibre Channel, with one multipath map over their paths. Identity is
 * the WWID alone, never a LUN.
 */
export const scsiBlock: BlockConnection<ScsiAttachment> = {
  attach: attachScsi,
  isDeviceOf: async ({ host }, { attachment, device }) =>
    await wwidOfDevice(host, device) === wwidOfSerial(attachment.serial),
  grow: growOverPaths,
  devicesOf,
  owns: async ({ host }, deviceName) => isPureWwid(await wwidOfDevice(host, deviceName)),
  detach: detachScsi,
  look: (context, volume) => Promise.resolve(lookAtScsi(context, volume)),
  repair: repairPaths,
  idle: (context, seen) => Promise.resolve(idleSessionNames(context, seen)),
  tidy: endIdleSessions,
  forgetEnded: () => Promise.resolve(), // the kernel shows with each session whether it is ours
  unknownDevices: unknownMaps,
};

async function devicesOf(
  { host }: NodeContext,
  { attachment }: StageRecord<ScsiAttachment>,
  signal?: AbortSignal,
): Promise<string[]> {
  const wwid = wwidOfSerial(attachment.serial);
  // A device of this WWID may be another array's: it is not ours to take away, nor is a map that
  // holds paths of both arrays.
  await refuseOtherTargets(host, { attachment, wwid });
  const map = await findMap(host, wwid);
  const devices = await devicesWithWwid(host, wwid);
  // Nobody can name or open a SCSI device that has no disk: it would keep its session for ever.
  for (const { name, hctl } of devices) {
    if (name === undefined) await deleteDevice(host, hctl, signal);
  }
  return map ? [map.name] : devices.flatMap(({ name }) => name ?? []);
}
