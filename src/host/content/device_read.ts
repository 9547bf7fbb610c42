import { PsoError } from "../../errors.ts";
import { devicePath } from "../block_device.ts";
import type { Host } from "../host.ts";
import { requireLivePath } from "../live_path.ts";

/** One stretch of a device. */
export interface Area {
  offset: number;
  length: number;
}

/** What readAreas() reads. */
export interface DeviceRead {
  /** Kernel name of the device. */
  name: string;
  areas: readonly Area[];
  /**
   * True: past the cache of this host, from the array (open(2), O_DIRECT); offset and length of
   * each area must fit the blocks of the device then. False: through the cache, which for a mounted
   * file system may be newer than the device.
   */
  direct: boolean;
}

/**
 * A path of a volume that was lost under I/O is replaced within 20 s (the iSCSI replacement
 * time-out below multipath). What takes longer does not come.
 */
const READ_TIMEOUT_MS = 30_000;
/** One dd(1) for each area, all by one shell: its arguments are the device, dd's flags, areas. */
const READ_ALL = `device=$1 flags=$2; shift 2
while [ $# -gt 0 ]; do
dd if="$device" bs="$2" skip="$1" count=1 iflag="$flags" status=none ||
{ echo "at byte $1" >&2; exit 3; }
shift 2
done`;

/**
 * Reads areas of a block device, each to its last byte, in their order. Never in this process: a
 * read of a device that does not answer cannot be ended, and neither can a process that waits in
 * one. `unavailable` when no path to the device is alive (then nothing is read), on an I/O error,
 * and when the device has fewer bytes; `timeout` when it does not answer.
 */
export async function readAreas(
  host: Host,
  { name, areas, direct }: DeviceRead,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  await requireLivePath(host, name);
  const path = devicePath({ name });
  const flags = `skip_bytes,fullblock${direct ? ",direct" : ""}`;
  const places = areas.flatMap(({ offset, length }) => [String(offset), String(length)]);
  const { bytes = new Uint8Array() } = await host.run("sh", [
    "-c",
    READ_ALL,
    "sh",
    path,
    flags,
    ...places,
  ], { timeoutMs: READ_TIMEOUT_MS, signal, binary: true, shownAs: `read of ${path}` });
  const wanted = areas.reduce((sum, { length }) => sum + length, 0);
  // No dd gives more than its area has, so a sum that is right means that each area is whole.
  if (bytes.length !== wanted) {
    throw new PsoError(
      "unavailable",
      `a short read of ${bytes.length} of ${wanted} bytes of ${path}: check its size on the ` +
        "array and the paths to it",
    );
  }
  let start = 0;
  return areas.map(({ length }) => bytes.subarray(start, start += length));
}
