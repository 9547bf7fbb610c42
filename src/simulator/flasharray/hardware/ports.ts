import { printHostPort } from "../../../net/address.ts";
import type { Row } from "../../filter.ts";
import { targetNames } from "../../target_names.ts";
import type { FlashArrayState } from "../state.ts";
import type { Named } from "./built_in.ts";

const SPEED_BITS = 25_000_000_000;
const FC_SPEED_BITS = 32_000_000_000;

interface EthPort {
  /** As /ports has it; /network-interfaces writes it small. */
  name: string;
  service: "iscsi" | "nvme-tcp" | "nvme-roce";
  address: string;
  subtype?: "physical" | "lacp_bond";
  /** What a bond is made of. */
  members?: string[];
}

interface FcPort {
  name: string;
  wwn: string;
  service: "scsi-fc" | "nvme-fc";
}

/**
 * Addresses for documentation (RFC 5737 and 3849): nothing answers there, the local plane needs no
 * portal.
 */
const NO_ADDRESS = "192.0.2.";
const NO_ADDRESS_6 = "2001:db8::";

/** Of a bond, without an address of its own. */
const BOND = { name: "LACP0", members: ["ct0.eth10", "ct0.eth11"] };

/** What `--all-ports` adds: RoCE and IPv6 on each controller, and a bond. */
function morePorts(): EthPort[] {
  return [
    ...[0, 1].flatMap((at): EthPort[] => [
      { name: `CT${at}.ETH8`, service: "nvme-roce", address: `${NO_ADDRESS}${20 + at}` },
      { name: `CT${at}.ETH9`, service: "iscsi", address: `${NO_ADDRESS_6}${10 + at}` },
    ]),
    { ...BOND, service: "iscsi", address: `${NO_ADDRESS}30`, subtype: "lacp_bond" },
  ];
}

/**
 * On the local plane two controllers, each with two iSCSI ports and one NVMe/TCP port, and more
 * when all ports are wanted; on the kernel plane one of each for every portal.
 */
function ethPorts({ context: { plane, allPorts } }: FlashArrayState): EthPort[] {
  if (plane?.portals !== undefined) {
    return plane.portals.flatMap((address, at): EthPort[] => {
      const [controller, row] = [`CT${at % 2}`, Math.floor(at / 2)];
      return [
        { name: `${controller}.ETH${4 + 2 * row}`, service: "iscsi", address },
        { name: `${controller}.ETH${5 + 2 * row}`, service: "nvme-tcp", address },
      ];
    });
  }
  const usual = [0, 1].flatMap((at): EthPort[] => [
    { name: `CT${at}.ETH4`, service: "iscsi", address: `${NO_ADDRESS}${10 + 3 * at}` },
    { name: `CT${at}.ETH5`, service: "iscsi", address: `${NO_ADDRESS}${11 + 3 * at}` },
    { name: `CT${at}.ETH6`, service: "nvme-tcp", address: `${NO_ADDRESS}${12 + 3 * at}` },
  ]);
  return [...usual, ...(allPorts ? morePorts() : [])];
}

/**
 * One FC port for each controller, and one for NVMe over it when all ports are wanted; the kernel
 * plane has none that anybody could reach.
 */
function fcPorts(state: FlashArrayState): FcPort[] {
  if (state.context.plane?.portals !== undefined) return [];
  const scsi = [0, 1].map((at): FcPort => ({
    name: `CT${at}.FC0`,
    wwn: wwnOf(state, at),
    service: "scsi-fc",
  }));
  const nvme = [0, 1].map((at): FcPort => ({
    name: `CT${at}.FC1`,
    wwn: wwnOf(state, 2 + at),
    service: "nvme-fc",
  }));
  return [...scsi, ...(state.context.allPorts ? nvme : [])];
}

/** With colons. `port` counts the ports of the array. */
function wwnOf(state: FlashArrayState, port: number): string {
  const unique = state.context.id.replaceAll("-", "").slice(0, 9);
  const wwn = `524A937${unique}`.toUpperCase().slice(0, 15) + String(port);
  return wwn.match(/../g)?.join(":") ?? wwn;
}

/** The rows of GET /ports: where hosts reach the array. */
export function portRows(state: FlashArrayState): Named[] {
  const { iqn, nqn } = targetNames(state.context.id);
  const nothing = { iqn: null, nqn: null, portal: null, wwn: null, failover: null };
  const row = (name: string, more: Row): Named => ({ name, row: { name, ...nothing, ...more } });
  return [
    ...ethPorts(state).map(({ name, service, address }) =>
      service === "iscsi"
        ? row(name, { iqn, portal: printHostPort({ host: address, port: 3260 }) })
        : row(name, { nqn, portal: printHostPort({ host: address, port: 4420 }) })
    ),
    ...fcPorts(state).map(({ name, wwn, service }) =>
      row(name, service === "nvme-fc" ? { wwn, nqn } : { wwn })
    ),
  ];
}

/** Pure's vendor part, and the end of the address. */
function macOf(address: string): string {
  const bytes = address.includes(".")
    ? address.split(".").slice(-3).map(Number)
    : [...new TextEncoder().encode(address)].slice(-3);
  return ["24:a9:37", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

interface EthOptions {
  /** `null` for a part of a bond. */
  address: string | null;
  services: string[];
  subtype: string;
  members?: string[];
}

const NO_ETH = {
  address: null,
  gateway: null,
  mac_address: null,
  mtu: null,
  netmask: null,
  subinterfaces: [],
  subnet: { name: null },
  subtype: null,
  vlan: null,
};

function ethInterface(name: string, options: EthOptions): Named {
  const { address, services, subtype, members = [] } = options;
  const isV6 = address?.includes(":") === true;
  const eth = {
    ...NO_ETH,
    address,
    gateway: address === null ? null : isV6 ? `${NO_ADDRESS_6}1` : `${NO_ADDRESS}1`,
    mac_address: macOf(address ?? name),
    mtu: services.includes("management") ? 1500 : 9000,
    netmask: address === null ? null : isV6 ? "64" : "255.255.255.0",
    subinterfaces: members.map((member) => ({ name: member })),
    subtype,
  };
  const row = {
    name,
    enabled: true,
    eth,
    fc: { wwn: null },
    interface_type: "eth",
    services,
    speed: SPEED_BITS,
  };
  return { name, row };
}

function fcInterface({ name, wwn, service }: FcPort): Named {
  const row = {
    name,
    enabled: true,
    eth: NO_ETH,
    fc: { wwn },
    interface_type: "fc",
    services: [service],
    speed: FC_SPEED_BITS,
  };
  return { name, row };
}

/** The rows of GET /network-interfaces. */
export function interfaceRows(state: FlashArrayState): Named[] {
  const management = (name: string, end: number, subtype: string) =>
    ethInterface(name, { address: `${NO_ADDRESS}${end}`, services: ["management"], subtype });
  const data = ethPorts(state);
  return [
    management("vir0", 2, "vif"),
    management("ct0.eth0", 3, "physical"),
    management("ct1.eth0", 4, "physical"),
    ...data.map(({ name, service, address, subtype = "physical", members }) =>
      ethInterface(name.toLowerCase(), { address, services: [service], subtype, members })
    ),
    ...data.flatMap(({ members = [] }) => members).map((name) =>
      ethInterface(name, { address: null, services: [], subtype: "physical" })
    ),
    ...fcPorts(state).map(fcInterface),
  ];
}
