import { messageOf, PsoError } from "../errors.ts";
import { type NodeIdentity, type Protocol, PROTOCOLS } from "../handoff.ts";
import { hasTool } from "../host/command.ts";
import { type Host, listHostFolder, readHostText } from "../host/host.ts";

/** RFC 3720 3.2.6.3 (iqn., eui., naa.); some hosts hold the name of the tool that should have made one instead (field lesson 38). */
const IQN = /^(iqn\.\d{4}-\d{2}\.[a-z0-9.-]+(:[^\s;,]+)?|eui\.[0-9a-f]{16}|naa\.[0-9a-f]{16}([0-9a-f]{16})?)$/i;
/** NVMe base specification, "NVMe Qualified Names": at most 223 bytes. */
const NQN = /^nqn\.\d{4}-\d{2}\.[a-zA-Z0-9.-]+:[^\s;,]{1,200}$/;

const ISCSI_FILE = "/etc/iscsi/initiatorname.iscsi";
const NQN_FILE = "/etc/nvme/hostnqn";

/** What this host has of one protocol: its initiator name, or the reason why it cannot use it. */
export type Found<T> = { value: T } | { missing: string };

/** The IQN in open-iscsi's file. */
export async function readIqn(host: Host): Promise<Found<string>> {
  const text = await readHostText(host, ISCSI_FILE);
  if (text === undefined) return { missing: `${ISCSI_FILE} does not exist: install open-iscsi on this node` };
  const name = /^\s*InitiatorName\s*=\s*(\S+)\s*$/m.exec(text)?.[1];
  if (name === undefined) return { missing: `${ISCSI_FILE} names no initiator: write InitiatorName=$(iscsi-iname) into it` };
  if (!IQN.test(name)) {
    return { missing: `${ISCSI_FILE} holds ${JSON.stringify(name)}, which is no IQN: write InitiatorName=$(iscsi-iname)` };
  }
  return { value: name.toLowerCase() };
}

/** The NQN in nvme-cli's file. */
export async function readNqn(host: Host): Promise<Found<string>> {
  const text = await readHostText(host, NQN_FILE);
  if (text === undefined) return { missing: `${NQN_FILE} does not exist: write it with nvme gen-hostnqn` };
  const name = text.trim();
  return NQN.test(name)
    ? { value: name }
    : { missing: `${NQN_FILE} holds ${JSON.stringify(name)}, which is no NQN: write it with nvme gen-hostnqn` };
}

/** The port names of all FC ports, 16 lower-case hex digits each. */
export async function readWwpns(host: Host): Promise<Found<string[]>> {
  const wwpns: string[] = [];
  for (const port of await listHostFolder(host, "/sys/class/fc_host")) {
    const name = (await readHostText(host, `/sys/class/fc_host/${port}/port_name`))?.toLowerCase().replace(/^0x/, "");
    if (name !== undefined && /^[0-9a-f]{16}$/.test(name) && !/^[0f]+$/.test(name)) wwpns.push(name);
  }
  return wwpns.length > 0 ? { value: wwpns } : { missing: "no FC port in /sys/class/fc_host" };
}

/** What must be on the host for each protocol, beside its initiator name. */
const TOOLS: Record<Protocol, string[]> = {
  iscsi: ["iscsiadm"],
  fc: [],
  "nvme-tcp": ["nvme"],
  "nvme-roce": ["nvme"],
  "nvme-fc": ["nvme"],
  nfs: ["mount.nfs"],
  local: ["losetup"],
};

export interface IdentityOptions {
  name: string;
  host: Host;
  /** Protocols that this version of the node plugin can attach. */
  attachable: Protocol[];
  localPlane?: string;
  addresses: () => Promise<string[]>;
}

/** Why each protocol cannot be used on this host; protocols that can are left out. */
export async function protocolReasons({ host, attachable, localPlane }: IdentityOptions): Promise<Partial<Record<Protocol, string>>> {
  const [iqn, nqn, wwpns] = await Promise.all([readIqn(host), readNqn(host), readWwpns(host)]);
  const names: Partial<Record<Protocol, Found<unknown>[]>> = {
    iscsi: [iqn],
    fc: [wwpns],
    "nvme-tcp": [nqn],
    "nvme-roce": [nqn],
    "nvme-fc": [nqn, wwpns],
    local: [localPlane === undefined ? { missing: "the node was started without --local-plane" } : { value: localPlane }],
  };
  const reasons: Partial<Record<Protocol, string>> = {};
  for (const protocol of PROTOCOLS) {
    const lacks = attachable.includes(protocol) ? [] : ["this version of the node plugin cannot attach it"];
    for (const found of names[protocol] ?? []) if ("missing" in found) lacks.push(found.missing);
    for (const tool of TOOLS[protocol]) if (!await hasTool(host, tool)) lacks.push(`tool ${tool} is not installed`);
    if (lacks.length > 0) reasons[protocol] = lacks.join("; ");
  }
  return reasons;
}

/** Who this node is to the arrays (NodeGetInfo): names with valid syntax only, and the protocols that work here. */
export async function readIdentity(options: IdentityOptions): Promise<NodeIdentity> {
  const { host, name, attachable } = options;
  const reasons = await protocolReasons(options);
  const protocols = attachable.filter((protocol) => reasons[protocol] === undefined);
  const [iqn, nqn, wwpns] = await Promise.all([readIqn(host), readNqn(host), readWwpns(host)]);
  const identity: NodeIdentity = { name, protocols, wwpns: [], addresses: await options.addresses() };
  if (protocols.includes("iscsi") && "value" in iqn) identity.iqn = iqn.value;
  if (protocols.some((protocol) => protocol.startsWith("nvme")) && "value" in nqn) identity.nqn = nqn.value;
  if ((protocols.includes("fc") || protocols.includes("nvme-fc")) && "value" in wwpns) identity.wwpns = wwpns.value;
  return identity;
}

interface AddressRow {
  ifname?: unknown;
  addr_info?: { family?: unknown; local?: unknown; scope?: unknown }[];
}

/** Interfaces that containers and their networks make: no array is reached by their addresses. */
const INNER = /^(lo|docker|veth|cni|cali|flannel|cilium|lxc|virbr|kube|br-|tunl|vxlan|nodelocaldns|dummy)/;

/** Addresses in the output of `ip -json address`: global ones of the host's own interfaces, IPv4 first. */
export function parseAddresses(text: string): string[] {
  let rows: AddressRow[];
  try {
    rows = JSON.parse(text);
  } catch (error) {
    throw new PsoError("unavailable", `ip -json address printed what is no JSON: ${messageOf(error)}`, { cause: error });
  }
  const outer = rows.filter((row) => typeof row.ifname === "string" && !INNER.test(row.ifname));
  const all = outer.flatMap((row) => row.addr_info ?? []).filter((one) => one.scope === "global");
  const of = (family: string) => all.filter((one) => one.family === family).map((one) => String(one.local));
  return [...new Set([...of("inet"), ...of("inet6")])];
}

/** The addresses of the host's own interfaces. `unavailable` when they cannot be read: then name them with --data-address. */
export async function readAddresses(host: Host, signal?: AbortSignal): Promise<string[]> {
  const { stdout } = await host.run("ip", ["-json", "address"], { signal });
  return parseAddresses(stdout);
}
