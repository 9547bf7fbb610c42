import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import { type Host, hostPath, listHostFolder, readHostText } from "./host.ts";
import { readHostLink, writeSysfs } from "./sysfs.ts";

const DEVICES = "/sys/class/scsi_device";
/**
 * A path whose device does not answer holds these up for as long as its transport waits; the other
 * paths must not wait for it.
 */
const RESCAN_TIMEOUT_MS = 15_000;
const SCAN_TIMEOUT_MS = 15_000;
const DELETE_TIMEOUT_MS = 20_000;
/**
 * NAA 6, the vendor's OUI 24a937 and the 0 before the serial number: every FlashArray volume, and
 * nothing else.
 */
const PURE = /^3624a9370[0-9a-f]{24}$/;

/** Where a SCSI device answers: the kernel's `host:channel:target:lun`. */
export interface ScsiPlace {
  host: number;
  channel: number;
  target: number;
  lun: number;
}

/** One SCSI device, that is one path to a volume. */
export interface ScsiDevice extends ScsiPlace {
  /** `3:0:0:12` */
  hctl: string;
  /**
   * As udev and multipath write it: `3` before the NAA number. Absent when the kernel could not
   * read page 0x83.
   */
  wwid?: string;
  /** Kernel name of its block device, `sdc`; absent while it has none. */
  name?: string;
  /**
   * Its place in sysfs, which tells its transport: `/session4/` for iSCSI, `/rport-2:0-1/` for FC.
   */
  route: string;
}

/** `3:0:0:12` */
export function hctlOf({ host, channel, target, lun }: ScsiPlace): string {
  return `${host}:${channel}:${target}:${lun}`;
}

/** The WWID of a FlashArray volume. `invalid` for what is not 24 hex digits. */
export function wwidOfSerial(serial: string): string {
  const wwid = `3624a9370${serial.toLowerCase()}`;
  if (isPureWwid(wwid)) return wwid;
  throw new PsoError(
    "invalid",
    `serial ${JSON.stringify(serial)} is none of a FlashArray volume: 24 hex digits are wanted`,
  );
}

/** True for the WWID of a FlashArray volume. Nothing else is ever touched. */
export function isPureWwid(wwid: string | undefined): wwid is string {
  return wwid !== undefined && PURE.test(wwid);
}

/**
 * The NAA number of the logical unit in VPD page 0x83 (SPC-4 7.8.6), with the `3` that udev puts
 * before it. The 16 byte form wins.
 */
export function naaOfPage83(page: Uint8Array): string | undefined {
  const found: string[] = [];
  const end = Math.min(page.length, 4 + ((page[2] ?? 0) << 8) + (page[3] ?? 0));
  for (let at = 4; at + 4 <= end; at += 4 + (page[at + 3] ?? 0)) {
    const kind = page[at + 1] ?? 0;
    const isUnit = (kind & 0x30) === 0; // association 0: the logical unit, neither port nor target
    if (isUnit && (kind & 0x0f) === 3) {
      found.push(`3${page.subarray(at + 4, at + 4 + (page[at + 3] ?? 0)).toHex()}`);
    }
  }
  return found.find((one) => one.length === 33) ?? found[0];
}

/**
 * What sysfs shows as `wwid` of a SCSI device, as udev and multipath write it; `undefined` for
 * other kinds of names.
 */
export function wwidOfText(text: string | undefined): string | undefined {
  return text?.startsWith("naa.") ? `3${text.slice(4).toLowerCase()}` : undefined;
}

/**
 * The identity that the kernel holds for a device; it may be older than what the array shows there
 * now (see rescanDevice).
 */
async function readWwid(host: Host, hctl: string): Promise<string | undefined> {
  try {
    const wwid = wwidOfText(await readHostText(host, `${DEVICES}/${hctl}/device/wwid`));
    if (wwid !== undefined) return wwid;
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error; // EINVAL: the device gave no page 0x83
  }
  try {
    return naaOfPage83(await Deno.readFile(hostPath(host, `${DEVICES}/${hctl}/device/vpd_pg83`)));
  } catch {
    return undefined; // unknown: nobody takes it for anything
  }
}

