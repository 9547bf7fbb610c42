import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import {
  type BlockDevice,
  dropCache,
  findBlockDevice,
  readBlockDevice,
  refuseLiveFileSystem,
} from "../../host/block_device.ts";
import { fcRoutes } from "../../host/fc.ts";
import { listHostFolder } from "../../host/host.ts";
import { mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import {
  connect,
  disconnect,
  findNamespace,
  ipRoute,
  isPureNamespace,
  isSameRoute,
  listControllers,
  namespacesOf,
  namespaceWwid,
  type NvmeController,
  type NvmeNamespace,
  type NvmeRoute,
  nvmeWwidOfSerial,
  rescanController,
} from "../../host/nvme.ts";
import { until, withDeadline } from "../../async/wait.ts";
import type {
  AttachOptions,
  BlockAttachment,
  BlockConnection,
  NvmeAttachment,
} from "../protocol.ts";
import type { NodeContext } from "../context.ts";
import { NvmeNotes } from "./notes.ts";
import type { StageRecord } from "../stage_record.ts";

/**
 * Volumes by NVMe over Fabrics: one set of connections per array, the paths joined by the kernel's
 * native multipath. Identity is the NGUID alone. A namespace comes and goes with its connection on
 * the array; a host cannot remove one, only disconnect.
 */
export const nvmeBlock: BlockConnection = {
  attach,
  isDeviceOf,
  grow,
  devicesOf,
  owns,
  detach,
  tidy,
};

/** The array's event, or the rescan, makes a new namespace known. */
const APPEAR_TIMEOUT_MS = 30_000;
const RESCAN_EVERY_MS = 3_000;
const FLUSH_TIMEOUT_MS = 30_000;

function nvmeAttachment(attachment: BlockAttachment): NvmeAttachment {
  if ("nqn" in attachment) return attachment;
  throw new PsoError("invalid", `protocol ${attachment.protocol} has no NVMe namespace`);
}

/** Every way to the subsystem. `unavailable` when FC shows none. */
export async function routesTo(
  context: NodeContext,
  attachment: NvmeAttachment,
): Promise<NvmeRoute[]> {
  if (attachment.protocol !== "nvme-fc") {
    const transport = attachment.protocol === "nvme-tcp" ? "tcp" : "rdma";
    return attachment.portals.map((portal) => ipRoute(transport, attachment.nqn, portal));
  }
  const routes = await fcRoutes(context.host, attachment);
  if (routes.length > 0) return routes;
  throw new PsoError(
    "unavailable",
    `no FC port of this host sees one of the array's ports ${
      attachment.wwpns.join(", ")
    }: check the zoning`,
  );
}

async function attach(
  context: NodeContext,
  blockAttachment: BlockAttachment,
  options: AttachOptions,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const attachment = nvmeAttachment(blockAttachment);
  const wwid = nvmeWwidOfSerial(attachment.serial);
  const namespace = await context.targets.using([attachment.nqn], async () => {
    await connectAll(context, attachment, signal);
    return await appear(context, { attachment, wwid }, signal);
  });
  if (!(await namespacesOf(context.host, attachment.nqn)).includes(namespace.name)) {
    throw new PsoError(
      "in_use",
      `namespace ${wwid} is on this node by another array than ${attachment.nqn}: two arrays must not show one serial number to a node; ` +
        "disconnect the volume that is not meant",
    );
  }
  const device = await readBlockDevice(context.host, namespace.name);
  await refuseUsed(context, device, options);
  await options.note({ device: device.name });
  return device;
}

/**
 * Connects every path of the array; those that are there already stay as they are. `unavailable`
 * with every reason when none works.
 */
async function connectAll(
  context: NodeContext,
  attachment: NvmeAttachment,
  signal?: AbortSignal,
): Promise<void> {
  const routes = await routesTo(context, attachment);
  const outcomes = await Promise.allSettled(
    routes.map((route) => connectRoute(context, route, signal)),
  );
  const reasons = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [messageOf(outcome.reason)] : []
  ).join("; ");
  if (outcomes.every((outcome) => outcome.status === "rejected")) {
    throw new PsoError("unavailable", `no NVMe path to the array works on this node: ${reasons}`);
  }
  if (reasons !== "") {
    context.log.warn("array has fewer NVMe paths than it offers", {
      nqn: attachment.nqn,
      reason: reasons,
    });
  }
}

