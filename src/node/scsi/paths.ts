import { isPsoError, PsoError } from "../../errors.ts";
import { readBlockDevice } from "../../host/block_device.ts";
import type { Host } from "../../host/host.ts";
import { dropPath, mapOfPath } from "../../host/multipath.ts";
import {
  deleteDevice,
  findScsiDevice,
  formsOf,
  hctlOf,
  lunOf,
  rescanDevice,
  scanPlace,
  type ScsiDevice,
  type ScsiPlace,
} from "../../host/scsi.ts";
import { until } from "../../async/wait.ts";
import type { NodeContext } from "../context.ts";

/** A scanned device is in sysfs at once; its disk follows when the disk driver has read it. */
const DISK_TIMEOUT_MS = 20_000;

/** One proven path to a volume. */
export interface Path {
  /** Kernel name of the disk: `sdc`. */
  name: string;
  hctl: string;
  sizeBytes: number;
}

/** The volume that a path must lead to. */
interface WantedVolume {
  wwid: string;
  signal?: AbortSignal;
}

/**
 * One path to a volume at a LUN, by whichever form of the address the array shows it: see
 * formsOf(). A form by which the volume is there already is taken first. `unavailable` with what
 * each form showed when the path cannot be used.
 */
export async function openPath(
  context: Pick<NodeContext, "host" | "targets">,
  place: ScsiPlace,
  wanted: WantedVolume,
): Promise<Path> {
  const { host } = context;
  const forms = formsOf(place);
  const shown = await Promise.all(forms.map((form) => findScsiDevice(host, hctlOf(form))));
  const isThere = (at: number) => shown[at]?.wwid === wanted.wwid;
  const ordered = [
    ...forms.filter((_, at) => isThere(at)),
    ...forms.filter((_, at) => !isThere(at)),
  ];
  const failures: PsoError[] = [];
  for (const form of ordered) {
    try {
      return await openAt(context, form, wanted);
    } catch (error) {
      if (!isPsoError(error, "unavailable") || forms.length === 1) throw error;
      failures.push(error);
    }
  }
  throw new PsoError("unavailable", failures.map(({ message }) => message).join("; "), {
    cause: failures[0],
  });
}

/**
 * Makes one path to a volume appear, or takes the one that is there, and proves by its WWID that it
 * leads to this very volume. A device of another volume that is left from an earlier use of the LUN
 * is taken away first, out of its map and out of the kernel: its old map would write to the new
 * volume. A device that still answers as another volume is live, and left alone. `unavailable` when
 * the path cannot be used.
 */
async function openAt(
  { host, targets }: Pick<NodeContext, "host" | "targets">,
  place: ScsiPlace,
  { wwid, signal }: WantedVolume,
): Promise<Path> {
  const hctl = hctlOf(place);
  // The kernel does the scans of one SCSI host one after another. Many that waited for their turn
  // in the kernel would run out of time together; here only the running one counts its time.
  const scan = () =>
    targets.inTurnUnlessHung(
      `scan of SCSI host ${place.host}`,
      () => scanPlace(host, place, signal),
      signal,
    );
  const before = await findScsiDevice(host, hctl);
  if (before) {
    // Ask the device anew: what the kernel knows of it is from the last scan.
    await rescanDevice(host, hctl, signal);
    const now = await findScsiDevice(host, hctl);
    const isStale = before.wwid !== wwid && now?.wwid === wwid;
    const isOther = now?.wwid !== undefined && now.wwid !== wwid;
    if (isOther && await isAnswering(host, hctl, signal)) throw otherVolume(now, wwid);
    if (isStale || isOther || await isOfOtherMap(host, { device: now, wwid })) {
      await purge(host, before, signal);
    }
  }
  if (!await findScsiDevice(host, hctl) && !await scan()) {
    throw new PsoError(
      "unavailable",
      `SCSI host ${place.host} takes no scan for ${hctl}, because it is gone or being taken away: ` +
        "check the network to the array; kubelet will try again",
    );
  }
  const device = await findScsiDevice(host, hctl);
  if (!device) {
    throw new PsoError(
      "unavailable",
      `nothing answers at ${hctl}: the array shows no LUN ${lunOf(place)} to this host by this ` +
        "path; check the host object on the array",
    );
  }
  if (device.wwid === undefined) {
    throw new PsoError(
      "unavailable",
      `the device at ${hctl} does not say which volume it is (VPD page 0x83): see the kernel's log ` +
        "for its errors; kubelet will try again",
    );
  }
  if (device.wwid !== wwid) throw otherVolume(device, wwid);
  const name = await diskOf(host, hctl, signal);
  return { name, hctl, sizeBytes: (await readBlockDevice(host, name)).sizeBytes };
}

