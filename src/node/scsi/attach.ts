import { inUndoTime } from "../../async/wait.ts";
import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { type BlockDevice, findBlockDevice, readBlockDevice } from "../../host/block_device.ts";
import { fcPlaces } from "../../host/fc.ts";
import { type Host, listHostFolder, readHostText } from "../../host/host.ts";
import { holderAdvice } from "../../host/holders.ts";
import type { IscsiSession } from "../../host/iscsi.ts";
import { type Mount, mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import { findMap, isMultipathRunning, resizeMap } from "../../host/multipath.ts";
import { devicesWithWwid, type ScsiPlace, wwidOfSerial } from "../../host/scsi.ts";
import type { NodeContext } from "../context.ts";
import type { AttachOptions, AttachRequest, ScsiAttachment } from "../protocol.ts";
import { mapOver } from "./map.ts";
import { refuseOtherTargets } from "./other_targets.ts";
import { commonSize, openPath, type Path, purge } from "./paths.ts";
import { loginToPortal } from "./sessions.ts";

/** BlockConnection.attach for volumes with a SCSI device. */
export async function attachScsi(
  context: NodeContext,
  { attachment, ...options }: AttachRequest<ScsiAttachment>,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const { host, flasharray: { multipath } } = context;
  const wwid = wwidOfSerial(attachment.serial);
  await refuseUsed(host, { ...options, wwid });
  await refuseOtherTargets(host, { attachment, wwid });
  // multipathd is asked while the sessions are made; no LUN is scanned before it has answered.
  const ready = requireMultipathd(context, signal);
  const iqns = iqnsOf(attachment);
  if (options.chap) { for (const iqn of iqns) context.chap.set(iqn, options.chap); }
  const isAgain = options.record.device !== undefined;
  const opening = context.targets.using(
    iqns,
    () => openPaths(context, { attachment, wwid, multipath, ready, isAgain }, signal),
  );
  // Wait for both before failing, so that no login still runs after we return. If both fail, report
  // the missing multipathd: it is the cause, the failed paths are the symptom.
  const [, paths] = await Promise.allSettled([ready, opening]).then(() =>
    Promise.all([ready, opening])
  );
  // A volume that this node has had before may be in use: then none of its paths is taken away.
  const isNew = options.record.device === undefined;
  await refuseMerge(host, { attachment, wwid, paths: isNew ? paths : [] });
  const sizeBytes = commonSize(paths);
  if (sizeBytes < attachment.sizeBytes) {
    throw new PsoError(
      "unavailable",
      `volume ${wwid} has ${sizeBytes} bytes on this node and the array said ` +
        `${attachment.sizeBytes}: check the paths to the array; kubelet will try again`,
    );
  }
  const map = await mapOver(context, { wwid, paths, multipath }, signal);
  const device = map
    ? await resizeMap(host, { map, sizeBytes }, signal)
    : await readBlockDevice(host, paths[0]?.name ?? "");
  await options.note({ device: device.name });
  return device;
}

/** The IQNs of the targets, for TargetQueue.using(); none for Fibre Channel: it has no sessions. */
export function iqnsOf(attachment: ScsiAttachment): string[] {
  return "targets" in attachment ? attachment.targets.map(({ iqn }) => iqn) : [];
}

/** A volume, and the paths to it that were just opened. */
interface OpenedPaths {
  attachment: ScsiAttachment;
  wwid: string;
  paths: Path[];
}

/**
 * Refuses a device of the same WWID by another array that came up while our paths were opened. Our
 * paths are taken away again, and only they: with them the map would reach both arrays.
 */
async function refuseMerge(
  host: Host,
  { attachment, wwid, paths }: OpenedPaths,
): Promise<void> {
  try {
    await refuseOtherTargets(host, { attachment, wwid });
  } catch (error) {
    if (isPsoError(error, "in_use")) {
      await inUndoTime(`the removal of the paths to ${wwid}`, async (signal) => {
        for (const path of paths) await purge(host, path, signal);
      });
    }
    throw error;
  }
}

/**
 * `unavailable` when volumes of this node should get a multipath map and multipathd does not run to
 * make it.
 */
async function requireMultipathd(
  { host, flasharray }: Pick<NodeContext, "host" | "flasharray">,
  signal?: AbortSignal,
): Promise<void> {
  if (!flasharray.multipath || await isMultipathRunning(host, signal)) return;
  throw new PsoError(
    "unavailable",
    "multipathd does not run on this node, and a volume with one path is lost when that path is: " +
      "install and start multipath-tools (device-mapper-multipath), or set " +
      "flasharray.multipath to false",
  );
}

/** What openPaths() is to open. */
interface PathsRequest {
  attachment: ScsiAttachment;
  wwid: string;
  /** False: the first path that works is enough. */
  multipath: boolean;
  /** True for a volume that this node had before: see PortalLogin. */
  isAgain: boolean;
  /** No LUN is scanned before this; its failure is the failure of each path. */
  ready?: Promise<void>;
}

/**
 * Every usable path of a volume, or the first one when there is no multipath. `unavailable` with
 * every reason when there is none, `denied` when the array refuses this node on every path.
 */
export async function openPaths(
  context: NodeContext,
  request: PathsRequest,
  signal?: AbortSignal,
): Promise<Path[]> {
  const { wwid, multipath } = request;
  const openers = await pathOpeners(context, request, signal);
  const paths: Path[] = [];
  const problems: unknown[] = [];
  const take = (outcome: PromiseSettledResult<Path>) =>
    outcome.status === "fulfilled" ? paths.push(outcome.value) : problems.push(outcome.reason);
  if (multipath) (await Promise.allSettled(openers.map((open) => open()))).forEach(take);
  for (const open of multipath ? [] : openers) {
    (await Promise.allSettled([open()])).forEach(take);
    if (paths.length > 0) break;
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

/** One function per path that may lead to the volume. `unavailable` when FC shows no port. */
async function pathOpeners(
  context: NodeContext,
  { attachment, wwid, multipath, ready, isAgain }: PathsRequest,
  signal?: AbortSignal,
): Promise<(() => Promise<Path>)[]> {
  if ("targets" in attachment) {
    return attachment.targets.map((target) => async () => {
      const session = await loginToPortal(context, { target, multipath, isAgain }, signal);
      await ready;
      return await openPath(context, placeOf(session, target.lun ?? attachment.lun), {
        wwid,
        signal,
      });
    });
  }
  const places = await fcPlaces(context.host, attachment);
  if (places.length > 0) {
    return places.map((place) => async () => {
      await ready;
      return await openPath(context, place, { wwid, signal });
    });
  }
  const wwpns = attachment.wwpns.join(", ");
  throw new PsoError(
    "unavailable",
    `no FC port of this host sees one of the array's ports ${wwpns}: check the zoning`,
  );
}

function placeOf(session: IscsiSession, lun: number): ScsiPlace {
  return { host: session.scsiHost, channel: 0, target: session.scsiTarget, lun };
}

/**
 * Refuses a volume that somebody else uses on this machine, such as its own root. Asked before
 * anything is touched: a path that we add would end in their map.
 */
async function refuseUsed(
  host: Host,
  { wwid, record, shared }: AttachOptions & { wwid: string },
): Promise<void> {
  const map = await findMap(host, wwid);
  const mounts = await readMounts(host);
  for (const holder of map?.holders ?? []) {
    if (await isIdlePartition(host, { holder, wwid, mounts })) continue;
    throw new PsoError(
      "in_use",
      `multipath map ${map?.alias} of this volume is ${await holderAdvice(host, holder)}`,
    );
  }
  const names = map
    ? [map.name]
    : (await devicesWithWwid(host, wwid)).flatMap(({ name }) => name ?? []);
  for (const name of names) {
    if (shared || record.device === name) continue;
    const device = await findBlockDevice(host, name);
    const [mounted] = device ? mountsOfDevice(mounts, device) : [];
    if (mounted) {
      throw new PsoError(
        "in_use",
        `volume ${name} is mounted at ${mounted.target} already: unmount it there first`,
      );
    }
  }
}

/** What may be a mapping of a partition of the volume. */
interface Holder {
  /** Kernel name of what stands on the volume: `dm-7`. */
  holder: string;
  wwid: string;
  mounts: Mount[];
}

/**
 * True for a kpartx mapping of this volume's partitions that nothing mounts or stacks on. A pod
 * that partitions a raw volume leaves such mappings behind; they do not count as another user.
 */
async function isIdlePartition(host: Host, { holder, wwid, mounts }: Holder): Promise<boolean> {
  const uuid = await readHostText(host, `/sys/class/block/${holder}/dm/uuid`);
  if (!uuid?.startsWith("part") || !uuid.endsWith(`-mpath-${wwid}`)) return false;
  if ((await listHostFolder(host, `/sys/class/block/${holder}/holders`)).length > 0) return false;
  const device = await findBlockDevice(host, holder);
  return device === undefined || mountsOfDevice(mounts, device).length === 0;
}
