import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import {
  type BlockDevice,
  dropCache,
  findBlockDevice,
  readBlockDevice,
  refuseLiveFileSystem,
} from "../../host/block_device.ts";
import { fcPlaces } from "../../host/fc.ts";
import { type Host, listHostFolder, readHostText } from "../../host/host.ts";
import {
  idleSessions,
  type IscsiPortal,
  type IscsiSession,
  isSessionTo,
  login,
  logout,
} from "../../host/iscsi.ts";
import { type Mount, mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import {
  addPath,
  dropPath,
  findMap,
  isMultipathRunning,
  type MultipathMap,
  readMap,
  removeMap,
  resizeMap,
  untilForgotten,
  waitForMap,
} from "../../host/multipath.ts";
import {
  deleteDevice,
  devicesWithWwid,
  isPureWwid,
  rescanDevice,
  type ScsiDevice,
  scsiDeviceOf,
  type ScsiPlace,
  wwidOfSerial,
} from "../../host/scsi.ts";
import { until, withDeadline } from "../../async/wait.ts";
import type {
  AttachOptions,
  BlockAttachment,
  BlockConnection,
  ScsiAttachment,
} from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { commonSize, openPath, type Path, purge } from "./paths.ts";
import { refuseOtherTargets } from "./other_targets.ts";
import type { StageRecord } from "../stage_record.ts";

/**
 * Volumes by SCSI: iSCSI and Fibre Channel, with one multipath map over their paths. Identity is
 * the WWID alone, never a LUN.
 */
export const scsiBlock: BlockConnection = {
  attach,
  isDeviceOf,
  grow,
  devicesOf,
  owns,
  detach,
  tidy,
};

/** udev hands path after path to multipathd. */
const JOIN_TIMEOUT_MS = 30_000;
/** udev tells multipathd of a new path by then. */
const ASK_AFTER_MS = 3_000;
const FLUSH_TIMEOUT_MS = 30_000;

/**
 * How long I/O waits for a lost iSCSI session: below multipath another path takes over, without it
 * there is none.
 */
const REPLACEMENT_SECONDS = { multipath: 20, single: 120 };

function scsiAttachment(attachment: BlockAttachment): ScsiAttachment {
  if (attachment.protocol === "iscsi" || attachment.protocol === "fc") return attachment;
  throw new PsoError("invalid", `protocol ${attachment.protocol} has no SCSI device`);
}

async function attach(
  context: NodeContext,
  blockAttachment: BlockAttachment,
  options: AttachOptions,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const attachment = scsiAttachment(blockAttachment);
  const wwid = wwidOfSerial(attachment.serial);
  await refuseUsed(context, { wwid, options });
  await refuseOtherTargets(context.host, { attachment, wwid });
  const { multipath } = context.flasharray;
  // Asked while the sessions are made; no LUN is scanned before the answer is there.
  const ready = requireMultipathd(context, signal);
  const iqns = attachment.protocol === "iscsi"
    ? attachment.targets.map((target) => target.iqn)
    : [];
  if (options.chap) { for (const iqn of iqns) context.chap.set(iqn, options.chap); }
  const opening = context.targets.using(
    iqns,
    () => openPaths(context, { attachment, wwid, multipath, ready }, signal),
  );
  // Nothing goes on behind a refusal, and that multipathd is not there says more than what failed
  // by it.
  const [, paths] = await Promise.allSettled([ready, opening]).then(() =>
    Promise.all([ready, opening])
  );
  // A volume that this node has had before may be in use: then nothing is touched.
  await refuseMerge(context, {
    attachment,
    wwid,
    paths: options.record.device === undefined ? paths : [],
  }, signal);
  const sizeBytes = commonSize(paths);
  if (sizeBytes < attachment.sizeBytes) {
    throw new PsoError(
      "unavailable",
      `volume ${wwid} has ${sizeBytes} bytes on this node and the array said ${attachment.sizeBytes}: it will be tried again`,
    );
  }
  const map = await mapOver(context, { wwid, paths, multipath }, signal);
  const name = map?.name ?? paths[0]?.name ?? "";
  const device = map
    ? await resizeMap(context.host, { map, sizeBytes }, signal)
    : await readBlockDevice(context.host, name);
  await options.note({ device: device.name });
  return device;
}

/**
 * A stranger that came up while our paths were being opened: they are taken away again, and only
 * they.
 */
async function refuseMerge(
  context: NodeContext,
  { attachment, wwid, paths }: { attachment: ScsiAttachment; wwid: string; paths: Path[] },
  signal?: AbortSignal,
): Promise<void> {
  try {
    await refuseOtherTargets(context.host, { attachment, wwid });
  } catch (error) {
    if (isPsoError(error, "in_use")) {
      for (const path of paths) await purge(context.host, path, signal);
    }
    throw error;
  }
}

/**
 * `unavailable` when volumes of this node should get a multipath map and multipathd is not there to
 * make it.
 */
async function requireMultipathd(context: NodeContext, signal?: AbortSignal): Promise<void> {
  if (!context.flasharray.multipath || await isMultipathRunning(context.host, signal)) return;
  throw new PsoError(
    "unavailable",
    "multipathd does not run on this node, and a volume with one path is lost when that path is: install and start multipath-tools " +
      "(device-mapper-multipath), or set flasharray.multipath to false",
  );
}

/**
 * Every usable path of a volume, or the first one when there is no multipath. `unavailable` with
 * every reason when there is none.
 */
export async function openPaths(
  context: NodeContext,
  { attachment, wwid, multipath, ready }: {
    attachment: ScsiAttachment;
    wwid: string;
    multipath: boolean;
    ready?: Promise<void>;
  },
  signal?: AbortSignal,
): Promise<Path[]> {
  const { host } = context;
  const { lun } = attachment;
  let ways: (() => Promise<Path>)[];
  if (attachment.protocol === "fc") {
    const places = await fcPlaces(host, attachment);
    if (places.length === 0) {
      throw new PsoError(
        "unavailable",
        `no FC port of this host sees one of the array's ports ${
          attachment.wwpns.join(", ")
        }: check the zoning`,
      );
    }
    ways = places.map((place) => async () => {
      await ready;
      return await openPath(context, place, { wwid, signal });
    });
  } else {
    ways = attachment.targets.map((target) => async () => {
      const session = await reach(context, { target, multipath, isAgain: false }, signal);
      await ready;
      return await openPath(context, placeOf(session, lun), { wwid, signal });
    });
  }
  const paths: Path[] = [];
  const problems: unknown[] = [];
  if (multipath) {
    const outcomes = await Promise.allSettled(ways.map((way) => way()));
    for (const outcome of outcomes) {
      outcome.status === "fulfilled" ? paths.push(outcome.value) : problems.push(outcome.reason);
    }
  }
  for (const way of multipath ? [] : ways) {
    try {
      paths.push(await way());
      break;
    } catch (error) {
      problems.push(error);
    }
  }
  const said = problems.map(messageOf).join("; ");
  if (paths.length === 0) {
    const isDenied = problems.length > 0 &&
      problems.every((problem) => isPsoError(problem, "denied"));
    throw new PsoError(
      isDenied ? "denied" : "unavailable",
      `volume ${wwid} has no usable path to this node: ${said}`,
    );
  }
  if (problems.length > 0) {
    context.log.warn("volume has fewer paths than the array offers", {
      wwid,
      paths: paths.length,
      reason: said,
    });
  }
  return paths;
}

function placeOf(session: IscsiSession, lun: number): ScsiPlace {
  return { host: session.scsiHost, channel: 0, target: session.scsiTarget, lun };
}

/** Logs in to one portal, after what goes on with it already. There already is success. */
export async function reach(
  context: NodeContext,
  { target, multipath, isAgain }: { target: IscsiPortal; multipath: boolean; isAgain: boolean },
  signal?: AbortSignal,
): Promise<IscsiSession> {
  const options = {
    timeoutSeconds: context.flasharray.iscsiLoginTimeoutSeconds,
    replacementSeconds: multipath ? REPLACEMENT_SECONDS.multipath : REPLACEMENT_SECONDS.single,
    chap: context.chap.get(target.iqn) ?? (isAgain ? "kept" as const : undefined),
  };
  // Of many stages at once only the first waits for a portal that is dead; the others go on by the
  // paths that are there.
  return await context.targets.inTurnUnlessHung(
    `${target.iqn} ${target.portal}`,
    () => login(context.host, target, options, signal),
    signal,
  );
}

/**
 * The map over the paths, with nothing in it but paths of this volume. `undefined` when the volume
 * is used without one. A map that another program made is used also when multipath is off: it holds
 * the disk.
 */
export async function mapOver(
  context: NodeContext,
  { wwid, paths, multipath }: { wwid: string; paths: Path[]; multipath: boolean },
  signal?: AbortSignal,
): Promise<MultipathMap | undefined> {
  const { host } = context;
  if (!multipath && !await findMap(host, wwid)) return undefined;
  let map = await waitForMap(host, { wwid, paths: paths.map((path) => path.name) }, signal);
  let toAdd = performance.now() + ASK_AFTER_MS;
  const hasAll = async () => {
    const members = await listHostFolder(host, `/sys/class/block/${map.name}/slaves`);
    const outside = paths.filter((path) => !members.includes(path.name));
    if (outside.length > 0 && performance.now() > toAdd) {
      // once: multipathd took it out by somebody's order, or missed the event of udev
      toAdd = Infinity;
      for (const { name } of outside) await addPath(host, name, signal);
    }
    return outside.length === 0;
  };
  await until(`${paths.length} paths in multipath map ${wwid}`, hasAll, {
    timeoutMs: JOIN_TIMEOUT_MS,
    signal,
  }).catch((error) => {
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    context.log.warn("multipath map lacks paths", {
      wwid,
      paths: paths.map((path) => path.name),
      map: map.name,
    });
  });
  map = await readMap(host, map.name) ?? map;
  for (const name of map.paths) {
    const found = await scsiDeviceOf(host, name);
    if (!found || found.wwid === wwid) continue;
    context.log.warn("path of another volume taken out of a multipath map", {
      wwid,
      path: name,
      is: found.wwid ?? "unknown",
    });
    await dropPath(host, name, signal);
  }
  map = await readMap(host, map.name) ?? map;
  for (const name of map.paths) {
    const is = (await scsiDeviceOf(host, name))?.wwid;
    if (is === wwid) continue;
    throw new PsoError(
      "unavailable",
      `multipath map ${map.alias} holds ${name}, which is volume ${
        is ?? "unknown"
      } and not ${wwid}: it must not be used before that path is out of it`,
    );
  }
  if (map.paths.length > 0) return map;
  throw new PsoError("unavailable", `multipath map ${map.alias} of ${wwid} has no path`);
}

/**
 * Somebody else's use of the volume on this machine, such as its own root, is not for a pod. Asked
 * before anything is touched: a path that we added would end in their map.
 */
async function refuseUsed(
  context: NodeContext,
  { wwid, options }: { wwid: string; options: AttachOptions },
): Promise<void> {
  const { record, shared } = options;
  const map = await findMap(context.host, wwid);
  const mounts = await readMounts(context.host);
  for (const holder of map?.holders ?? []) {
    if (await isIdlePartition(context.host, { holder, wwid, mounts })) continue;
    throw new PsoError(
      "in_use",
      `multipath map ${map?.alias} carries ${holder}: somebody else uses this volume on this node`,
    );
  }
  const names = map
    ? [map.name]
    : (await devicesWithWwid(context.host, wwid)).flatMap(({ name }) => name ?? []);
  for (const name of names) {
    if (shared || record.device === name) continue;
    const device = await findBlockDevice(context.host, name);
    const [mounted] = device ? mountsOfDevice(mounts, device) : [];
    if (mounted) {
      throw new PsoError(
        "in_use",
        `volume ${name} is mounted at ${mounted.target} already: it must be let go there first`,
      );
    }
  }
}

/**
 * What kpartx makes of the partitions of a raw volume, in a pod's use or left from it, is nobody's
 * while nothing mounts it or stands on it.
 */
async function isIdlePartition(
  host: Host,
  { holder, wwid, mounts }: { holder: string; wwid: string; mounts: Mount[] },
): Promise<boolean> {
  const uuid = await readHostText(host, `/sys/class/block/${holder}/dm/uuid`);
  if (!uuid?.startsWith("part") || !uuid.endsWith(`-mpath-${wwid}`)) return false;
  if ((await listHostFolder(host, `/sys/class/block/${holder}/holders`)).length > 0) return false;
  const device = await findBlockDevice(host, holder);
  return device === undefined || mountsOfDevice(mounts, device).length === 0;
}

/** The WWID behind a map or a disk; `undefined` for every other device. */
async function wwidOf(context: NodeContext, deviceName: string): Promise<string | undefined> {
  return (await readMap(context.host, deviceName))?.wwid ??
    (await scsiDeviceOf(context.host, deviceName))?.wwid;
}

async function isDeviceOf(
  context: NodeContext,
  attachment: BlockAttachment,
  deviceName: string,
): Promise<boolean> {
  return await wwidOf(context, deviceName) === wwidOfSerial(scsiAttachment(attachment).serial);
}

async function grow(context: NodeContext, deviceName: string, signal?: AbortSignal): Promise<void> {
  const { host } = context;
  const map = await readMap(host, deviceName);
  const names = map ? map.paths : [deviceName];
  const paths = await Promise.all(names.map(async (name): Promise<Path> => {
    const device = await scsiDeviceOf(host, name);
    if (!device) {
      throw new PsoError(
        "unavailable",
        `path ${name} of ${map?.alias ?? deviceName} is no SCSI device (any more)`,
      );
    }
    // One that does not answer keeps its old size, which the comparison finds.
    await rescanDevice(host, device.hctl, signal).catch((error) => {
      context.log.warn("path not rescanned", { path: name, reason: messageOf(error) });
    });
    return { name, hctl: device.hctl, sizeBytes: (await readBlockDevice(host, name)).sizeBytes };
  }));
  const sizeBytes = commonSize(paths);
  if (map) await resizeMap(host, { map, sizeBytes }, signal);
}

async function devicesOf(context: NodeContext, record: StageRecord): Promise<string[]> {
  if (record.attachment.protocol !== "iscsi" && record.attachment.protocol !== "fc") return [];
  const wwid = wwidOfSerial(record.attachment.serial);
  // What is there may be another array's: it is not ours to take away, nor is a map that holds
  // paths of both.
  await refuseOtherTargets(context.host, { attachment: record.attachment, wwid });
  const map = await findMap(context.host, wwid);
  if (map) return [map.name];
  const devices = await devicesWithWwid(context.host, wwid);
  return devices.flatMap(({ name }) => name ?? []);
}

async function owns(context: NodeContext, deviceName: string): Promise<boolean> {
  return isPureWwid(await wwidOf(context, deviceName));
}

/**
 * Takes map and paths of a volume away, by its WWID: every path, also one that is in no map. A path
 * of another volume that is in the map by mistake stays. Refused while anything stands on the map
 * or mounts a path.
 */
async function detach(
  context: NodeContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  const { host } = context;
  const wwid = await wwidOf(context, deviceName);
  if (wwid === undefined && !await findBlockDevice(host, deviceName)) return;
  if (!isPureWwid(wwid)) {
    throw new PsoError(
      "in_use",
      `device ${deviceName} (${wwid ?? "unknown"}) is no volume of a FlashArray: it is left alone`,
    );
  }
  await refuseMountedPaths(context, await devicesWithWwid(host, wwid));
  await refuseLiveFileSystem(host, deviceName);
  // The last close has written everything back; this only makes an error of that visible.
  await withDeadline(
    `flush of ${deviceName}`,
    { timeoutMs: FLUSH_TIMEOUT_MS, signal },
    (own) => dropCache(host, deviceName, own),
  ).catch(
    (error) => {
      context.log.warn("device not flushed before its removal", {
        device: deviceName,
        wwid,
        reason: messageOf(error),
      });
    },
  );
  const map = await findMap(host, wwid);
  if (map) await removeMap(host, map.name, signal);
  const devices = await devicesWithWwid(host, wwid);
  for (const { name } of devices) {
    const [holder] = name === undefined
      ? []
      : await listHostFolder(host, `/sys/class/block/${name}/holders`);
    if (holder !== undefined) {
      throw new PsoError(
        "in_use",
        `path ${name} of volume ${wwid} is held by ${holder}: it is let go first by who made that`,
      );
    }
  }
  await Promise.all(devices.map((device) => deleteDevice(host, device.hctl, signal)));
  if (map && await isMultipathRunning(host, signal)) await untilForgotten(host, wwid, signal);
}

async function refuseMountedPaths(context: NodeContext, devices: ScsiDevice[]): Promise<void> {
  const mounts = await readMounts(context.host);
  for (const { name } of devices) {
    const device = name === undefined ? undefined : await findBlockDevice(context.host, name);
    const [mounted] = device ? mountsOfDevice(mounts, device) : [];
    if (mounted) {
      throw new PsoError(
        "in_use",
        `path ${name} is still mounted at ${mounted.target}: it is left alone`,
      );
    }
  }
}

/**
 * Ends the iSCSI sessions of ours that carry no device, that no attach is about to use and that no
 * volume which stays has a path by. Others' sessions are never touched.
 */
async function tidy(
  context: NodeContext,
  others: StageRecord[],
  signal?: AbortSignal,
): Promise<void> {
  for (const session of await idleSessions(context.host)) {
    if (others.some((record) => isWantedBy(session, record))) continue;
    const { iqn, address, port } = session;
    await context.targets.inTurn(
      `${iqn} ${address.includes(":") ? `[${address}]` : address}:${port}`,
      async () => {
        if (context.targets.isUsed(iqn)) return;
        const isIdle = (await idleSessions(context.host)).some((one) => one.name === session.name);
        if (isIdle) await logout(context.host, session, signal);
      },
    );
  }
}

/** Whether an attached volume is offered by the portal of this session. */
export function isWantedBy(session: IscsiSession, { attachment, device }: StageRecord): boolean {
  return device !== undefined && attachment.protocol === "iscsi" &&
    attachment.targets.some((target) => isSessionTo(session, target));
}
