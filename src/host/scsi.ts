import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import { type Host, hostPath, listHostFolder, readHostText } from "./host.ts";
import { readHostLink, writeSysfs } from "./sysfs.ts";

const DEVICES = "/sys/class/scsi_device";
/**
 * The kernel answers these writes only when the device has answered or its transport has given up.
 * A dead path must not delay the good ones for longer than this.
 */
const RESCAN_TIMEOUT_MS = 15_000;
const SCAN_TIMEOUT_MS = 15_000;
const DELETE_TIMEOUT_MS = 20_000;
/**
 * The WWID of every FlashArray volume, and of nothing else: udev's 3, NAA type 6, the vendor's OUI
 * 24a937, a 0, and the serial number.
 */
const PURE = /^3624a9370[0-9a-f]{24}$/;

/** The address of a SCSI device: the kernel's `host:channel:target:lun`. */
export interface ScsiPlace {
  host: number;
  channel: number;
  target: number;
  lun: number;
}

/** One SCSI device; of a FlashArray volume it is one path. */
export interface ScsiDevice extends ScsiPlace {
  /** `3:0:0:12` */
  hctl: string;
  /**
   * As udev and multipath write it: `3` and the NAA number. Absent when the kernel could not read
   * the device's VPD page 0x83.
   */
  wwid?: string;
  /** Kernel name of its block device, `sdc`; absent until the kernel has made one. */
  name?: string;
  /**
   * Its folder in sysfs. It tells the transport: `/session4/` is in it for iSCSI, `/rport-2:0-1/`
   * for FC.
   */
  route: string;
}

/** The address as sysfs names it: `3:0:0:12`. */
export function hctlOf({ host, channel, target, lun }: ScsiPlace): string {
  return `${host}:${channel}:${target}:${lun}`;
}

/** LUNs from here on do not fit into the short form of an address (SAM-5 4.7). */
const FIRST_LONG_LUN = 256;
/** What the kernel adds to a LUN that a target shows in flat space addressing. */
const FLAT = 16_384;

/**
 * The addresses at which a LUN can be, the likeliest first: up to 255 there is one. From 256 on an
 * array may show the LUN in either of two forms, and the kernel takes the form as a part of the
 * number (scsilun_to_int): LUN 300 is 16684 in flat space addressing, else 300. A target that knows
 * only the flat form may take the other for bus 1, LUN 44, so only the WWID tells what is there.
 */
export function formsOf(place: ScsiPlace): ScsiPlace[] {
  return place.lun < FIRST_LONG_LUN ? [place] : [{ ...place, lun: FLAT + place.lun }, place];
}

/** The LUN as the array knows it, of an address of either form. */
export function lunOf({ lun }: ScsiPlace): number {
  return lun % FLAT;
}

/**
 * The WWID of the FlashArray volume with this serial number. `invalid` when the serial number is
 * not 24 hex digits.
 */
export function wwidOfSerial(serial: string): string {
  const wwid = `3624a9370${serial.toLowerCase()}`;
  if (isPureWwid(wwid)) return wwid;
  throw new PsoError(
    "invalid",
    `serial ${JSON.stringify(serial)} is not that of a FlashArray volume, which has 24 hex ` +
      "digits: publish the volume again",
  );
}

/** True for the WWID of a FlashArray volume. No other SCSI device is ever touched. */
export function isPureWwid(wwid: string | undefined): wwid is string {
  return wwid !== undefined && PURE.test(wwid);
}

/**
 * The WWID in a VPD page 0x83 (SPC-4 7.8.6): `3` and the NAA number of the logical unit, as udev
 * writes it. A number of 16 bytes is preferred to one of 8. `undefined` when the page has none.
 */
export function naaOfPage83(page: Uint8Array): string | undefined {
  const found: string[] = [];
  const end = Math.min(page.length, 4 + ((page[2] ?? 0) << 8) + (page[3] ?? 0));
  for (let at = 4; at + 4 <= end; at += 4 + (page[at + 3] ?? 0)) {
    const kind = page[at + 1] ?? 0;
    const isUnit = (kind & 0x30) === 0; // association 0: names the logical unit, not a port
    if (isUnit && (kind & 0x0f) === 3) {
      found.push(`3${page.subarray(at + 4, at + 4 + (page[at + 3] ?? 0)).toHex()}`);
    }
  }
  return found.find((one) => one.length === 33) ?? found[0];
}

