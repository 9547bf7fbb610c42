import { messageOf } from "../../errors.ts";
import { type NvmeRoute, nvmeWwidOfSerial } from "../../host/nvme.ts";
import type { IscsiPortal } from "../../host/iscsi.ts";
import { mountAt } from "../../host/mountinfo.ts";
import { wwidOfSerial } from "../../host/scsi.ts";
import {
  type BlockAttachment,
  isBlock,
  type NvmeAttachment,
  type ScsiAttachment,
} from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import type { HostView, SeenPath } from "../../host/host_view.ts";
import type { SilentServer } from "../nfs/servers.ts";
import { routesTo } from "../nvme/attach.ts";
import type { StageRecord } from "../stage_record.ts";
import { stagedMount } from "../volume_mounts.ts";

/**
 * One thing that is wrong with a volume; status and reason together are unique per volume (CSI
 * 1.13, VolumeHealth).
 */
export interface Condition {
  status: "degraded" | "inaccessible";
  /** One CamelCase word, for programs. */
  reason: string;
  /** For people: what is wrong, where. */
  message: string;
}

/** How many paths of volumes carry I/O, are there and do not, and are not there. */
export interface PathCounts {
  up: number;
  down: number;
  missing: number;
}

/** A way to an array by which a staged volume has no session or connection now. */
export type Way = { kind: "iscsi"; target: IscsiPortal } | { kind: "nvme"; route: NvmeRoute };

/** What one look at a staged volume found. */
export interface VolumeLook {
  conditions: Condition[];
  /** Something on this host mounts the volume, or its device. */
  isUsed: boolean;
  paths: PathCounts;
  lacking: Way[];
  /** The array behind it: its IQN, NQN, or WWPNs; absent for what has no paths. */
  array?: string;
  /** What host tools can put right at its paths or its map; absent when there is nothing to do. */
  repair?: string;
}

/**
 * One thing that is wrong with an array or server, as this node sees it (CSI 1.13,
 * StorageBackendHealth).
 */
export interface StorageCondition {
  status: "degraded" | "unreachable";
  reason: string;
  message: string;
}

/** One text per way. */
export function wayKey(way: Way): string {
  if (way.kind === "iscsi") return `iscsi ${way.target.iqn} ${way.target.portal}`;
  const { transport, nqn, traddr, trsvcid, hostTraddr } = way.route;
  return ["nvme", transport, nqn, traddr, trsvcid, hostTraddr].filter((part) => part !== undefined)
    .join(" ");
}

const NONE: PathCounts = { up: 0, down: 0, missing: 0 };

type PathLook = Omit<VolumeLook, "isUsed">;

/**
 * The condition of a volume that has a record, from sysfs and mountinfo as the view shows them.
 * Nothing is changed, no process is started.
 */
export async function lookAt(
  context: NodeContext,
  view: HostView,
  record: StageRecord,
): Promise<VolumeLook> {
  const { attachment, device, stagingPath, published } = record;
  const staged = stagedMount(view.mounts, stagingPath);
  const isUsed = staged !== undefined ||
    published.some(({ targetPath }) => mountAt(view.mounts, targetPath)) ||
    (device !== undefined && view.mountsOf(device).length > 0);
  const conditions: Condition[] = [];
  if (!staged) {
    const reason = record.unstaging ? "UnstageUnfinished" : "NotMounted";
    const message = record.unstaging
      ? "an unstage was begun and has not ended"
      : `nothing is mounted at ${stagingPath}`;
    conditions.push({ status: "inaccessible", reason, message });
  } else if (
    isBlock(attachment) && staged.options.includes("rw") &&
    staged.superOptions.some((option) => /^(ro|emergency_ro|shutdown)$/.test(option))
  ) {
    const message =
      `the kernel takes no more writes to ${staged.type} at ${stagingPath} after an error: see its log`;
    conditions.push({ status: "degraded", reason: "FileSystemReadOnly", message });
  }
  if (!isUsed || !isBlock(attachment)) return { conditions, isUsed, paths: NONE, lacking: [] };
  const found = await lookAtPaths(context, view, { record, attachment });
  return { ...found, isUsed, conditions: [...conditions, ...found.conditions] };
}

