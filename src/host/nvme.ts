import { PsoError } from "../errors.ts";
import { addressKey } from "../net/address.ts";
import { until } from "../async/wait.ts";
import { type Host, listHostFolder, readHostText } from "./host.ts";
import { storageNameFault } from "../storage_names.ts";
import { readPortal } from "./portal.ts";
import { writeSysfs } from "./sysfs.ts";

const CONTROLLERS = "/sys/class/nvme";
/** IANA's port of NVMe over TCP and RDMA (NVMe/TCP transport specification). */
const DEFAULT_PORT = 4420;
const CONNECT_TIMEOUT_MS = 60_000;
const DISCONNECT_TIMEOUT_MS = 60_000;
const RESCAN_TIMEOUT_MS = 15_000;
const NAMESPACE = /^nvme\d+n\d+$/;
/**
 * The NGUID of a FlashArray volume: 00, the first 14 digits of its serial number, the vendor's OUI
 * 24a937, and the other 10 digits.
 */
const PURE = /^eui\.00[0-9a-f]{14}24a937[0-9a-f]{10}$/;
/**
 * The kernel tries a lost path again after so many seconds, and for ever: I/O waits meanwhile, and
 * no namespace disappears under a pod.
 */
const RECONNECT_SECONDS = 5;

/** One text for all routes to one address of a subsystem, however it is spelled. */
export function routeKey({ nqn, traddr }: Pick<NvmeRoute, "nqn" | "traddr">): string {
  return `${nqn} ${addressKey(traddr)}`;
}

/** One route to a subsystem, with addresses as nvme-connect(1) wants them. */
export interface NvmeRoute {
  transport: "tcp" | "rdma" | "fc";
  nqn: string;
  /** `192.0.2.1`, `2001:db8::1`, or `nn-0x…:pn-0x…` for FC. */
  traddr: string;
  /** Port, absent for FC. */
  trsvcid?: string;
  /** FC: the port of this host. */
  hostTraddr?: string;
}

/** One NVMe controller of this host, which is one path to a subsystem. */
export interface NvmeController extends NvmeRoute {
  /** `nvme3` */
  name: string;
  /** `live`, `connecting` (the kernel is connecting again), `deleting` … */
  state: string;
}

/**
 * The `wwid` that the kernel shows for the namespace of a FlashArray volume with this serial
 * number. `invalid` when the serial number is not 24 hex digits.
 */
export function nvmeWwidOfSerial(serial: string): string {
  const digits = serial.toLowerCase();
  const wwid = `eui.00${digits.slice(0, 14)}24a937${digits.slice(14)}`;
  if (isPureNamespace(wwid)) return wwid;
  throw new PsoError(
    "invalid",
    `serial ${JSON.stringify(serial)} is not that of a FlashArray volume, which has 24 hex ` +
      "digits: publish the volume again",
  );
}

/** True for the `wwid` of a FlashArray volume's namespace. No other namespace is ever touched. */
export function isPureNamespace(wwid: string | undefined): wwid is string {
  return wwid !== undefined && PURE.test(wwid);
}

/**
 * `192.0.2.1:4420`, `[2001:db8::1]:4420` → the route there; 4420 when no port is named (NVMe/TCP
 * transport specification).
 */
export function ipRoute(transport: "tcp" | "rdma", nqn: string, portal: string): NvmeRoute {
  const { host: traddr, port } = readPortal(portal, {
    protocol: "NVMe",
    defaultPort: DEFAULT_PORT,
  });
  return { transport, nqn, traddr, trsvcid: String(port) };
}

/**
 * True when both routes lead to the same port of the same subsystem, and start from the same port
 * of this host if both name one.
 */
export function isSameRoute(a: NvmeRoute, b: NvmeRoute): boolean {
  const differInHost = a.hostTraddr !== undefined && b.hostTraddr !== undefined &&
    a.hostTraddr !== b.hostTraddr;
  return a.transport === b.transport && a.nqn === b.nqn &&
    addressKey(a.traddr) === addressKey(b.traddr) &&
    (a.trsvcid ?? "") === (b.trsvcid ?? "") && !differInHost;
}

/**
 * Reads `address` of a controller in sysfs, such as `traddr=127.0.0.1,trsvcid=4420`. `undefined`
 * when it names no `traddr`, as for a local PCIe disk.
 */
export function parseAddress(
  text: string,
): Pick<NvmeRoute, "traddr" | "trsvcid" | "hostTraddr"> | undefined {
  const fields = new Map(
    text.split(",").map((part) => part.trim().split("=", 2) as [string, string]),
  );
  const traddr = fields.get("traddr");
  if (!traddr) return undefined;
  const service = fields.get("trsvcid");
  return {
    traddr,
    trsvcid: service === "none" ? undefined : service,
    hostTraddr: fields.get("host_traddr"),
  };
}

/** All controllers of this host over TCP, RDMA or FC, whoever connected them. */
export async function listControllers(host: Host): Promise<NvmeController[]> {
  const found: NvmeController[] = [];
  for (const name of await listHostFolder(host, CONTROLLERS)) {
    const read = (file: string) => readHostText(host, `${CONTROLLERS}/${name}/${file}`);
    const [transport, nqn, address, state] = await Promise.all([
      read("transport"),
      read("subsysnqn"),
      read("address"),
      read("state"),
    ]);
    const place = parseAddress(address ?? "");
    if ((transport !== "tcp" && transport !== "rdma" && transport !== "fc") || !nqn || !place) {
      continue;
    }
    found.push({ name, transport, nqn, state: state ?? "", ...place });
  }
  return found;
}

