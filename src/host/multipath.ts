import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import { type BlockDevice, readBlockDevice } from "./block_device.ts";
import { hasTool } from "./tools/command.ts";
import { holderAdvice } from "./holders.ts";
import { type Host, hostPath, listHostFolder, readHostText } from "./host.ts";

/** multipathd learns of new paths from udev, which takes long when many come at once. */
const MAP_TIMEOUT_MS = 60_000;
/**
 * When to ask multipathd for a map that it has not made: depending on find_multipaths, it makes a
 * map of a single path only when told to.
 */
const ASK_AFTER_MS = 3_000;
const LINK_TIMEOUT_MS = 30_000;
const REMOVE_TIMEOUT_MS = 30_000;
/** udev opens a new map for a moment to read it, and nobody can remove the map meanwhile. */
const REMOVE_INTERVAL_MS = 300;
const FORGET_TIMEOUT_MS = 20_000;
const DROP_TIMEOUT_MS = 20_000;

/** A multipath map: a device-mapper device whose UUID is `mpath-<WWID>`. */
export interface MultipathMap {
  /** `dm-3` */
  name: string;
  /** Its name below /dev/mapper: the WWID, or a friendly one. */
  alias: string;
  wwid: string;
  /** Kernel names of its paths. */
  paths: string[];
  /** Kernel names of the devices built on it: partitions by kpartx, LVM … */
  holders: string[];
}

/** The map with this kernel name; `undefined` when the device is gone or no multipath map. */
export async function readMap(host: Host, name: string): Promise<MultipathMap | undefined> {
  const folder = `/sys/class/block/${name}`;
  const [uuid, alias] = await Promise.all([
    readHostText(host, `${folder}/dm/uuid`),
    readHostText(host, `${folder}/dm/name`),
  ]);
  if (!uuid?.startsWith("mpath-") || alias === undefined) return undefined;
  const [paths, holders] = await Promise.all([
    listHostFolder(host, `${folder}/slaves`),
    listHostFolder(host, `${folder}/holders`),
  ]);
  return { name, alias, wwid: uuid.slice("mpath-".length), paths, holders };
}

/**
 * The name by which multipathd knows a map now. With `user_friendly_names yes` it knows none by its
 * WWID (seen in 0.9.4: `fail`), and it may rename a map when its configuration is read again.
 */
async function nameOf(host: Host, map: MultipathMap): Promise<string> {
  return (await readMap(host, map.name))?.alias ?? map.alias;
}

/**
 * The map of a WWID, by a look at every device-mapper device of the host; `undefined` when none has
 * it.
 */
export async function findMap(host: Host, wwid: string): Promise<MultipathMap | undefined> {
  for (const name of await listHostFolder(host, "/sys/class/block")) {
    if (!name.startsWith("dm-")) continue;
    if (await readHostText(host, `/sys/class/block/${name}/dm/uuid`) === `mpath-${wwid}`) {
      return await readMap(host, name);
    }
  }
  return undefined;
}

/** The map that holds a path, by the path's kernel name; `undefined` when no map holds it. */
export async function mapOfPath(host: Host, pathName: string): Promise<MultipathMap | undefined> {
  for (const holder of await listHostFolder(host, `/sys/class/block/${pathName}/holders`)) {
    const map = await readMap(host, holder);
    if (map) return map;
  }
  return undefined;
}

/**
 * True when multipathd is installed and answers. Throws `timeout` when it does not answer in time:
 * it is not "no", because multipathd may still hold our maps.
 */
export async function isMultipathRunning(host: Host, signal?: AbortSignal): Promise<boolean> {
  if (!await hasTool(host, "multipathd")) return false;
  const { stdout } = await host.run("multipathd", ["show", "daemon"], { okCodes: [0, 1], signal });
  return /^pid \d+/.test(stdout);
}

/**
 * Waits for the map of a WWID, and for its link in /dev/mapper, which udev makes when it has
 * finished with the map. `paths` are the kernel names of the volume's paths. Each path shows its
 * map; without them every waiting attach would read all devices of the host again and again.
 * `unavailable` when multipathd makes no map.
 */
