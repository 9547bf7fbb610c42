import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import {
  type BlockDevice,
  findBlockDevice,
  readBlockDevice,
  refuseLiveFileSystem,
} from "../../host/block_device.ts";
import { type Host, listHostFolder } from "../../host/host.ts";
import { mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import {
  findNamespace,
  isPureNamespace,
  listControllers,
  namespacesOf,
  namespaceWwid,
  type NvmeNamespace,
  nvmeWwidOfSerial,
  rescanController,
} from "../../host/nvme.ts";
import { refuseOpenDevice } from "../../host/open_device.ts";
import { until } from "../../async/wait.ts";
import { holderAdvice, refuseUsedPartitions } from "../../host/holders.ts";
import type { NodeContext } from "../context.ts";
import { flushForRemoval } from "../flush.ts";
import type { AttachOptions, AttachRequest, NvmeAttachment } from "../protocol.ts";
import { NvmeNotes } from "./notes.ts";
import { connectAll } from "./routes.ts";

/** The array's event, or the rescan, makes a new namespace known by then. */
const APPEAR_TIMEOUT_MS = 30_000;
const RESCAN_EVERY_MS = 3_000;

type ScanContext = Pick<NodeContext, "host" | "log">;

/** BlockConnection.attach for volumes with an NVMe namespace. */
export async function attachNvme(
  context: NodeContext,
  { attachment, ...options }: AttachRequest<NvmeAttachment>,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  const { host } = context;
  const { nqn } = attachment;
  const namespace = await context.targets.using([nqn], async () => {
    await connectAll(context, attachment, signal);
    return await waitForNamespace(context, attachment, signal);
  });
  if (!(await namespacesOf(host, nqn)).includes(namespace.name)) {
    const wwid = nvmeWwidOfSerial(attachment.serial);
    throw new PsoError(
      "in_use",
      `namespace ${wwid} is on this node by another array than ${nqn}: two arrays must not show ` +
        "one serial number to a node; disconnect the volume that is not meant",
    );
  }
  const device = await readBlockDevice(host, namespace.name);
  await refuseUsed(host, { ...options, device });
  await new NvmeNotes(context).take(namespace.wwid);
  await options.note({ device: device.name });
  return device;
}

/**
 * Waits until the namespace is there in the size that the array said. The array's event may have
 * been lost, so each path is asked again from time to time.
 */
async function waitForNamespace(
  context: ScanContext,
  { serial, nqn, sizeBytes }: NvmeAttachment,
  signal?: AbortSignal,
): Promise<NvmeNamespace> {
  const { host } = context;
  const wwid = nvmeWwidOfSerial(serial);
  let rescannedAt = performance.now();
  let found: NvmeNamespace | undefined;
  let shown = 0;
  const isUsable = async () => {
    found = await findNamespace(host, wwid);
    shown = found ? (await findBlockDevice(host, found.name))?.sizeBytes ?? 0 : 0;
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
      ? `has ${shown} bytes where the array said ${sizeBytes}: check the paths with nvme list-subsys`
      : "did not appear: see that the array connects the volume to the host of this node's NQN";
    throw new PsoError("unavailable", `namespace ${wwid} of ${nqn} ${why}`, { cause: error });
  }
}

/** Asks every live path of an array for its namespaces. A path that refuses is only logged. */
async function rescanAll(
  { host, log }: ScanContext,
  nqn: string,
  signal?: AbortSignal,
): Promise<void> {
  const live = (await listControllers(host)).filter((one) =>
    one.nqn === nqn && one.state === "live"
  );
  await Promise.all(
    live.map(({ name }) =>
      rescanController(host, name, signal).catch((error) => {
        log.warn("NVMe path not rescanned", { path: name, reason: messageOf(error) });
      })
    ),
  );
}

/** Refuses a namespace that somebody else uses on this machine. */
async function refuseUsed(
  host: Host,
  { device, record, shared }: AttachOptions & { device: BlockDevice },
): Promise<void> {
  await refuseHolders(host, device.name);
  if (shared || record.device === device.name) return;
  const [mounted] = mountsOfDevice(await readMounts(host), device);
  if (mounted) {
    throw new PsoError(
      "in_use",
      `namespace ${device.name} is mounted at ${mounted.target} already: unmount it there first`,
    );
  }
}

async function refuseHolders(host: Host, deviceName: string): Promise<void> {
  const [holder] = await listHostFolder(host, `/sys/class/block/${deviceName}/holders`);
  if (holder === undefined) return;
  throw new PsoError(
    "in_use",
    `namespace ${deviceName} is ${await holderAdvice(host, holder)}`,
  );
}

/** BlockConnection.grow for volumes with an NVMe namespace. */
export async function growNvme(
  context: ScanContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  const { host } = context;
  for (const nqn of new Set((await listControllers(host)).map((one) => one.nqn))) {
    if ((await namespacesOf(host, nqn)).includes(deviceName)) await rescanAll(context, nqn, signal);
  }
  await waitForStableSize(host, deviceName, signal);
}

/**
 * Reads the size until it stands still: the kernel does a rescan in the background (its
 * nvme_scan_work), and nothing tells when it is done.
 */
async function waitForStableSize(
  host: Host,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  let last = -1;
  const isStill = async () => {
    const { sizeBytes } = await readBlockDevice(host, deviceName);
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

/**
 * Writes back what is cached, proves that nothing uses the namespace and notes that we are done with
 * it. The namespace itself goes when the array disconnects it, or with its connection: a host
 * cannot remove one.
 */
export async function detachNvme(
  context: NodeContext,
  deviceName: string,
  signal?: AbortSignal,
): Promise<void> {
  const { host, log } = context;
  const wwid = await namespaceWwid(host, deviceName);
  if (wwid === undefined && !await findBlockDevice(host, deviceName)) return;
  if (!isPureNamespace(wwid)) {
    throw new PsoError(
      "in_use",
      `device ${deviceName} (${wwid ?? "unknown"}) is no volume of a FlashArray and is not taken ` +
        "away: see what it is with nvme list, and detach it by hand if nothing needs it",
    );
  }
  await refuseHolders(host, deviceName);
  await refuseUsedPartitions(host, deviceName);
  await refuseLiveFileSystem(host, deviceName);
  await refuseOpenDevice(host, deviceName, signal);
  await flushForRemoval(context, { device: deviceName, wwid }, signal);
  const names = await listHostFolder(host, "/sys/class/block");
  const there = await Promise.all(names.map((name) => namespaceWwid(host, name)));
  const notes = new NvmeNotes(context);
  await notes.release(wwid, there.filter((one) => one !== undefined)).catch((error) => {
    // Its connection stays then, which costs nobody anything.
    log.warn("released namespace not noted", { wwid, reason: messageOf(error) });
  });
}