/**
 * Connects one path, after what goes on with it already; noted first when it will be ours. There
 * already is success.
 */
export async function connectRoute(
  context: NodeContext,
  route: NvmeRoute,
  signal?: AbortSignal,
): Promise<void> {
  // Of many stages at once only the first waits for a path that is dead.
  await context.targets.inTurnUnlessHung(route.nqn + route.traddr, async () => {
    const isThere = (await listControllers(context.host)).some((one) => isSameRoute(one, route));
    if (!isThere) await new NvmeNotes(context).add(route);
    await connect(context.host, route, signal);
  }, signal);
}

/**
 * Waits for the namespace, in the size that the array said; asks each path from time to time, as an
 * event may have been lost.
 */
async function appear(
  context: NodeContext,
  { attachment, wwid }: { attachment: NvmeAttachment; wwid: string },
  signal?: AbortSignal,
): Promise<NvmeNamespace> {
  const { nqn, sizeBytes } = attachment;
  let rescannedAt = performance.now();
  let found: NvmeNamespace | undefined;
  let shown = 0;
  const isUsable = async () => {
    found = await findNamespace(context.host, wwid);
    shown = found ? (await findBlockDevice(context.host, found.name))?.sizeBytes ?? 0 : 0;
    if (found && shown > 0 && shown >= sizeBytes) return found;
    if (performance.now() - rescannedAt > RESCAN_EVERY_MS) {
      await rescanAll(context, nqn, signal);
      rescannedAt = performance.now();
    }
    return undefined;
  };
  try {
    return await until(`namespace ${wwid}`, isUsable, { timeoutMs: APPEAR_TIMEOUT_MS, signal });
  } catch (error) {
    if (!isPsoError(error, "timeout") || signal?.aborted) throw error;
    const why = found
      ? `has ${shown} bytes where the array said ${sizeBytes}`
      : "did not appear: the array shows this host no such volume";
    throw new PsoError("unavailable", `namespace ${wwid} of ${nqn} ${why}`, { cause: error });
  }
}

async function rescanAll(context: NodeContext, nqn: string, signal?: AbortSignal): Promise<void> {
  const live = (await listControllers(context.host)).filter((one) =>
    one.nqn === nqn && one.state === "live"
  );
  await Promise.all(
    live.map(({ name }) =>
      rescanController(context.host, name, signal).catch((error) => {
        context.log.warn("NVMe path not rescanned", { path: name, reason: messageOf(error) });
      })
    ),
  );
}

async function refuseUsed(
  context: NodeContext,
  device: BlockDevice,
  { record, shared }: AttachOptions,
): Promise<void> {
  const [holder] = await listHostFolder(context.host, `/sys/class/block/${device.name}/holders`);
  if (holder !== undefined) {
    throw new PsoError(
      "in_use",
      `namespace ${device.name} is held by ${holder}: somebody else uses it on this node`,
    );
  }
  if (shared || record.device === device.name) return;
  const [mounted] = mountsOfDevice(await readMounts(context.host), device);
  if (mounted) {
    throw new PsoError(
      "in_use",
      `namespace ${device.name} is mounted at ${mounted.target} already: it must be let go there first`,
    );
  }
}

async function isDeviceOf(
  context: NodeContext,
  attachment: BlockAttachment,
  deviceName: string,
): Promise<boolean> {
  return await namespaceWwid(context.host, deviceName) ===
    nvmeWwidOfSerial(nvmeAttachment(attachment).serial);
}

