import { messageOf, PsoError } from "../errors.ts";
import { fitsNodeId, type NodeIdentity } from "../handoff.ts";
import { type Cidr, isAllowed, parseIp } from "../net/cidr.ts";
import {
  FC_PROTOCOLS,
  LOCAL_PROTOCOLS,
  type Protocol,
  PROTOCOLS,
  protocolsOfInitiator,
} from "../protocols.ts";
import { equipmentFindings } from "../host/check/equipment_check.ts";
import { blockReasons } from "../host/check/finding.ts";
import type { Host } from "../host/host.ts";
import { readIqn, readNqn, readWwpns } from "../host/check/initiator_names.ts";

/** The node whose identity is asked for. */
export interface IdentityOptions {
  name: string;
  host: Host;
  /** Protocols that this version of the node plugin can attach. */
  attachable: readonly Protocol[];
  /** Folder of the simulator's local plane; absent: simulated arrays are out of reach. */
  localPlane?: string;
  /** Addresses from which the node reaches data ports. */
  addresses: () => Promise<string[]>;
}

/**
 * Why each protocol cannot be used on this host, by what does not come and go
 * (equipmentFindings()); protocols that can are left out. This decides what a node registers with,
 * so a service that is down for a moment is not asked here.
 */
export async function equipmentReasons(
  options: IdentityOptions,
): Promise<Partial<Record<Protocol, string>>> {
  const { host, attachable, localPlane } = options;
  const reasons = blockReasons(await equipmentFindings(host, { protocols: attachable }));
  for (const protocol of PROTOCOLS) {
    if (!attachable.includes(protocol)) {
      reasons[protocol] = "this version of the node plugin cannot attach it: update it";
    }
  }
  for (const protocol of LOCAL_PROTOCOLS) {
    if (localPlane !== undefined || !attachable.includes(protocol)) continue;
    reasons[protocol] = "it was started without --local-plane: start it with that flag";
  }
  return reasons;
}

/**
 * Who this node is to the arrays (NodeGetInfo): names with valid syntax only, and the protocols
 * that work here.
 */
export async function readIdentity(options: IdentityOptions): Promise<NodeIdentity> {
  const { host, name, attachable } = options;
  const reasons = await equipmentReasons(options);
  const protocols = attachable.filter((protocol) => reasons[protocol] === undefined);
  const [iqn, nqn, wwpns] = await Promise.all([readIqn(host), readNqn(host), readWwpns(host)]);
  const identity: NodeIdentity = {
    name,
    protocols,
    wwpns: [],
    addresses: await options.addresses(),
  };
  const isFor = (those: readonly Protocol[]) => those.some((one) => protocols.includes(one));
  if (isFor(protocolsOfInitiator("iqn")) && "value" in iqn) identity.iqn = iqn.value;
  if (isFor(protocolsOfInitiator("nqn")) && "value" in nqn) identity.nqn = nqn.value;
  if (isFor(FC_PROTOCOLS) && "value" in wwpns) identity.wwpns = wwpns.value;
  return identity;
}

/** More addresses than a node_id has bytes for never fit, however they are packed. */
const ADDRESSES_MAX = 256;

/**
 * The identity with as many of its addresses as a node_id holds, and those that were left out. An
 * address in one of `networks` is kept before all others; else the order of the addresses decides,
 * so the same host gives the same identity each time.
 */
export function withFittingAddresses(
  identity: NodeIdentity,
  networks: readonly Cidr[],
): { identity: NodeIdentity; leftOut: string[] } {
  const isNear = (address: string) => networks.length > 0 && isAllowed(address, networks);
  const all = identity.addresses;
  const ranked = [...all.filter(isNear), ...all.filter((address) => !isNear(address))];
  const leftOut = ranked.splice(ADDRESSES_MAX);
  const kept = () => {
    const chosen = new Set(ranked);
    return { ...identity, addresses: all.filter((address) => chosen.has(address)) };
  };
  let fitting = kept();
  while (!fitsNodeId(fitting) && ranked.length > 0) {
    leftOut.unshift(...ranked.splice(-1));
    fitting = kept();
  }
  return { identity: fitting, leftOut };
}

/**
 * Interfaces that containers and their networks make: no array is reached by their addresses. Of
 * `br-` only docker's: `br-ex` and the like are an administrator's, and may have the node's address.
 */
const INNER =
  /^(lo|docker|veth|cni|cali|flannel|cilium|lxc|virbr|kube|br-[0-9a-f]{12}$|tunl|vxlan|nodelocaldns|dummy)/;

/**
 * Addresses in the output of `ip -json address`: global ones of the host's own interfaces, IPv4
 * first. Those that the kernel sends from only where it is told to come last: a second address of
 * a subnet, and an old one.
 */
export function parseAddresses(text: string): string[] {
  const outer = rowsOf(text).filter(({ ifname }) =>
    typeof ifname === "string" && !INNER.test(ifname)
  );
  const all = outer.flatMap((row) => objectsIn(row.addr_info)).filter((one) =>
    one.scope === "global" && one.dadfailed !== true
  );
  const isLast = (one: Record<string, unknown>) =>
    one.secondary === true || one.deprecated === true;
  const of = (family: string, last: boolean) =>
    all.filter((one) => one.family === family && isLast(one) === last)
      .map((one) => String(one.local))
      .filter((address) => parseIp(address) !== undefined);
  return [
    ...new Set([
      ...of("inet", false),
      ...of("inet6", false),
      ...of("inet", true),
      ...of("inet6", true),
    ]),
  ];
}

function rowsOf(text: string): Record<string, unknown>[] {
  try {
    return objectsIn(JSON.parse(text));
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `ip -json address printed what is no JSON (${messageOf(error)}): name the data addresses ` +
        "with --data-address",
      { cause: error },
    );
  }
}

/** The objects in a list; none in anything that is no list. */
function objectsIn(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];
}

/**
 * The addresses of the host's own interfaces. `unavailable` when they cannot be read: then name
 * them with --data-address.
 */
export async function readAddresses(host: Host, signal?: AbortSignal): Promise<string[]> {
  const { stdout } = await host.run("ip", ["-json", "address"], { signal });
  return parseAddresses(stdout);
}
