// Whether the places where nodes reach an array for data are there, and answer.
import type { ArrayStatus, DataPort } from "../../arrays/array.ts";
import type { ArrayConfig, Config } from "../../config/model.ts";
import { messageOf } from "../../errors.ts";
import { addressKey, parseHostPort } from "../../net/address.ts";
import { isAllowed, parseIp } from "../../net/cidr.ts";
import { addressesOf, type Destination, tryConnect } from "../../net/probe.ts";
import {
  type Protocol,
  protocolsOfSanType,
  REAL_FILE_PROTOCOLS,
  SUBSTITUTE_PROTOCOLS,
} from "../../protocols.ts";
import { counted, type FoundList } from "./found.ts";

/** What of the configuration decides which ports nodes use. */
export interface DataScope {
  flasharray: Pick<Config["flasharray"], "sanType" | "iscsiAllowedCidrs">;
  /** Stands in for a connection in tests. */
  connect?: (to: Destination) => Promise<unknown>;
}

/** An array whose ports are looked at. */
interface PortedArray {
  config: Pick<ArrayConfig, "kind"> & { nfsEndpoint?: string };
  found: FoundList;
  status: ArrayStatus;
}

/** How many ports that do not answer are named. */
const SHOWN = 4;

/**
 * Tells for each protocol of the array whether its ports answer, and whether it serves what the
 * configuration asks for. Ports of an array that nodes attach in another way are not tried.
 */
export async function lookAtDataPorts(array: PortedArray, scope: DataScope): Promise<void> {
  const { config, found, status } = array;
  for (const fault of status.portFaults ?? []) {
    found.warn("data", `not used: ${fault}`, "correct it on the array");
  }
  const substitute = SUBSTITUTE_PROTOCOLS.find((protocol) => status.protocols.has(protocol));
  if (substitute !== undefined) {
    found.ok("data", `a simulated array: nodes attach by the protocol ${substitute}`);
    return;
  }
  tellMissing(array, scope);
  tellForeignEndpoint(array);
  const protocols = [...new Set(status.dataPorts?.map(({ protocol }) => protocol))];
  await Promise.all(
    protocols.map((protocol) =>
      tellProtocol(protocol, { found, scope, ports: portsOf(status, protocol), kind: config.kind })
    ),
  );
}

function portsOf({ dataPorts = [] }: ArrayStatus, protocol: Protocol): DataPort[] {
  return dataPorts.filter((port) => port.protocol === protocol);
}

/** A class that names no protocol gets that of `flasharray.sanType`. */
function tellMissing({ config, found, status }: PortedArray, { flasharray }: DataScope): void {
  const served = [...status.protocols].join(", ") || "no protocol";
  if (config.kind === "flashblade") {
    if (REAL_FILE_PROTOCOLS.some((protocol) => status.protocols.has(protocol))) return;
    found.fail(
      "data",
      "it has no data interface that is up",
      "add one on the array, or set NFSEndPoint in its entry",
    );
    return;
  }
  const wanted = protocolsOfSanType(flasharray.sanType) ?? [];
  for (const protocol of wanted.filter((one) => !status.protocols.has(one))) {
    found.fail(
      "data",
      `it serves ${served}, and flasharray.sanType asks for ${protocol}: nodes attach nothing of it`,
      "enable ports for it on the array, or change flasharray.sanType",
    );
  }
}

/** An NFSEndPoint that is no address of the array may be another array's. */
function tellForeignEndpoint({ config, found, status }: PortedArray): void {
  const { nfsEndpoint } = config;
  const own = status.dataAddresses ?? [];
  if (nfsEndpoint === undefined || parseIp(nfsEndpoint) === undefined || own.length === 0) return;
  if (own.some((address) => addressKey(address) === addressKey(nfsEndpoint))) return;
  found.warn(
    "data",
    `NFSEndPoint ${nfsEndpoint} is none of the array's data interfaces, which are ${
      own.join(", ")
    }`,
    "correct it, unless that address is translated on the way",
  );
}

/** The ports of one protocol. */
interface ProtocolPorts {
  found: FoundList;
  scope: DataScope;
  ports: DataPort[];
  kind: ArrayConfig["kind"];
}

async function tellProtocol(
  protocol: Protocol,
  { found, scope, ports, kind }: ProtocolPorts,
): Promise<void> {
  const wwpns = ports.flatMap(({ wwpn }) => wwpn ?? []);
  if (wwpns.length > 0) {
    found.ok(
      "data",
      `${protocol}: ${counted(wwpns.length, "port")} up (${
        wwpns.join(", ")
      }); only a node can try ${wwpns.length === 1 ? "it" : "them"}`,
    );
    return;
  }
  const cidrs = kind === "flasharray" ? scope.flasharray.iscsiAllowedCidrs : [];
  const destinations = ports.flatMap(({ portal }) => parseHostPort(portal ?? "") ?? []);
  const allowed = destinations.filter(({ host }) =>
    parseIp(host) === undefined || isAllowed(host, cidrs)
  );
  if (allowed.length === 0) {
    found.fail(
      "data",
      `${protocol}: none of its portals is inside flasharray.iSCSIAllowedCIDR (${
        destinations.map(({ host }) => host).join(", ")
      })`,
      "correct the CIDRs",
    );
    return;
  }
  const results = await Promise.all(allowed.map((one) => answers(one, scope)));
  const silent = results.filter((result) => result !== undefined);
  const names = allowed.map(({ host }) => host).join(", ");
  if (silent.length === 0) {
    found.ok("data", `${protocol}: ${allowed.length} of ${allowed.length} answer (${names})`);
    return;
  }
  found.warn(
    "data",
    `${protocol}: ${allowed.length - silent.length} of ${allowed.length} answer from here: ${
      silent.slice(0, SHOWN).join("; ")
    }`,
    "right if only nodes reach the storage network; look at a node with admin check --node",
  );
}

/** Why it does not answer; undefined when it does. */
async function answers(
  { host, port = 0 }: { host: string; port?: number },
  { connect = (to: Destination) => tryConnect(to) }: DataScope,
): Promise<string | undefined> {
  try {
    await addressesOf(host);
    await connect({ host, port });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
