import { allEnded } from "../../async/all_ended.ts";
import { PsoError } from "../../errors.ts";
import { findBlockDevice, refuseLiveFileSystem } from "../../host/block_device.ts";
import { holderAdvice, refuseUsedPartitions } from "../../host/holders.ts";
import { type Host, listHostFolder } from "../../host/host.ts";
import { mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import {
  findMap,
  isMultipathRunning,
  readMap,
  removeMap,
  untilForgotten,
} from "../../host/multipath.ts";
import { refuseOpenDevice } from "../../host/open_device.ts";
import {
  deleteDevice,
  devicesWithWwid,
  isPureWwid,
  type ScsiDevice,
  scsiDeviceOf,
} from "../../host/scsi.ts";
import type { NodeContext } from "../context.ts";
import { flushForRemoval } from "../flush.ts";

/** The WWID behind a map or a disk; `undefined` for every other device. */
export async function wwidOfDevice(host: Host, deviceName: string): Promise<string | undefined> {
  return (await readMap(host, deviceName))?.wwid ?? (await scsiDeviceOf(host, deviceName))?.wwid;
}

/**
 * Takes map and paths of a volume away, by its WWID: every path, also one that is in no map. A path
 * of another volume that is in the map by mistake stays. `in_use` while anything stands on the map
 * or mounts a path.
 */
export async function detachScsi(
  { host, log }: Pick<NodeContext, "host" | "log">,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  const wwid = await wwidOfDevice(host, deviceName);
  if (wwid === undefined && !await findBlockDevice(host, deviceName)) return;
  if (!isPureWwid(wwid)) {
    throw new PsoError(
      "in_use",
      `device ${deviceName} (${wwid ?? "unknown"}) is no volume of a FlashArray and is not taken ` +
        "away: see what it is with lsblk, and detach it by hand if nothing needs it",
    );
  }
  await refuseMountedPaths(host, await devicesWithWwid(host, wwid));
  await refuseLiveFileSystem(host, deviceName);
  await flushForRemoval({ host, log }, { device: deviceName, wwid }, signal);
  // A map that is open refuses to go; the kernel takes a disk away from whoever has it open.
  if (!await findMap(host, wwid)) await refuseOpenDevice(host, deviceName, signal);
  // Looked for once more: after a stage that died, multipathd may just have made the map.
  const map = await findMap(host, wwid);
  if (map) await removeMap(host, map.name, signal);
  // Read again: removing the map may take as long as a device needs to come or go.
  const devices = await devicesWithWwid(host, wwid);
  await refuseHeldPaths(host, devices);
  await allEnded(devices.map((device) => deleteDevice(host, device.hctl, signal)));
  if (map && await isMultipathRunning(host, signal)) await untilForgotten(host, wwid, signal);
}

async function refuseMountedPaths(host: Host, devices: ScsiDevice[]): Promise<void> {
  const mounts = await readMounts(host);
  for (const { name } of devices) {
    const device = name === undefined ? undefined : await findBlockDevice(host, name);
    const [mounted] = device ? mountsOfDevice(mounts, device) : [];
    if (mounted) {
      throw new PsoError(
        "in_use",
        `path ${name} is still mounted at ${mounted.target}: unmount it there first`,
      );
    }
    if (name !== undefined) await refuseUsedPartitions(host, name);
  }
}

async function refuseHeldPaths(host: Host, devices: ScsiDevice[]): Promise<void> {
  for (const { name, wwid } of devices) {
    if (name === undefined) continue;
    const [holder] = await listHostFolder(host, `/sys/class/block/${name}/holders`);
    if (holder === undefined) continue;
    throw new PsoError(
      "in_use",
      `path ${name} of volume ${wwid} is ${await holderAdvice(host, holder)}`,
    );
  }
}
