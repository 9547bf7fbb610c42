import { PsoError } from "../../errors.ts";
import { fcPortOf } from "../../host/fc.ts";
import type { Host } from "../../host/host.ts";
import { listSessions } from "../../host/iscsi.ts";
import { devicesWithWwid, findScsiDevice } from "../../host/scsi.ts";
import type { ScsiAttachment } from "../protocol.ts";

/**
 * All ports of one FlashArray have the same first 14 of 16 digits: its own number comes before
 * those of controller and port.
 */
const ARRAY_DIGITS = 14;

/**
 * Refuses a volume that another array shows to this node as well. The array is part of a volume's
 * identity: two arrays that show one serial number (a copy of a virtual array, a stretched pod)
 * would be merged into one multipath map, and each write would reach one of them. `in_use` when a
 * device of this WWID is there by a target that the publish context does not name; nothing is
 * touched.
 */
export async function refuseOtherTargets(
  host: Host,
  { attachment, wwid }: { attachment: ScsiAttachment; wwid: string },
): Promise<void> {
  const devices = await devicesWithWwid(host, wwid);
  if (devices.length === 0) return;
  const sessions = await listSessions(host);
  for (const { hctl, route } of devices) {
    const session = sessions.find(({ name }) => route.includes(`/${name}/`));
    const port = session ? undefined : await fcPortOf(host, route);
    if (isNamed(attachment, { iqn: session?.iqn, port })) continue;
    if (!await findScsiDevice(host, hctl)) continue; // it went away meanwhile
    throw new PsoError(
      "in_use",
      `volume ${wwid} is on this node by target ${session?.iqn ?? port ?? "unknown"} (device ` +
        `${hctl}), and the array that it is published by has ${namesOf(attachment).join(", ")}: ` +
        "two arrays must not show one serial number to a node; disconnect the volume that is not " +
        "meant",
    );
  }
}

function isNamed(
  attachment: ScsiAttachment,
  { iqn, port }: { iqn?: string; port?: string },
): boolean {
  if ("targets" in attachment) {
    return attachment.targets.some((target) => target.iqn === iqn);
  }
  return port !== undefined &&
    attachment.wwpns.some((wwpn) => wwpn.slice(0, ARRAY_DIGITS) === port.slice(0, ARRAY_DIGITS));
}

function namesOf(attachment: ScsiAttachment): string[] {
  return "targets" in attachment
    ? [...new Set(attachment.targets.map(({ iqn }) => iqn))]
    : attachment.wwpns;
}
