import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { readBlockDevice } from "../../host/block_device.ts";
import { type Host, listHostFolder } from "../../host/host.ts";
import {
  addPath,
  dropPath,
  findMap,
  type MultipathMap,
  readMap,
  resizeMap,
  waitForMap,
} from "../../host/multipath.ts";
import { rescanDevice, scsiDeviceOf } from "../../host/scsi.ts";
import { allEnded } from "../../async/all_ended.ts";
import { until } from "../../async/wait.ts";
import type { NodeContext } from "../context.ts";
import { commonSize, type Path } from "./paths.ts";

/** udev hands path after path to multipathd. */
const JOIN_TIMEOUT_MS = 30_000;
/** udev has told multipathd of a new path by then. */
const ASK_AFTER_MS = 3_000;

type MapContext = Pick<NodeContext, "host" | "log">;

/** A volume and its open paths, which belong into one map. */
interface MapRequest {
  wwid: string;
  paths: Path[];
  multipath: boolean;
}

/** A map, and the volume that alone may be in it. */
interface MapOfVolume {
  map: MultipathMap;
  wwid: string;
}

/**
 * The map over the paths, with nothing in it but paths of this volume. `undefined` when the volume
 * is used without one. A map that another program made is used also when multipath is off, because
 * it holds the disk. `unavailable` while the map holds a path of another volume.
 */
export async function mapOver(
  context: MapContext,
  { wwid, paths, multipath }: MapRequest,
  signal?: AbortSignal,
): Promise<MultipathMap | undefined> {
  const { host } = context;
  if (!multipath && !await findMap(host, wwid)) return undefined;
  const made = await waitForMap(host, { wwid, paths: paths.map((path) => path.name) }, signal);
  await untilJoined(context, { map: made, wwid, paths }, signal);
  const joined = await readMap(host, made.name) ?? made;
  await dropForeignPaths(context, { map: joined, wwid }, signal);
  const map = await readMap(host, joined.name) ?? joined;
  await refuseForeignPaths(host, { map, wwid });
  if (map.paths.length > 0) return map;
  throw new PsoError(
    "unavailable",
    `multipath map ${map.alias} of ${wwid} has no path: look at multipathd show paths`,
  );
}

/** Waits until the map holds all paths. A path that stays outside is only logged. */
async function untilJoined(
  { host, log }: MapContext,
  { map, wwid, paths }: MapOfVolume & { paths: Path[] },
  signal?: AbortSignal,
): Promise<void> {
  let askAt = performance.now() + ASK_AFTER_MS;
  const hasAll = async () => {
    const members = await listHostFolder(host, `/sys/class/block/${map.name}/slaves`);
    const outside = paths.filter((path) => !members.includes(path.name));
    if (outside.length > 0 && performance.now() > askAt) {
      // Only once: multipathd dropped the path by somebody's order, or missed the event of udev.
      askAt = Infinity;
      for (const { name } of outside) await addPath(host, name, signal);
    }
    return outside.length === 0;
  };
  try {
    const limits = { timeoutMs: JOIN_TIMEOUT_MS, signal };
    await until(`${paths.length} paths in multipath map ${wwid}`, hasAll, limits);
  } catch (error) {
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    log.warn("multipath map lacks paths", {
      wwid,
      paths: paths.map((path) => path.name),
      map: map.name,
    });
  }
}

/** Takes paths of other volumes out of the map: a write through the map would reach them. */
async function dropForeignPaths(
  { host, log }: MapContext,
  { map, wwid }: MapOfVolume,
  signal?: AbortSignal,
): Promise<void> {
  for (const name of map.paths) {
    const found = await scsiDeviceOf(host, name);
    if (!found || found.wwid === wwid) continue;
    log.warn("path of another volume taken out of a multipath map", {
      wwid,
      path: name,
      is: found.wwid ?? "unknown",
    });
    await dropPath(host, name, signal);
  }
}

async function refuseForeignPaths(host: Host, { map, wwid }: MapOfVolume): Promise<void> {
  for (const name of map.paths) {
    const is = (await scsiDeviceOf(host, name))?.wwid;
    if (is === wwid) continue;
    throw new PsoError(
      "unavailable",
      `multipath map ${map.alias} holds ${name}, which is volume ${
        is ?? "unknown"
      } and not ${wwid}: take that path out of it with multipathd del path ${name}`,
    );
  }
}

/**
 * Reads the size of each path anew, and lets the map over them, if there is one, take it.
 * `unavailable` when the paths do not have one size: a map loses what is beyond the smallest.
 */
export async function growOverPaths(
  { host, log }: MapContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  const map = await readMap(host, deviceName);
  const names = map ? map.paths : [deviceName];
  const paths = await allEnded(names.map(async (name): Promise<Path> => {
    const device = await scsiDeviceOf(host, name);
    if (!device) {
      throw new PsoError(
        "unavailable",
        `path ${name} of ${map?.alias ?? deviceName} is no SCSI device (any more): look at ` +
          "multipathd show paths; kubelet will try again",
      );
    }
    // A path that does not answer keeps its old size, and commonSize() finds the difference.
    await rescanDevice(host, device.hctl, signal).catch((error) => {
      log.warn("path not rescanned", { path: name, reason: messageOf(error) });
    });
    return { name, hctl: device.hctl, sizeBytes: (await readBlockDevice(host, name)).sizeBytes };
  }));
  const sizeBytes = commonSize(paths);
  if (map) await resizeMap(host, { map, sizeBytes }, signal);
}