/** A namespace as pods use it: the one device that native multipath makes over all its paths. */
export interface NvmeNamespace {
  /** `nvme0n1` */
  name: string;
  wwid: string;
}

/**
 * The namespace with this WWID; `undefined` when the kernel shows none. `unavailable` when it shows
 * one device for each path, because native multipath is off.
 */
export async function findNamespace(host: Host, wwid: string): Promise<NvmeNamespace | undefined> {
  const found: NvmeNamespace[] = [];
  for (const name of await listHostFolder(host, "/sys/class/block")) {
    if (NAMESPACE.test(name) && await namespaceWwid(host, name) === wwid) {
      found.push({ name, wwid });
    }
  }
  if (found.length <= 1) return found[0];
  throw new PsoError(
    "unavailable",
    `namespace ${wwid} has ${found.length} devices (${
      found.map(({ name }) => name).join(", ")
    }), because native multipath of the kernel is off: ` +
      "start the host with nvme_core.multipath=Y on the kernel's command line",
  );
}

/** The WWID of a namespace, by its kernel name; `undefined` for every other device. */
export async function namespaceWwid(host: Host, name: string): Promise<string | undefined> {
  return NAMESPACE.test(name)
    ? await readHostText(host, `/sys/class/block/${name}/wwid`)
    : undefined;
}

/** Kernel names of the namespaces of a subsystem on this host; none when it is not connected. */
export async function namespacesOf(host: Host, nqn: string): Promise<string[]> {
  for (const subsystem of await listHostFolder(host, "/sys/class/nvme-subsystem")) {
    const folder = `/sys/class/nvme-subsystem/${subsystem}`;
    if (await readHostText(host, `${folder}/subsysnqn`) !== nqn) continue;
    return (await listHostFolder(host, folder)).filter((name) => NAMESPACE.test(name));
  }
  return [];
}

/**
 * Connects one path (nvme-connect(1)) and returns its controller. If the path is connected, that
 * controller is returned, whoever connected it. `unavailable` when the port does not answer or
 * refuses; `invalid` for a subsystem whose name is no NQN: the kernel reads it among its options.
 */
export async function connect(
  host: Host,
  route: NvmeRoute,
  signal?: AbortSignal,
): Promise<NvmeController> {
  const find = async () =>
    (await listControllers(host)).find((one) =>
      one.state !== "deleting" && isSameRoute(one, route)
    );
  const existing = await find();
  if (existing) return existing;
  const { transport, nqn, traddr, trsvcid, hostTraddr } = route;
  const fault = storageNameFault("subsystem", nqn);
  if (fault !== undefined) throw new PsoError("invalid", `${fault}: correct it on the array`);
  const args = ["connect", "-t", transport, "-n", nqn, "-a", traddr];
  if (trsvcid !== undefined) args.push("-s", trsvcid);
  if (hostTraddr !== undefined) args.push("-w", hostTraddr);
  args.push("--ctrl-loss-tmo=-1", `--reconnect-delay=${RECONNECT_SECONDS}`);
  const { stderr } = await host.run("nvme", args, {
    okCodes: [0, 1],
    timeoutMs: CONNECT_TIMEOUT_MS,
    signal,
  });
  const made = await find();
  if (made) return made;
  const said = stderr.trim().replaceAll(/\s+/g, " ") ||
    "nvme connect reported success, and the kernel shows no controller";
  throw new PsoError(
    "unavailable",
    `NVMe subsystem ${nqn} cannot be connected at ${traddr}${
      trsvcid ? ` port ${trsvcid}` : ""
    }: ${said}; check the network from this node to that port, and this node's NQN on the array`,
  );
}

/**
 * Disconnects one path (nvme-disconnect(1)), and proves by sysfs that it is gone. A path that is
 * gone already is success; `timeout` when it stays.
 */
export async function disconnect(
  host: Host,
  controller: NvmeController,
  signal?: AbortSignal,
): Promise<void> {
  const isThere = async () =>
    (await listControllers(host)).some((one) =>
      one.name === controller.name && isSameRoute(one, controller)
    );
  if (!await isThere()) return;
  await host.run("nvme", ["disconnect", "-d", controller.name], {
    okCodes: [0, 1],
    timeoutMs: DISCONNECT_TIMEOUT_MS,
    signal,
  });
  await until(
    `end of NVMe connection ${controller.name} to ${controller.nqn}`,
    async () => !await isThere(),
    {
      timeoutMs: DISCONNECT_TIMEOUT_MS,
      signal,
    },
  );
}

/**
 * Makes the kernel look for new namespaces and sizes through one controller. The kernel does so by
 * itself when the array's event arrives; this is for an event that was lost.
 */
export async function rescanController(
  host: Host,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  await writeSysfs(host, `${CONTROLLERS}/${name}/rescan_controller`, {
    value: "1",
    timeoutMs: RESCAN_TIMEOUT_MS,
    signal,
  });
}