async function grow(context: NodeContext, deviceName: string, signal?: AbortSignal): Promise<void> {
  for (const nqn of new Set((await listControllers(context.host)).map((one) => one.nqn))) {
    if ((await namespacesOf(context.host, nqn)).includes(deviceName)) {
      await rescanAll(context, nqn, signal);
    }
  }
  await settled(context, deviceName, signal);
}

/**
 * A rescan is done in the background (fs/nvme scan work): the size is read until it stands still.
 */
async function settled(
  context: NodeContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  let last = -1;
  const isStill = async () => {
    const { sizeBytes } = await readBlockDevice(context.host, deviceName);
    const isSame = sizeBytes === last;
    last = sizeBytes;
    return isSame;
  };
  await until(`size of ${deviceName}`, isStill, {
    timeoutMs: APPEAR_TIMEOUT_MS,
    intervalMs: 500,
    signal,
  });
}

async function devicesOf(context: NodeContext, record: StageRecord): Promise<string[]> {
  if (!("nqn" in record.attachment)) return [];
  const namespace = await findNamespace(context.host, nvmeWwidOfSerial(record.attachment.serial));
  return namespace ? [namespace.name] : [];
}

async function owns(context: NodeContext, deviceName: string): Promise<boolean> {
  return isPureNamespace(await namespaceWwid(context.host, deviceName));
}

/**
 * Writes back what is cached and proves that nothing stands on the namespace. It goes when the
 * array disconnects it, or with tidy().
 */
async function detach(
  context: NodeContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  const { host } = context;
  const wwid = await namespaceWwid(host, deviceName);
  if (wwid === undefined && !await findBlockDevice(host, deviceName)) return;
  if (!isPureNamespace(wwid)) {
    throw new PsoError(
      "in_use",
      `device ${deviceName} (${wwid ?? "unknown"}) is no volume of a FlashArray: it is left alone`,
    );
  }
  const [holder] = await listHostFolder(host, `/sys/class/block/${deviceName}/holders`);
  if (holder !== undefined) {
    throw new PsoError(
      "in_use",
      `namespace ${deviceName} is held by ${holder}: it is let go first by who made that`,
    );
  }
  await refuseLiveFileSystem(host, deviceName);
  const flush = (own: AbortSignal) => dropCache(host, deviceName, own);
  await withDeadline(`flush of ${deviceName}`, { timeoutMs: FLUSH_TIMEOUT_MS, signal }, flush)
    .catch((error) => {
      context.log.warn("device not flushed before its removal", {
        device: deviceName,
        wwid,
        reason: messageOf(error),
      });
    });
}

/**
 * Disconnects what this driver connected to arrays that no other volume of this node uses.
 * Connections of others are never touched.
 */
async function tidy(
  context: NodeContext,
  others: StageRecord[],
  signal?: AbortSignal,
): Promise<void> {
  const notes = new NvmeNotes(context);
  const ours = await notes.ours(await listControllers(context.host));
  for (const nqn of new Set(ours.map((one) => one.nqn))) {
    if (others.some(({ attachment }) => "nqn" in attachment && attachment.nqn === nqn)) continue;
    for (const controller of ours.filter((one) => one.nqn === nqn)) {
      await context.targets.inTurn(
        nqn + controller.traddr,
        () => endIdle(context, { controller, notes }, signal),
      );
    }
  }
}

async function endIdle(
  context: NodeContext,
  { controller, notes }: { controller: NvmeController; notes: NvmeNotes },
  signal?: AbortSignal,
): Promise<void> {
  const { nqn } = controller;
  if (context.targets.isUsed(nqn)) return;
  const mounts = await readMounts(context.host);
  for (const name of await namespacesOf(context.host, nqn)) {
    const device = await findBlockDevice(context.host, name);
    if (device && mountsOfDevice(mounts, device).length > 0) return;
    if ((await listHostFolder(context.host, `/sys/class/block/${name}/holders`)).length > 0) return;
  }
  await disconnect(context.host, controller, signal);
  await notes.remove(controller);
}