/**
 * The WWID as udev and multipath write it, from the text that sysfs shows as `wwid`; `undefined`
 * for a text that is no NAA number.
 */
export function wwidOfText(text: string | undefined): string | undefined {
  return text?.startsWith("naa.") ? `3${text.slice(4).toLowerCase()}` : undefined;
}

/**
 * The WWID that the kernel read when it found the device. The array may show another volume there
 * by now: rescanDevice() makes the kernel read it again.
 */
async function readWwid(host: Host, hctl: string): Promise<string | undefined> {
  try {
    const wwid = wwidOfText(await readHostText(host, `${DEVICES}/${hctl}/device/wwid`));
    if (wwid !== undefined) return wwid;
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error; // EINVAL: the device has no page 0x83
  }
  try {
    return naaOfPage83(await Deno.readFile(hostPath(host, `${DEVICES}/${hctl}/device/vpd_pg83`)));
  } catch {
    return undefined; // a device of unknown identity is never used
  }
}

/** The device at an address of the form `3:0:0:12`; `undefined` when the kernel has none there. */
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

/**
 * All SCSI devices for which the kernel holds this WWID. It may hold an old one: see
 * rescanDevice().
 */
export async function devicesWithWwid(host: Host, wwid: string): Promise<ScsiDevice[]> {
  const found: ScsiDevice[] = [];
  for (const hctl of await listHostFolder(host, DEVICES)) {
    if (await readWwid(host, hctl) !== wwid) continue;
    const device = await findScsiDevice(host, hctl);
    if (device) found.push(device);
  }
  return found;
}

/** `route` of every SCSI device: it tells which sessions and ports still carry a device. */
export async function scsiRoutes(host: Host): Promise<string[]> {
  const routes = await Promise.all(
    (await listHostFolder(host, DEVICES)).map((hctl) => readHostLink(host, `${DEVICES}/${hctl}`)),
  );
  return routes.filter((route) => route !== undefined);
}

/** The SCSI device of a disk such as `sdc`; `undefined` for partitions and all other devices. */
export async function scsiDeviceOf(host: Host, name: string): Promise<ScsiDevice | undefined> {
  if (!/^sd[a-z]+$/.test(name)) return undefined;
  const hctl = (await readHostLink(host, `/sys/class/block/${name}/device`))?.split("/").at(-1);
  return hctl === undefined ? undefined : await findScsiDevice(host, hctl);
}

/**
 * Makes the kernel read identity and size of a device again. It holds those of the last scan, and
 * the array may show another volume at the same LUN by now. A device that does not answer keeps the
 * old ones.
 */
export async function rescanDevice(host: Host, hctl: string, signal?: AbortSignal): Promise<void> {
  await writeSysfs(host, `${DEVICES}/${hctl}/device/rescan`, {
    value: "1",
    timeoutMs: RESCAN_TIMEOUT_MS,
    signal,
  });
}

/**
 * Makes the kernel use a device again that it took off line after errors, which it never does by
 * itself. Changes no other state than `offline`. A device that is still dead goes off line again at
 * its next command.
 */
export async function reviveDevice(host: Host, hctl: string, signal?: AbortSignal): Promise<void> {
  const path = `${DEVICES}/${hctl}/device/state`;
  if (await readHostText(host, path) !== "offline") return;
  await writeSysfs(host, path, { value: "running", timeoutMs: RESCAN_TIMEOUT_MS, signal });
}

/**
 * Removes one device from the kernel, and proves by sysfs that it is gone. A device that is gone
 * already is success. Call it only for a device that nothing uses: the kernel removes it even while
 * it is mounted, and loses what was not written back. `timeout` when it stays.
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
 * Makes the kernel look for a device at one address, and at no other. False when the SCSI host is
 * going away or refuses, so that one bad host does not fail the scan of the others. A device that
 * was found is in sysfs when this returns; its block device comes a moment later. `timeout` when
 * the scan does not end.
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
    if (isPsoError(error, "unavailable")) return false; // EINVAL: the host is going away
    throw new PsoError(
      "timeout",
      `the scan of SCSI address ${hctlOf(place)} did not end: ${messageOf(error)}; check the ` +
        `paths of SCSI host ${place.host}`,
      { cause: error },
    );
  }
}