/**
 * The disk of a SCSI device of ours, once the disk driver has made it. A device that gets none is
 * taken away, as nothing can use it and a scan passes over what is there: `unavailable`.
 */
async function diskOf(host: Host, hctl: string, signal?: AbortSignal): Promise<string> {
  const find = async () => (await findScsiDevice(host, hctl))?.name;
  try {
    return await until(`disk of SCSI device ${hctl}`, find, { timeoutMs: DISK_TIMEOUT_MS, signal });
  } catch (error) {
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    await deleteDevice(host, hctl, signal);
    throw new PsoError(
      "unavailable",
      `SCSI device ${hctl} got no disk within ${DISK_TIMEOUT_MS} ms and was taken away: see the ` +
        "kernel's log; kubelet will try again",
      { cause: error },
    );
  }
}

function otherVolume(device: ScsiDevice, wwid: string): PsoError {
  return new PsoError(
    "unavailable",
    `the device at ${device.hctl} is volume ${device.wwid}, and the array was to show ${wwid} ` +
      "there: check the LUNs of this node's host on the array; kubelet will try again",
  );
}

/**
 * Whether a device answers for what the kernel takes it for. A LUN that was taken away keeps its
 * old identity in the kernel, also after a rescan; a read tells.
 */
async function isAnswering(host: Host, hctl: string, signal?: AbortSignal): Promise<boolean> {
  const name = (await findScsiDevice(host, hctl))?.name;
  if (name === undefined) return false;
  const { code } = await host.run("dd", [
    `if=/dev/${name}`,
    "of=/dev/null",
    "bs=4096",
    "count=1",
    "iflag=direct",
  ], {
    okCodes: [0, 1],
    timeoutMs: 10_000,
    signal,
  });
  return code === 0;
}

/** Whether a path that leads to our volume is still in the map of another one. */
async function isOfOtherMap(
  host: Host,
  { device, wwid }: { device?: ScsiDevice; wwid: string },
): Promise<boolean> {
  if (device?.name === undefined || device.wwid !== wwid) return false;
  const map = await mapOfPath(host, device.name);
  return map !== undefined && map.wwid !== wwid;
}

/** Takes one path away, out of its map first: the kernel asks nobody. Gone already is success. */
export async function purge(
  host: Host,
  device: { name?: string; hctl: string },
  signal?: AbortSignal,
): Promise<void> {
  if (device.name !== undefined && await mapOfPath(host, device.name)) {
    await dropPath(host, device.name, signal);
  }
  await deleteDevice(host, device.hctl, signal);
}

/**
 * Every path must show the volume in the size of the largest: a map over paths of different sizes
 * loses what is beyond the smallest.
 */
export function commonSize(paths: Path[]): number {
  const sizes = [...new Set(paths.map((path) => path.sizeBytes))];
  const [size] = sizes;
  if (size !== undefined && sizes.length === 1) return size;
  const shown = paths.map((path) => `${path.name} (${path.hctl}) ${path.sizeBytes}`).join(", ");
  throw new PsoError(
    "unavailable",
    `the paths of one volume have different sizes in bytes: ${shown}; a path that did not answer ` +
      "the rescan keeps its old size: check the network to the array; kubelet will try again",
  );
}