/** The device at an address; `undefined` when the kernel has none there. */
export async function findScsiDevice(host: Host, hctl: string): Promise<ScsiDevice | undefined> {
  const route = await readHostLink(host, `${DEVICES}/${hctl}`);
  const [scsiHost, channel, target, lun] = hctl.split(":").map(Number);
  if (
    route === undefined || scsiHost === undefined || channel === undefined ||
    target === undefined || lun === undefined
  ) return undefined;
  const [wwid, names] = await Promise.all([
    readWwid(host, hctl),
    listHostFolder(host, `${DEVICES}/${hctl}/device/block`),
  ]);
  return { hctl, host: scsiHost, channel, target, lun, wwid, name: names[0], route };
}

/** All SCSI devices with this WWID, by what the kernel holds. */
export async function devicesWithWwid(host: Host, wwid: string): Promise<ScsiDevice[]> {
  const found: ScsiDevice[] = [];
  for (const hctl of await listHostFolder(host, DEVICES)) {
    if (await readWwid(host, hctl) !== wwid) continue;
    const device = await findScsiDevice(host, hctl);
    if (device) found.push(device);
  }
  return found;
}

/** The routes of all SCSI devices: which transports still carry any. */
export async function scsiRoutes(host: Host): Promise<string[]> {
  const routes = await Promise.all(
    (await listHostFolder(host, DEVICES)).map((hctl) => readHostLink(host, `${DEVICES}/${hctl}`)),
  );
  return routes.filter((route) => route !== undefined);
}

/** The SCSI device behind a block device such as `sdc`; `undefined` for other kinds of devices. */
export async function scsiDeviceOf(host: Host, name: string): Promise<ScsiDevice | undefined> {
  if (!/^sd[a-z]+$/.test(name)) return undefined;
  const hctl = (await readHostLink(host, `/sys/class/block/${name}/device`))?.split("/").at(-1);
  return hctl === undefined ? undefined : await findScsiDevice(host, hctl);
}

/**
 * Lets the kernel read identity and size of a device anew: what it holds is from the last scan, and
 * the array may show another volume at the same LUN by now. What the device does not answer stays
 * as it was.
 */
export async function rescanDevice(host: Host, hctl: string, signal?: AbortSignal): Promise<void> {
  await writeSysfs(host, `${DEVICES}/${hctl}/device/rescan`, {
    value: "1",
    timeoutMs: RESCAN_TIMEOUT_MS,
    signal,
  });
}

/**
 * Lets a device run again that the kernel took off line after errors; nothing else ever does. Only
 * the state `offline` is changed, and a device that is still dead goes off line again at its next
 * command.
 */
export async function reviveDevice(host: Host, hctl: string, signal?: AbortSignal): Promise<void> {
  const path = `${DEVICES}/${hctl}/device/state`;
  if (await readHostText(host, path) !== "offline") return;
  await writeSysfs(host, path, { value: "running", timeoutMs: RESCAN_TIMEOUT_MS, signal });
}

/**
 * Takes one path away and proves by sysfs that it is gone. Gone already is success. Only call it
 * for a device that nothing uses: the kernel does not ask. `unavailable` when it stays.
 */
export async function deleteDevice(host: Host, hctl: string, signal?: AbortSignal): Promise<void> {
  const isGone = async () => await readHostLink(host, `${DEVICES}/${hctl}`) === undefined;
  if (await isGone()) return;
  try {
    await writeSysfs(host, `${DEVICES}/${hctl}/device/delete`, {
      value: "1",
      timeoutMs: DELETE_TIMEOUT_MS,
      signal,
    });
  } catch (error) {
    if (!isPsoError(error, "unavailable") || !await isGone()) throw error;
  }
  await until(`removal of SCSI device ${hctl}`, isGone, { timeoutMs: DELETE_TIMEOUT_MS, signal });
}

/**
 * Looks for a device at one address, and at no other. `false` when the SCSI host is dead or
 * refuses: one bad host must not fail the others. What was found is in sysfs when this returns, but
 * for the block device, which comes a moment later.
 */
export async function scanPlace(
  host: Host,
  place: ScsiPlace,
  signal?: AbortSignal,
): Promise<boolean> {
  const folder = `/sys/class/scsi_host/host${place.host}`;
  const state = await readHostText(host, `${folder}/state`);
  if (state === undefined || state === "deleted" || state === "cancel") return false;
  try {
    const value = `${place.channel} ${place.target} ${place.lun}`;
    await writeSysfs(host, `${folder}/scan`, { value, timeoutMs: SCAN_TIMEOUT_MS, signal });
    return true;
  } catch (error) {
    if (isPsoError(error, "unavailable")) return false; // EINVAL of a host that is being taken away
    throw new PsoError("timeout", `scan of ${hctlOf(place)} did not end: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