export async function waitForMap(
  host: Host,
  { wwid, paths }: { wwid: string; paths: string[] },
  signal?: AbortSignal,
): Promise<MultipathMap> {
  let asked = performance.now();
  const isThere = async () => {
    const now = performance.now();
    for (const path of paths) {
      const map = await mapOfPath(host, path);
      if (map?.wwid === wwid && map.paths.length > 0) return map;
    }
    if (now - asked < ASK_AFTER_MS) return undefined;
    asked = now;
    const map = await findMap(host, wwid); // a map that holds none of `paths`
    if (map && map.paths.length > 0) return map;
    await host.run("multipathd", ["add", "map", wwid], { okCodes: [0, 1], signal });
    return undefined;
  };
  let map: MultipathMap;
  try {
    map = await until(`multipath map ${wwid}`, isThere, { timeoutMs: MAP_TIMEOUT_MS, signal });
  } catch (error) {
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    throw new PsoError(
      "unavailable",
      `multipathd made no map of ${wwid} within ${MAP_TIMEOUT_MS} ms: see multipathd show paths ` +
        "and the blacklist in /etc/multipath.conf, or set flasharray.multipath to false",
      { cause: error },
    );
  }
  return await linked(host, map, signal);
}

/** The map, once udev has made its link in /dev/mapper. */
async function linked(host: Host, map: MultipathMap, signal?: AbortSignal): Promise<MultipathMap> {
  const isThere = async () => {
    try {
      await Deno.lstat(hostPath(host, `/dev/mapper/${map.alias}`));
      return true;
    } catch {
      return false;
    }
  };
  await until(`link /dev/mapper/${map.alias} of ${map.name}`, isThere, {
    timeoutMs: LINK_TIMEOUT_MS,
    signal,
  });
  return map;
}

/**
 * Makes a map as large as its paths, proves it by sysfs, and returns the grown device. Every path
 * must have `sizeBytes` already. `unavailable` when the map keeps another size.
 */
export async function resizeMap(
  host: Host,
  { map, sizeBytes: wanted }: { map: MultipathMap; sizeBytes: number },
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const before = await readBlockDevice(host, map.name);
  if (before.sizeBytes === wanted) return before;
  const { stdout } = await host.run("multipathd", ["resize", "map", await nameOf(host, map)], {
    okCodes: [0, 1],
    signal,
  });
  const after = await readBlockDevice(host, map.name);
  if (after.sizeBytes === wanted) return after;
  throw new PsoError(
    "unavailable",
    `multipath map ${map.alias} has ${after.sizeBytes} bytes and its paths have ${wanted}: ` +
      `multipathd resize map answered ${stdout.trim()}; kubelet will try again`,
  );
}

/**
 * Asks multipathd to put a path, by its kernel name, into the map of its WWID. By itself multipathd
 * does so only when udev reports the path. Whether the path is in the map afterwards is for the
 * caller to look.
 */
export async function addPath(host: Host, pathName: string, signal?: AbortSignal): Promise<void> {
  await host.run("multipathd", ["add", "path", pathName], { okCodes: [0, 1], signal });
}

/**
 * Removes a path, by its kernel name, from the map that holds it, and proves it by sysfs. A path in
 * no map is success. If multipathd does not know that the map holds the path, it is told to reload
 * the map, which rebuilds it from the paths that multipathd knows. `timeout` when the path stays.
 */
export async function dropPath(host: Host, pathName: string, signal?: AbortSignal): Promise<void> {
  await host.run("multipathd", ["del", "path", pathName], { okCodes: [0, 1], signal });
  const map = await mapOfPath(host, pathName);
  if (!map) return;
  await host.run("multipathd", ["reload", "map", map.alias], { okCodes: [0, 1], signal });
  const isOut = async () => await mapOfPath(host, pathName) === undefined;
  await until(`removal of path ${pathName} from multipath map ${map.alias}`, isOut, {
    timeoutMs: DROP_TIMEOUT_MS,
    signal,
  });
}

/**
 * Removes a map, by its kernel name, and proves by sysfs that it is gone; its paths stay. A map
 * that is gone already is success. multipathd is asked to remove it, as it would make the map again
 * otherwise; only when multipathd does not run, multipath(8) removes it. `in_use` when something
 * has the map open: it is never forced.
 */
