import { parseHostPort } from "../../net/address.ts";
import { type Cidr, isAllowed } from "../../net/cidr.ts";
import { PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import type { Attachment, BlockFacts, IscsiPortal } from "../../handoff.ts";
import {
  NVME_PORTAL_PROTOCOLS,
  type NvmePortalProtocol,
  type Protocol,
  PROTOCOLS,
} from "../../protocols.ts";
import { storageNameFault } from "../../storage_names.ts";
import type { DataPort } from "../array.ts";
import type { ControllerItem, InterfaceItem, PortItem } from "./wire.ts";

/**
 * Where a FlashArray can be reached for data, by protocol; only ports of ready controllers and
 * enabled interfaces.
 */
interface PortFacts {
  iscsi: IscsiPortal[];
  fc: string[];
  nvme: Record<NvmePortalProtocol, { nqn: string; portal: string }[]>;
  nvmeFc: { nqn: string; wwpn: string }[];
}

/** What one look at a FlashArray shows of how nodes reach it. */
export interface FlashArrayFacts {
  arrayName: string;
  ports: PortFacts;
  /** Ports that are not used because of what the array calls them; absent: none. */
  portFaults?: string[];
  /** Its name in the data plane behind the protocol `local`; absent: it has none, as real ones. */
  localArray?: string;
}

/** A volume that is connected to a host, and which portals its node may use. */
interface ConnectedVolume extends BlockFacts {
  /** What messages call the array. */
  label: string;
  /** Name of the host object. */
  host: string;
  lun: number;
  /** Empty or absent: every portal. */
  iscsiAllowedCidrs?: readonly Cidr[];
}

/** `52:4A:93:…` → 16 lower-case hex digits. */
function wwpnOf(wwn: string): string {
  return wwn.replaceAll(":", "").toLowerCase();
}

function isDown({ type, status }: ControllerItem): boolean {
  return type !== "shelf_controller" && status !== undefined && status !== "ready";
}

/** As ArrayStatus.downControllers; empty when all are ready. */
export function downControllersOf(controllers: ControllerItem[]): string[] {
  return controllers.filter(isDown).map(({ name, status }) =>
    foreignText(`${name ?? "one without a name"} (${status})`)
  );
}

/**
 * Sorts what /ports, /network-interfaces and /controllers say. One physical port is `CT0.ETH4` in
 * /ports and `ct0.eth4` in /network-interfaces.
 */
export function portFactsOf(
  ports: PortItem[],
  interfaces: InterfaceItem[],
  controllers: ControllerItem[],
): PortFacts {
  const facts: PortFacts = {
    iscsi: [],
    fc: [],
    nvme: { "nvme-tcp": [], "nvme-roce": [] },
    nvmeFc: [],
  };
  const byName = new Map(interfaces.map((one) => [one.name?.toLowerCase(), one]));
  const notReady = controllers.filter(isDown).map((one) => `${one.name?.toLowerCase()}.`);
  for (const port of ports) {
    const name = port.name?.toLowerCase() ?? "";
    const face = byName.get(name);
    if (face?.enabled === false || notReady.some((controller) => name.startsWith(controller))) {
      continue;
    }
    addPort(facts, port, face?.services ?? []);
  }
  return facts;
}

/** What an array calls the service of an interface that serves the protocol. */
const NVME_SERVICES: Record<NvmePortalProtocol, string> = {
  "nvme-tcp": "nvme-tcp",
  "nvme-roce": "nvme-roce",
};

/** Which rule each field of a port has to keep, as nodes are given it. */
const PORT_NAMES = { iqn: "target", nqn: "subsystem", portal: "portal", wwn: "port" } as const;

/** What is wrong with the names of a port; `undefined` for one that nodes may be told of. */
function faultOf(port: PortItem): string | undefined {
  for (const [field, kind] of Object.entries(PORT_NAMES)) {
    const value = Reflect.get(port, field);
    if (value === undefined || value === null || value === "") continue;
    const text = kind === "port" && typeof value === "string" ? wwpnOf(value) : value;
    const fault = storageNameFault(kind, text);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/**
 * Why some of the ports are not used: their names would reach root's tools on the nodes. Each is a
 * part of a sentence that names the port.
 */
export function portFaultsOf(ports: PortItem[]): string[] {
  return ports.flatMap((port) => {
    const fault = faultOf(port);
    return fault === undefined ? [] : [`port ${JSON.stringify(port.name ?? "")}: ${fault}`];
  });
}

function addPort(facts: PortFacts, port: PortItem, services: string[]): void {
  const { iqn, nqn, portal, wwn } = port;
  if (faultOf(port) !== undefined) return;
  if (wwn && nqn) facts.nvmeFc.push({ nqn, wwpn: wwpnOf(wwn) });
  else if (wwn) facts.fc.push(wwpnOf(wwn));
  if (iqn && portal) facts.iscsi.push({ iqn, portal });
  if (!nqn || !portal) return;
  // A port does not say which NVMe transport it serves; its interface does.
  for (const protocol of NVME_PORTAL_PROTOCOLS) {
    if (services.includes(NVME_SERVICES[protocol])) facts.nvme[protocol].push({ nqn, portal });
  }
}

/** Every place that nodes are sent to, by protocol. */
export function dataPortsOf({ iscsi, fc, nvme, nvmeFc }: PortFacts): DataPort[] {
  return [
    ...iscsi.map(({ portal }): DataPort => ({ protocol: "iscsi", portal })),
    ...fc.map((wwpn): DataPort => ({ protocol: "fc", wwpn })),
    ...NVME_PORTAL_PROTOCOLS.flatMap((protocol) =>
      nvme[protocol].map(({ portal }): DataPort => ({ protocol, portal }))
    ),
    ...nvmeFc.map(({ wwpn }): DataPort => ({ protocol: "nvme-fc", wwpn })),
  ];
}

interface Service {
  isServed: (facts: FlashArrayFacts) => boolean;
  /** Why it is not served, and what to do. */
  missing: string;
}

const NO_PORT = "has no port for it that is up: check its network settings";

const SERVICES: Record<Protocol, Service> = {
  iscsi: { isServed: ({ ports }) => ports.iscsi.length > 0, missing: NO_PORT },
  fc: { isServed: ({ ports }) => ports.fc.length > 0, missing: NO_PORT },
  "nvme-tcp": { isServed: ({ ports }) => ports.nvme["nvme-tcp"].length > 0, missing: NO_PORT },
  "nvme-roce": { isServed: ({ ports }) => ports.nvme["nvme-roce"].length > 0, missing: NO_PORT },
  "nvme-fc": { isServed: ({ ports }) => ports.nvmeFc.length > 0, missing: NO_PORT },
  nfs: {
    isServed: () => false,
    missing: "serves block volumes only: use a class for file systems",
  },
  local: {
    isServed: ({ localArray }) => localArray !== undefined,
    missing: "is a real one, and only simulated arrays have it: name another protocol in the class",
  },
};

/** The protocols that the array serves now; `local` for a simulated array only. */
export function servedProtocols(facts: FlashArrayFacts): Set<Protocol> {
  return new Set(PROTOCOLS.filter((protocol) => SERVICES[protocol].isServed(facts)));
}

/**
 * What the node needs to find the volume. `unsupported` when the array does not serve the protocol,
 * or no portal is left that the node may use.
 */
export function attachmentOf(
  protocol: Protocol,
  facts: FlashArrayFacts,
  volume: ConnectedVolume,
): Attachment {
  const { host, lun, serial, sizeBytes, everWritten } = volume;
  const { iscsi, fc, nvme, nvmeFc } = facts.ports;
  if (!SERVICES[protocol].isServed(facts)) throw unserved(protocol, volume.label, facts.portFaults);
  switch (protocol) {
    case "iscsi":
      return {
        protocol,
        lun,
        targets: allowedPortals(protocol, iscsi, volume),
        ...knownAgain(volume),
      };
    case "fc":
      return { protocol, lun, wwpns: fc, ...knownAgain(volume) };
    case "nvme-tcp":
    case "nvme-roce": {
      const portals = allowedPortals(protocol, nvme[protocol], volume);
      return {
        protocol,
        nqn: portals[0]?.nqn ?? "",
        portals: portals.map(({ portal }) => portal),
        ...knownAgain(volume),
      };
    }
    case "nvme-fc":
      return {
        protocol,
        nqn: nvmeFc[0]?.nqn ?? "",
        wwpns: nvmeFc.map(({ wwpn }) => wwpn),
        ...knownAgain(volume),
      };
    case "local":
      return {
        protocol,
        type: "block",
        array: facts.localArray ?? "",
        host,
        lun,
        serial,
        sizeBytes,
        everWritten,
      };
    case "nfs":
      throw unserved(protocol, volume.label);
  }
}

/** Ports with a fault that a message names. */
const FAULTS_SHOWN = 2;

/** The portals that the configuration lets nodes use; `unsupported` when none is left. */
function allowedPortals<T extends { portal: string }>(
  protocol: Protocol,
  portals: T[],
  { label, iscsiAllowedCidrs = [] }: ConnectedVolume,
): T[] {
  const allowed = portals.filter(({ portal }) =>
    isAllowed(parseHostPort(portal)?.host ?? portal, iscsiAllowedCidrs)
  );
  if (allowed.length > 0) return allowed;
  throw new PsoError(
    "unsupported",
    `array ${label} does not serve ${protocol} to this node: none of its portals is inside the ` +
      `allowed CIDRs (it has ${portals.map(({ portal }) => portal).join(", ")}); ` +
      "check flasharray.iSCSIAllowedCIDR",
  );
}

/**
 * What a node knows the volume again by. `unavailable` when the array's serial is none of a
 * FlashArray volume.
 */
function knownAgain({ serial, sizeBytes, everWritten, label }: ConnectedVolume): BlockFacts {
  const fault = storageNameFault("serial", serial);
  if (fault === undefined) return { serial, sizeBytes, everWritten };
  throw new PsoError(
    "unavailable",
    `array ${label} tells no node how to know the volume: ${fault}; see what answers at its address`,
  );
}

function unserved(protocol: Protocol, label: string, portFaults: string[] = []): PsoError {
  const notUsed = portFaults.length > 0
    ? ` (not used: ${portFaults.slice(0, FAULTS_SHOWN).join("; ")})`
    : "";
  return new PsoError(
    "unsupported",
    `array ${label} does not serve ${protocol}: it ${SERVICES[protocol].missing}${notUsed}`,
  );
}
