import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import { type BlockDevice, findBlockDevice, partitionsOf } from "../../host/block_device.ts";
import { fcRoutes } from "../../host/fc.ts";
import { type Host, listHostFolder } from "../../host/host.ts";
import { mountsOfDevice, readMounts } from "../../host/mountinfo.ts";
import {
  connect,
  disconnect,
  ipRoute,
  isSameRoute,
  listControllers,
  namespacesOf,
  namespaceWwid,
  type NvmeController,
  type NvmeRoute,
  routeKey,
} from "../../host/nvme.ts";
import { PROTOCOL_FACTS } from "../../protocols.ts";
import { openersOf } from "../../host/open_device.ts";
import type { NodeContext } from "../context.ts";
import type { NvmeAttachment, SeenRecords } from "../protocol.ts";
import type { StageRecord } from "../stage_record.ts";
import { NvmeNotes } from "./notes.ts";

/** Every route to the subsystem of a volume. `unavailable` when FC shows none. */
export async function routesTo(host: Host, attachment: NvmeAttachment): Promise<NvmeRoute[]> {
  if ("portals" in attachment) {
    const { transport } = PROTOCOL_FACTS[attachment.protocol];
    return attachment.portals.map((portal) => ipRoute(transport, attachment.nqn, portal));
  }
  const routes = await fcRoutes(host, attachment);
  if (routes.length > 0) return routes;
  const wwpns = attachment.wwpns.join(", ");
  throw new PsoError(
    "unavailable",
    `no FC port of this host sees one of the array's ports ${wwpns}: check the zoning`,
  );
}

/**
 * So long paths may take that are slower than the first one. A path that is dead is not waited for:
 * the healer connects it when it is back.
 */
const SLOWER_MS = 3_000;

/**
 * Connects every path of the array; those that are there already stay as they are. One path that
 * works is enough: the others have SLOWER_MS from then on. `unavailable` with every reason when
 * none works.
 */
export async function connectAll(
  context: NodeContext,
  attachment: NvmeAttachment,
  signal?: AbortSignal,
): Promise<void> {
  const routes = await routesTo(context.host, attachment);
  const slow = new AbortController();
  const own = AbortSignal.any([slow.signal, ...(signal ? [signal] : [])]);
  const connecting = routes.map((route) => connectRoute(context, route, own));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const giveUp = () => {
    const message = `a path did not answer within ${SLOWER_MS} ms after another one: check the ` +
      "network from this node to the array's ports";
    slow.abort(new PsoError("timeout", message));
  };
  Promise.any(connecting).then(() => {
    if (!isOver) timer = setTimeout(giveUp, SLOWER_MS);
  }, () => {}); // none works: told below
  const outcomes = await Promise.allSettled(connecting);
  isOver = true;
  clearTimeout(timer);
  const reasons = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [messageOf(outcome.reason)] : []
  ).join("; ");
  if (outcomes.every((outcome) => outcome.status === "rejected")) {
    throw new PsoError(
      "unavailable",
      `no NVMe path to subsystem ${attachment.nqn} works on this node: ${reasons}`,
    );
  }
  if (reasons !== "") {
    context.log.warn("array has fewer NVMe paths than it offers", {
      nqn: attachment.nqn,
      reason: reasons,
    });
  }
}

/**
 * Connects one path, after the work that goes on with that path. A connection that is not there yet
 * is noted as ours first. There already is success.
 */
export async function connectRoute(
  context: NodeContext,
  route: NvmeRoute,
  signal?: AbortSignal,
): Promise<void> {
  // Of many stages at once only the first waits for a dead path; the others fail with it at once.
  await context.targets.inTurnUnlessHung(routeKey(route), async () => {
    const isThere = (await listControllers(context.host)).some((one) => isSameRoute(one, route));
    if (!isThere) await new NvmeNotes(context).add(route);
    await connect(context.host, route, signal);
  }, signal);
}