async function lookAtPaths(
  context: NodeContext,
  view: HostView,
  { record, attachment }: { record: StageRecord; attachment: BlockAttachment },
): Promise<PathLook> {
  if ("nqn" in attachment) {
    return await lookAtNvme(context, view, { attachment, device: record.device });
  }
  if (attachment.protocol === "local") return lookAtDevice(view, record.device);
  const array = attachment.protocol === "iscsi"
    ? attachment.targets[0]?.iqn
    : attachment.wwpns.join(",");
  const { device } = record;
  if (device === undefined || view.mapWwid(device) !== wwidOfSerial(attachment.serial)) {
    return { ...lookAtDevice(view, device), array };
  }
  return {
    ...lookAtMap(view, { attachment, map: device, multipath: context.flasharray.multipath }),
    array,
  };
}

/** One device without paths of its own to choose from: it is there and runs, or all is lost. */
function lookAtDevice(view: HostView, device: string | undefined): PathLook {
  const state = device === undefined || view.sizeOf(device) === undefined
    ? undefined
    : view.path(device)?.state ?? "running";
  if (state === "running") return { conditions: [], paths: { ...NONE, up: 1 }, lacking: [] };
  if (state !== undefined) {
    const message = `the only path ${device} is ${state}`;
    return {
      conditions: [{ status: "inaccessible", reason: "NoPath", message }],
      paths: { ...NONE, down: 1 },
      lacking: [],
    };
  }
  const message = `the device ${device ?? "of the volume"} is gone from this node`;
  return {
    conditions: [{ status: "inaccessible", reason: "DeviceMissing", message }],
    paths: { ...NONE, missing: 1 },
    lacking: [],
  };
}

function lookAtMap(
  view: HostView,
  { attachment, map, multipath }: { attachment: ScsiAttachment; map: string; multipath: boolean },
): PathLook {
  const wwid = wwidOfSerial(attachment.serial);
  const seen = view.pathsOf(map);
  const own = seen.filter((path) => path.wwid === wwid);
  const foreign = seen.filter((path) => path.wwid !== undefined && path.wwid !== wwid);
  const faults = seen.filter((path) => !foreign.includes(path)).flatMap((path) =>
    faultOf(view, path) ?? []
  );
  const { missing, lacking, unopened } = multipath
    ? lacksOf(view, { attachment, own })
    : { missing: [] as string[], lacking: [] as Way[], unopened: false };
  const paths = {
    up: seen.length - foreign.length - faults.length,
    down: faults.length,
    missing: missing.length,
  };
  const conditions = pathConditions(paths, [...faults, ...missing]);
  if (foreign.length > 0) {
    const message = `the map ${map} of ${wwid} holds ${
      foreign.map((path) => `${path.name} of volume ${path.wwid}`).join(", ")
    }`;
    conditions.push({ status: "degraded", reason: "MixedPaths", message });
  }
  const sizes = [...new Set(own.map((path) => path.sizeBytes))];
  if (sizes.length > 1) {
    const message = `the paths show different sizes: ${
      own.map((path) => `${path.name} ${path.sizeBytes}`).join(", ")
    }`;
    conditions.push({ status: "degraded", reason: "PathSizesDiffer", message });
  }
  const isSmall = sizes.length > 0 && Math.min(...sizes) > (view.sizeOf(map) ?? Infinity);
  const isOffline = own.some((path) => path.state === "offline");
  const work = [
    foreign.length > 0 && "path of another volume",
    unopened && "path missing",
    isOffline && "path off line",
    (isSmall || sizes.length > 1) && "size",
  ].filter((one) => one !== false);
  return { conditions, paths, lacking, repair: work.length > 0 ? work.join(", ") : undefined };
}

/** Why a path that is in its map carries no I/O. */
function faultOf(view: HostView, path: SeenPath): string | undefined {
  const session = view.sessions.find(({ name }) => name === path.session);
  if (session && session.state !== "LOGGED_IN") {
    return `${path.name} by ${session.address}: its session is ${session.state}`;
  }
  if (path.wwid === undefined) return `${path.name} (${path.hctl}) does not say which volume it is`;
  return path.state === "running" ? undefined : `${path.name} (${path.hctl}) is ${path.state}`;
}

/**
 * What the array offers and the map lacks: ways without a session, and paths that can be opened
 * now.
 */
