import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import { type BlockDevice, findBlockDevice, partitionsOf } from "./block_device.ts";
import { type Host, peekHostText } from "./host.ts";

const SCAN_TIMEOUT_MS = 5_000;
/** What only looks at a new or changed device has closed it by then. */
const GLANCE_MS = 2_000;
const SECTOR_BYTES = 512;
/** They hold devices open to watch them, and let go of one that is taken away. */
const WATCHERS = /^(multipathd|systemd-udevd|udevd|\(udev-worker\)|udisksd|smartd)$/;
/**
 * Prints number and process of every block device that is open, whatever the path is by which its
 * process has opened it: a container has nodes of its own. Then the same for the devices below loop
 * devices, which no process has open; `?` for a loop device whose file is not to be found here. The
 * kernel answers `--cached=always` from memory: a file of a server that is gone stops no scan. The
 * first and the last line prove that stat(1) works and that nothing was left out.
 */
const SCAN = `cached=--cached=always
stat $cached / >/dev/null 2>&1 || cached=
stat -L $cached --format="works %t:%T" /dev/null || exit 1
look() {
[ -n "$list" ] || return
stat -L $cached --format="%f %t:%T %n" $list 2>/dev/null
[ $? -le 1 ] || echo failed
list= n=0
}
list= n=0
{
for fd in /proc/[0-9]*/fd/*; do
list="$list $fd" n=$((n + 1))
[ $n -lt 500 ] || look
done
look
for file in /sys/block/loop*/loop/backing_file; do
IFS= read -r path 2>/dev/null <"$file" || continue
stat -L $cached --format="%f %t:%T $file" "$path" 2>/dev/null || echo "? $file"
done
echo whole
} | grep -v "^[1248ac]"`;

/** What has a block device open. */
interface Opener {
  /** `process 812 (fio)` */
  shown: string;
  cure: string;
}

/** What the scan says of one open file or loop device. */
interface ScanRow {
  /** Number of the device: `259:4`; `undefined` for a loop device whose file was not found. */
  majorMinor?: string;
  pid?: string;
  loop?: string;
}

/**
 * Throws `in_use` while a process or a loop device of this machine has the device or a partition of
 * it open: the kernel lets a disk or a namespace go from under it. Programs that only watch devices
 * do not count. When nobody can tell, the device counts as open.
 */
export async function refuseOpenDevice(
  host: Host,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const device = await findBlockDevice(host, name);
  if (!device) return;
  const devices = [device, ...await partitionsOf(host, name)];
  let opener: Opener | undefined;
  const isClosed = async () => {
    opener = (await openersOf(host, devices, signal))[0];
    return opener === undefined;
  };
  try {
    await until(`close of ${name}`, isClosed, { timeoutMs: GLANCE_MS, intervalMs: 200, signal });
  } catch (error) {
    if (!opener || signal?.aborted || !isPsoError(error, "timeout")) throw error;
    throw new PsoError(
      "in_use",
      `device ${name} is still open in ${opener.shown}: ${opener.cure}, then it will be tried again`,
    );
  }
}

/**
 * The processes and loop devices that have one of these devices open. `in_use` when that cannot be
 * found out.
 */
export async function openersOf(
  host: Host,
  devices: readonly BlockDevice[],
  signal?: AbortSignal,
): Promise<Opener[]> {
  const rows = await scan(host, devices, signal);
  const openers: Opener[] = [];
  for (const { majorMinor, pid, loop } of rows) {
    if (loop !== undefined) {
      const isOn = devices.some((device) =>
        majorMinor === undefined
          ? reachesTo(host, loop) === device.sizeBytes
          : majorMinor === device.majorMinor
      );
      const file = peekHostText(host, `/sys/block/${loop}/loop/backing_file`);
      const cure = `run losetup --detach /dev/${loop} on this node when nothing needs it`;
      if (isOn) openers.push({ shown: `loop device ${loop} (${file ?? "no file"})`, cure });
    } else if (devices.some((device) => device.majorMinor === majorMinor)) {
      const program = peekHostText(host, `/proc/${pid}/comm`) ?? "ended";
      if (WATCHERS.test(program)) continue;
      openers.push({ shown: `process ${pid} (${program})`, cure: "end it" });
    }
  }
  return openers;
}

async function scan(
  host: Host,
  devices: readonly BlockDevice[],
  signal?: AbortSignal,
): Promise<ScanRow[]> {
  let reason = "the scan of /proc/*/fd and /sys/block/loop* broke off";
  try {
    const options = { timeoutMs: SCAN_TIMEOUT_MS, signal, shownAs: "scan of /proc/*/fd" };
    const { stdout } = await host.run("sh", ["-c", SCAN], options);
    const isWhole = /^works 1:3$/m.test(stdout) && /^whole$/m.test(stdout);
    if (isWhole && !/^failed$/m.test(stdout)) return parseScan(stdout);
  } catch (error) {
    if (signal?.aborted) throw error;
    reason = messageOf(error);
  }
  const names = devices.map(({ name }) => name).join(", ");
  throw new PsoError(
    "in_use",
    `it is not known whether a process has device ${names} open: ${reason}. It stays until ` +
      "/proc/*/fd of this node can be read: see there what hangs, a file of a server that is gone " +
      "for one; it will be tried again",
  );
}

/**
 * The byte at which the file below a loop device ends, as far as the loop device tells: a
 * container's node of a device has no path on the host, but its size.
 */
function reachesTo(host: Host, loop: string): number {
  const sectors = Number(peekHostText(host, `/sys/class/block/${loop}/size`));
  return sectors * SECTOR_BYTES + Number(peekHostText(host, `/sys/block/${loop}/loop/offset`) ?? 0);
}

/**
 * Reads `61b0 103:4 /proc/812/fd/3`, whose numbers are in hex (stat(1), %t and %T),
 * `61b0 8:0 /sys/block/loop5/loop/backing_file`, and `? ` with the latter.
 */
function parseScan(text: string): ScanRow[] {
  const rows = text.matchAll(
    /^(?:\?|6[0-9a-f]{3} ([0-9a-f]+):([0-9a-f]+)) \/(?:proc\/(\d+)\/fd\/\d+|sys\/block\/(loop\d+)\/.+)$/gm,
  );
  return [...rows].map(([, major, minor = "", pid, loop]) => ({
    majorMinor: major && `${parseInt(major, 16)}:${parseInt(minor, 16)}`,
    pid,
    loop,
  }));
}
