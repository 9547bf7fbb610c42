import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import type { Logger } from "../log.ts";
import { findBlockDevice } from "./block_device.ts";
import { type Host, peekHostText } from "./host.ts";

const SCAN_TIMEOUT_MS = 5_000;
/** What only looks at a new or changed device has closed it by then. */
const GLANCE_MS = 2_000;
/** They hold devices open to watch them, and let go of one that is taken away. */
const WATCHERS = /^(multipathd|systemd-udevd|udevd|\(udev-worker\)|udisksd|smartd)$/;
/**
 * Prints number and process of every block device that is open, whatever the path is by which its
 * process has opened it: a container has nodes of its own.
 */
const SCAN = `for fd in /proc/[0-9]*/fd/*; do
[ -b "$fd" ] && stat -L --format="%t:%T $fd" "$fd" 2>/dev/null
done
exit 0`;

/** A process that has a block device open. */
interface Opener {
  /** Number of the device: `259:4`. */
  majorMinor: string;
  pid: string;
  /** Name of the program. */
  name: string;
}

/** A host, and where what cannot be found out on it is said. */
interface LoggedHost {
  host: Host;
  log: Logger;
}

/**
 * Throws `in_use` while a process of this machine has the device open: the kernel lets a disk or a
 * namespace go from under it. Programs that only watch devices do not count. When nobody can tell,
 * as while another file of some process hangs, it is said in the log and does not count either.
 */
export async function refuseOpenDevice(
  { host, log }: LoggedHost,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const device = await findBlockDevice(host, name);
  if (!device) return;
  let opener: Opener | undefined;
  const isClosed = async () => {
    opener = (await openersOf({ host, log }, [device.majorMinor], signal))[0];
    return opener === undefined;
  };
  try {
    await until(`close of ${name}`, isClosed, { timeoutMs: GLANCE_MS, intervalMs: 200, signal });
  } catch (error) {
    if (!opener || signal?.aborted || !isPsoError(error, "timeout")) throw error;
    throw new PsoError(
      "in_use",
      `device ${name} is still open in process ${opener.pid} (${opener.name}): end it, then it ` +
        "will be tried again",
    );
  }
}

/** The processes that have one of these devices open; none when that cannot be found out. */
export async function openersOf(
  { host, log }: LoggedHost,
  numbers: readonly string[],
  signal?: AbortSignal,
): Promise<Opener[]> {
  let text: string;
  try {
    const options = { timeoutMs: SCAN_TIMEOUT_MS, signal, shownAs: "look for open devices" };
    text = (await host.run("sh", ["-c", SCAN], options)).stdout;
  } catch (error) {
    if (signal?.aborted) throw error;
    log.warn("open devices not looked for", { reason: messageOf(error) });
    return [];
  }
  return parseOpeners(text).filter(({ majorMinor }) => numbers.includes(majorMinor))
    .map((one) => ({ ...one, name: peekHostText(host, `/proc/${one.pid}/comm`) ?? "ended" }))
    .filter(({ name }) => !WATCHERS.test(name));
}

/** Reads `103:4 /proc/812/fd/3`, whose numbers are in hex (stat(1), %t and %T). */
function parseOpeners(text: string): Omit<Opener, "name">[] {
  return [...text.matchAll(/^([0-9a-f]+):([0-9a-f]+) \/proc\/(\d+)\/fd\/\d+$/gm)].map((
    [, major = "", minor = "", pid = ""],
  ) => ({ majorMinor: `${parseInt(major, 16)}:${parseInt(minor, 16)}`, pid }));
}