/** Names of our connections to arrays that no volume of `records` is on and no attach is using. */
export async function idleConnectionNames(
  context: NodeContext,
  { view, records }: SeenRecords,
): Promise<string[]> {
  if (view.controllers.length === 0) return [];
  const notes = new NvmeNotes(context);
  const ours = await notes.ours(view.controllers);
  const idle = ours.filter(({ nqn }) =>
    !context.targets.isUsed(nqn) && !records.some((record) => isOn(record, nqn))
  );
  const names: string[] = [];
  for (const { name, nqn } of idle) {
    if (!await hasOthers(context, { nqn, notes })) names.push(name);
  }
  return names;
}

/** A subsystem, and what this driver notes of its own work. */
interface NotedSubsystem {
  nqn: string;
  notes: NvmeNotes;
}

/**
 * Whether a subsystem shows a namespace that this driver has not let go: somebody else may use it,
 * and has no other way to the array.
 */
async function hasOthers({ host }: NodeContext, { nqn, notes }: NotedSubsystem): Promise<boolean> {
  const released = await notes.released();
  for (const name of await namespacesOf(host, nqn)) {
    const wwid = await namespaceWwid(host, name);
    if (wwid === undefined || !released.includes(wwid)) return true;
  }
  return false;
}

/**
 * Disconnects what this driver connected to arrays that no other volume of this node is on.
 * Connections of others are never touched.
 */
export async function endIdleConnections(
  context: NodeContext,
  others: StageRecord[],
  signal?: AbortSignal,
): Promise<void> {
  const notes = new NvmeNotes(context);
  const ours = await notes.ours(await listControllers(context.host));
  for (const nqn of new Set(ours.map((one) => one.nqn))) {
    if (others.some((record) => isOn(record, nqn))) continue;
    for (const controller of ours.filter((one) => one.nqn === nqn)) {
      await context.targets.inTurn(
        routeKey(controller),
        () => endIdle(context, { controller, notes }, signal),
        signal,
      );
    }
  }
}

/** Whether the volume of a record is a namespace of this subsystem. */
function isOn({ attachment }: StageRecord, nqn: string): boolean {
  return "nqn" in attachment && attachment.nqn === nqn;
}

/**
 * Ends one connection, when its turn has come, unless an attach is about to use it, or its subsystem
 * has a namespace that we have not let go or that something mounts, stands on or has open: those
 * have no other way to the array.
 */
async function endIdle(
  context: NodeContext,
  { controller, notes }: { controller: NvmeController; notes: NvmeNotes },
  signal?: AbortSignal,
): Promise<void> {
  const { host, targets } = context;
  const { nqn } = controller;
  if (targets.isUsed(nqn) || await hasOthers(context, { nqn, notes })) return;
  const mounts = await readMounts(host);
  const devices: BlockDevice[] = [];
  for (const name of await namespacesOf(host, nqn)) {
    const device = await findBlockDevice(host, name);
    for (const one of device ? [device, ...await partitionsOf(host, name)] : []) {
      if (mountsOfDevice(mounts, one).length > 0) return;
      if ((await listHostFolder(host, `/sys/class/block/${one.name}/holders`)).length > 0) return;
      devices.push(one);
    }
  }
  if (await mayBeOpen(context, devices, signal)) return;
  await disconnect(host, controller, signal);
  await notes.remove(controller);
}

/** Whether something has one of these namespaces open, or nobody can tell, which the log says. */
async function mayBeOpen(
  { host, log }: NodeContext,
  devices: readonly BlockDevice[],
  signal?: AbortSignal,
): Promise<boolean> {
  if (devices.length === 0) return false;
  try {
    return (await openersOf(host, devices, signal)).length > 0;
  } catch (error) {
    if (!isPsoError(error, "in_use")) throw error;
    log.warn("idle NVMe connection kept", { reason: messageOf(error) });
    return true;
  }
}