function lacksOf(
  view: HostView,
  { attachment, own }: { attachment: ScsiAttachment; own: SeenPath[] },
): { missing: string[]; lacking: Way[]; unopened: boolean } {
  const missing: string[] = [];
  const lacking: Way[] = [];
  let unopened = false;
  if (attachment.protocol === "fc") {
    const places = view.fcTargets.filter(({ wwpn }) => attachment.wwpns.includes(wwpn));
    for (const { host, channel, target, wwpn, isOnline } of places) {
      if (own.some((path) => path.hctl.startsWith(`${host}:${channel}:${target}:`))) continue;
      missing.push(`host${host} to ${wwpn}: ${isOnline ? "no path" : "the port is lost"}`);
      if (isOnline) unopened = true;
    }
    return { missing, lacking, unopened };
  }
  for (const target of attachment.targets) {
    const session = view.sessionTo(target);
    if (own.some((path) => session && path.session === session.name)) continue;
    missing.push(
      `${target.portal}: ${
        session ? `no path by ${session.name} (${session.state})` : "no session"
      }`,
    );
    if (!session) lacking.push({ kind: "iscsi", target });
    else if (session.state === "LOGGED_IN") unopened = true;
  }
  return { missing, lacking, unopened };
}

function pathConditions(paths: PathCounts, faults: string[]): Condition[] {
  const said = faults.join("; ");
  if (paths.up === 0) {
    return [{
      status: "inaccessible",
      reason: "NoPath",
      message: `no path carries I/O: ${said || "none is there"}`,
    }];
  }
  if (faults.length === 0) return [];
  const message = `${paths.up} of ${
    paths.up + paths.down + paths.missing
  } paths carry I/O: ${said}`;
  return [{ status: "degraded", reason: "PathsMissing", message }];
}

async function lookAtNvme(
  context: NodeContext,
  view: HostView,
  { attachment, device }: { attachment: NvmeAttachment; device?: string },
): Promise<PathLook> {
  const wwid = nvmeWwidOfSerial(attachment.serial);
  let routes: NvmeRoute[] = [];
  const faults: string[] = [];
  try {
    routes = await view.once(`routes ${attachment.nqn}`, () => routesTo(context, attachment));
  } catch (error) {
    faults.push(messageOf(error)); // FC shows none of the array's ports
  }
  const lacking: Way[] = [];
  const paths = { ...NONE };
  for (const route of routes) {
    const controller = view.controllerBy(route);
    if (controller?.state === "live") paths.up++;
    else if (controller) paths.down++;
    else paths.missing++;
    if (!controller) lacking.push({ kind: "nvme", route });
    if (controller?.state !== "live") {
      faults.push(
        `${route.traddr}: ${
          controller ? `${controller.name} is ${controller.state}` : "no connection"
        }`,
      );
    }
  }
  const conditions = pathConditions(paths, faults);
  if (device === undefined || view.namespaceWwid(device) !== wwid) {
    const message = `the kernel shows no namespace ${wwid} of ${attachment.nqn} (any more)`;
    conditions.push({ status: "inaccessible", reason: "DeviceMissing", message });
  }
  return { conditions, paths, lacking, array: attachment.nqn };
}

/**
 * What is wrong with storage: an array is unreachable when no volume of it has a path, a server
 * when it does not answer.
 */
export function storageConditions(looks: VolumeLook[], silent: SilentServer[]): StorageCondition[] {
  const byArray = Map.groupBy(
    looks.filter(({ array }) => array !== undefined),
    ({ array }) => array,
  );
  const unreachable: string[] = [];
  const degraded: string[] = [];
  for (const [array, volumes] of byArray) {
    const hurt = volumes.filter(({ paths }) => paths.down + paths.missing > 0);
    const dead = hurt.filter(({ paths }) => paths.up === 0);
    if (dead.length === volumes.length) unreachable.push(`${array} (${dead.length} volumes)`);
    else if (hurt.length > 0) {
      degraded.push(`${array} (${hurt.length} of ${volumes.length} volumes)`);
    }
  }
  const found: StorageCondition[] = [];
  const add = (
    status: StorageCondition["status"],
    reason: string,
    { text, of }: { text: string; of: string[] },
  ) => {
    if (of.length > 0) found.push({ status, reason, message: `${text}: ${of.join(", ")}` });
  };
  add("unreachable", "ArrayUnreachable", {
    text: "no path of this node leads to the array",
    of: unreachable,
  });
  add("degraded", "PathsMissing", {
    text: "some paths of this node to the array carry no I/O",
    of: degraded,
  });
  add("unreachable", "ServerNotAnswering", {
    text: "NFS servers do not answer this node",
    of: silent.map(({ server }) => server),
  });
  return found;
}