export async function removeMap(host: Host, name: string, signal?: AbortSignal): Promise<void> {
  const map = await readMap(host, name);
  if (!map) return;
  await removePartitions(host, map, signal);
  const isRunning = await isMultipathRunning(host, signal);
  // I/O to a map without paths queues, possibly for ever, and keeps the map open. Let it fail now.
  if (isRunning) {
    await host.run("multipathd", ["disablequeueing", "map", map.alias], {
      okCodes: [0, 1],
      signal,
    });
  } else {await host.run("dmsetup", ["message", map.alias, "0", "fail_if_no_path"], {
      okCodes: [0, 1],
      signal,
    });}
  let said = "";
  const attempt = async () => {
    const now = await readMap(host, name);
    if (now?.wwid !== map.wwid) return true;
    const [tool, args] = isRunning
      ? ["multipathd", ["del", "map", now.alias]] as const
      : ["multipath", ["-f", now.alias]] as const;
    const { stdout, stderr } = await host.run(tool, [...args], { okCodes: [0, 1], signal });
    said = (stderr.trim() || stdout.trim()).replaceAll(/\s+/g, " ");
    return (await readMap(host, name))?.wwid !== map.wwid;
  };
  try {
    await until(`removal of multipath map ${map.alias}`, attempt, {
      timeoutMs: REMOVE_TIMEOUT_MS,
      intervalMs: REMOVE_INTERVAL_MS,
      signal,
    });
  } catch (error) {
    // The map stays. Give it back the queueing that the administrator has configured.
    if (isRunning) {
      const words = ["restorequeueing", "map", await nameOf(host, map)];
      await host.run("multipathd", words, { okCodes: [0, 1] }).catch(() => {});
    }
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    throw new PsoError(
      "in_use",
      `multipath map ${map.alias} (${map.name}) cannot be removed, something has it open: ` +
        `${said || messageOf(error)}; fuser -v /dev/${map.name} names the process, ` +
        "losetup --list a loop device",
      { cause: error },
    );
  }
}

/**
 * Removes kpartx's mappings of the partitions on this map: a pod that partitions its raw volume
 * leaves them behind. Throws `in_use` for every other device built on the map.
 */
async function removePartitions(
  host: Host,
  map: MultipathMap,
  signal?: AbortSignal,
): Promise<void> {
  for (const holder of map.holders) {
    const folder = `/sys/class/block/${holder}`;
    const uuid = await readHostText(host, `${folder}/dm/uuid`);
    const alias = await readHostText(host, `${folder}/dm/name`);
    if (uuid === undefined && alias === undefined) continue; // it has gone meanwhile
    if (alias === undefined || !uuid?.endsWith(`-mpath-${map.wwid}`) || !uuid.startsWith("part")) {
      throw new PsoError(
        "in_use",
        `multipath map ${map.alias} (${map.name}) is ${await holderAdvice(host, holder)}`,
      );
    }
    const { stderr } = await host.run("dmsetup", ["remove", "--retry", alias], {
      okCodes: [0, 1],
      signal,
    });
    if (await readHostText(host, `${folder}/dm/uuid`) !== uuid) continue;
    const [above] = await listHostFolder(host, `${folder}/holders`);
    if (above !== undefined) {
      throw new PsoError(
        "in_use",
        `partition ${alias} of multipath map ${map.alias} is ${await holderAdvice(host, above)} ` +
          `(${stderr.trim()})`,
      );
    }
    throw new PsoError(
      "in_use",
      `partition ${alias} of multipath map ${map.alias} is in use: ${stderr.trim()}; ` +
        `fuser -v /dev/mapper/${alias} names the process`,
    );
  }
}

/**
 * Waits until multipathd knows no path of a WWID. If multipathd noticed the removal of a disk only
 * later, it would remove the next disk with the same kernel name from that disk's map. `timeout`
 * after 20 s. Returns at once when multipathd is dead.
 */
export async function untilForgotten(
  host: Host,
  wwid: string,
  signal?: AbortSignal,
): Promise<void> {
  const isForgotten = async () => {
    const { stdout } = await host.run("multipathd", ["show", "paths", "raw", "format", "%w"], {
      okCodes: [0, 1],
      signal,
    });
    return !stdout.split("\n").some((line) => line.trim() === wwid);
  };
  await until(`multipathd's last path of ${wwid}`, isForgotten, {
    timeoutMs: FORGET_TIMEOUT_MS,
    signal,
  });
}
