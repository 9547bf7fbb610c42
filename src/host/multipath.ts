import { isPsoError, messageOf, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import { type BlockDevice, readBlockDevice } from "./block_device.ts";
import { hasTool } from "./command.ts";
import { type Host, hostPath, listHostFolder, readHostText } from "./host.ts";

/** multipathd learns of a new path by udev, which is busy when many come at once. */
const MAP_TIMEOUT_MS = 60_000;
/**
 * After this long without a map we ask for it: multipathd makes one of a single path only when told
 * to (find_multipaths).
 */
const ASK_AFTER_MS = 3_000;
const LINK_TIMEOUT_MS = 30_000;
const REMOVE_TIMEOUT_MS = 30_000;
/** udev reads a map that has just come up, and it cannot be removed meanwhile. */
const REMOVE_INTERVAL_MS = 300;
const FORGET_TIMEOUT_MS = 20_000;
const DROP_TIMEOUT_MS = 20_000;

/** A multipath map (device mapper with a UUID of `mpath-<WWID>`), from sysfs. */
export interface MultipathMap {
  /** `dm-3` */
  name: string;
  /** Its name below /dev/mapper: the WWID, or a friendly one. */
  alias: string;
  wwid: string;
  /** Kernel names of its paths. */
  paths: string[];
  /** Kernel names of devices that stand on it: partitions by kpartx, LVM … */
  holders: string[];
}

/** The map of that kernel name; `undefined` when it is not there or is no multipath map. */
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

/** The map of a WWID. */
export async function findMap(host: Host, wwid: string): Promise<MultipathMap | undefined> {
  for (const name of await listHostFolder(host, "/sys/class/block")) {
    if (!name.startsWith("dm-")) continue;
    if (await readHostText(host, `/sys/class/block/${name}/dm/uuid`) === `mpath-${wwid}`) {
      return await readMap(host, name);
    }
  }
  return undefined;
}

/** The map that a path belongs to. */
export async function mapOfPath(host: Host, pathName: string): Promise<MultipathMap | undefined> {
  for (const holder of await listHostFolder(host, `/sys/class/block/${pathName}/holders`)) {
    const map = await readMap(host, holder);
    if (map) return map;
  }
  return undefined;
}

/**
 * Whether multipathd works on this host. One that does not answer in time is an error, not a no: it
 * may hold our maps.
 */
export async function isMultipathRunning(host: Host, signal?: AbortSignal): Promise<boolean> {
  if (!await hasTool(host, "multipathd")) return false;
  const { stdout } = await host.run("multipathd", ["show", "daemon"], { okCodes: [0, 1], signal });
  return /^pid \d+/.test(stdout);
}

/**
 * Waits for the map of a WWID and for its link in /dev/mapper, which says that udev is done with
 * it. `paths` are the kernel names of its paths here: they show their map without a look at every
 * device of the host, which many waiting at once would each take again and again. `unavailable`
 * when multipathd makes none.
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
    const map = await findMap(host, wwid); // over other paths only
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
      `multipathd made no map of ${wwid} within ${MAP_TIMEOUT_MS} ms: see multipathd show paths and the blacklist in /etc/multipath.conf, ` +
        "or switch flasharray.multipath off",
      { cause: error },
    );
  }
  return await linked(host, map, signal);
}

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
 * Lets a map take the size that its paths have now, and returns it. Every path must have that size
 * already.
 */
export async function resizeMap(
  host: Host,
  map: MultipathMap,
  wanted: number,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const before = await readBlockDevice(host, map.name);
  if (before.sizeBytes === wanted) return before;
  const { stdout } = await host.run("multipathd", ["resize", "map", map.wwid], {
    okCodes: [0, 1],
    signal,
  });
  const after = await readBlockDevice(host, map.name);
  if (after.sizeBytes === wanted) return after;
  throw new PsoError(
    "unavailable",
    `multipath map ${map.alias} has ${after.sizeBytes} bytes and its paths have ${wanted}: multipathd resize map said ${stdout.trim()}`,
  );
}

/**
 * Asks multipathd to take a path (back) into the map of its WWID: it does so by itself only when
 * udev tells of the path.
 */
export async function addPath(host: Host, pathName: string, signal?: AbortSignal): Promise<void> {
  await host.run("multipathd", ["add", "path", pathName], { okCodes: [0, 1], signal });
}

/**
 * Takes a path out of the map that it is in, and proves it by sysfs. multipathd may not know that
 * the map holds it, and then makes the map's table anew from the paths that it knows. In no map is
 * success; `unavailable` when it stays.
 */
export async function dropPath(host: Host, pathName: string, signal?: AbortSignal): Promise<void> {
  await host.run("multipathd", ["del", "path", pathName], { okCodes: [0, 1], signal });
  const map = await mapOfPath(host, pathName);
  if (!map) return;
  await host.run("multipathd", ["reload", "map", map.wwid], { okCodes: [0, 1], signal });
  const isOut = async () => await mapOfPath(host, pathName) === undefined;
  await until(`removal of path ${pathName} from multipath map ${map.alias}`, isOut, {
    timeoutMs: DROP_TIMEOUT_MS,
    signal,
  });
}

/**
 * Removes a map and proves by sysfs that it is gone; its paths stay. Gone already is success. Goes
 * through multipathd, which would make the map again otherwise, and past it only when it is dead.
 * `in_use` when something has the map open: it is never forced.
 */
export async function removeMap(host: Host, name: string, signal?: AbortSignal): Promise<void> {
  const map = await readMap(host, name);
  if (!map) return;
  await removePartitions(host, map, signal);
  const isRunning = await isMultipathRunning(host, signal);
  // Paths that are gone must give an error now: I/O that queues for ever would keep the map for
  // ever.
  if (isRunning) {
    await host.run("multipathd", ["disablequeueing", "map", map.wwid], { okCodes: [0, 1], signal });
  } else {await host.run("dmsetup", ["message", map.alias, "0", "fail_if_no_path"], {
      okCodes: [0, 1],
      signal,
    });}
  let said = "";
  const attempt = async () => {
    if ((await readMap(host, name))?.wwid !== map.wwid) return true;
    const [tool, args] = isRunning
      ? ["multipathd", ["del", "map", map.wwid]] as const
      : ["multipath", ["-f", map.alias]] as const;
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
    // It stays: what the administrator wants of it when all paths are lost holds again.
    if (isRunning) {
      await host.run("multipathd", ["restorequeueing", "map", map.wwid], { okCodes: [0, 1] }).catch(
        () => {},
      );
    }
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    throw new PsoError(
      "in_use",
      `multipath map ${map.alias} (${map.name}) is not let go, something has it open: ${
        said || messageOf(error)
      }`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Partitions of a pod's raw volume that kpartx has mapped go first; anything else that stands on
 * the map is somebody's.
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
    if (uuid === undefined && alias === undefined) continue; // gone meanwhile
    if (alias === undefined || !uuid?.endsWith(`-mpath-${map.wwid}`) || !uuid.startsWith("part")) {
      throw new PsoError(
        "in_use",
        `multipath map ${map.alias} (${map.name}) carries ${
          alias ?? holder
        }: it is let go first by who made that`,
      );
    }
    const { stderr } = await host.run("dmsetup", ["remove", "--retry", alias], {
      okCodes: [0, 1],
      signal,
    });
    if (await readHostText(host, `${folder}/dm/uuid`) !== uuid) continue;
    throw new PsoError(
      "in_use",
      `partition ${alias} of multipath map ${map.alias} is in use: ${stderr.trim()}`,
    );
  }
}

/**
 * Waits until multipathd knows no path of a WWID any more: a removal that it sees late would take
 * the next device of that name out of its map. A multipathd that is dead knows nothing.
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
