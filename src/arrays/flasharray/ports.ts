import { PsoError } from "../../errors.ts";
import type { Attachment, BlockFacts } from "../../handoff.ts";
import { type Protocol, PROTOCOLS } from "../../protocols.ts";
import type { ControllerItem, InterfaceItem, PortItem } from "./wire.ts";

/**
 * Where a FlashArray can be reached for data, by protocol; only ports of ready controllers and
 * enabled interfaces.
 */
export interface PortFacts {
  iscsi: { iqn: string; portal: string }[];
  fc: string[];
  nvme: Record<"nvme-tcp" | "nvme-roce", { nqn: string; portal: string }[]>;
  nvmeFc: { nqn: string; wwpn: string }[];
}

/** `52:4A:93:…` → 16 lower-case hex digits. */
function wwpnOf(wwn: string): string {
  return wwn.replaceAll(":", "").toLowerCase();
}

/**
 * Sorts what /ports, /network-interfaces and /controllers say (reference A11). Ports are upper case
 * there and interfaces lower case.
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
  const notReady = controllers.filter((one) =>
    one.type !== "shelf_controller" && one.status !== undefined && one.status !== "ready"
  )
    .map((one) => `${one.name?.toLowerCase()}.`);
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

function addPort(facts: PortFacts, port: PortItem, services: string[]): void {
  const { iqn, nqn, portal, wwn } = port;
  if (wwn && nqn) facts.nvmeFc.push({ nqn, wwpn: wwpnOf(wwn) });
  else if (wwn) facts.fc.push(wwpnOf(wwn));
  if (iqn && portal) facts.iscsi.push({ iqn, portal });
  if (!nqn || !portal) return;
  // A port does not say which NVMe transport it serves; its interface does.
  if (services.includes("nvme-tcp")) facts.nvme["nvme-tcp"].push({ nqn, portal });
  if (services.includes("nvme-roce")) facts.nvme["nvme-roce"].push({ nqn, portal });
}

/** Whether an array with these ports serves a protocol. */
const IS_SERVED: Record<Protocol, (facts: PortFacts, simulated: boolean) => boolean> = {
  iscsi: ({ iscsi }) => iscsi.length > 0,
  fc: ({ fc }) => fc.length > 0,
  "nvme-tcp": ({ nvme }) => nvme["nvme-tcp"].length > 0,
  "nvme-roce": ({ nvme }) => nvme["nvme-roce"].length > 0,
  "nvme-fc": ({ nvmeFc }) => nvmeFc.length > 0,
  nfs: () => false, // a FlashArray serves no file systems to this driver
  local: (_facts, simulated) => simulated,
};

/** The protocols that the array serves now; `local` for a simulated array only. */
export function servedProtocols(facts: PortFacts, simulated: boolean): Set<Protocol> {
  return new Set(PROTOCOLS.filter((protocol) => IS_SERVED[protocol](facts, simulated)));
}

/** `10.0.0.1:3260`, `[fd00::1]:3260` → the address alone. */
function addressOf(portal: string): string {
  return portal.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

/**
 * What the node needs to find the volume. `unsupported` when no port or portal is left for the
 * protocol.
 */
export function attachmentOf(
  protocol: Protocol,
  facts: PortFacts,
  volume: BlockFacts & {
    label: string;
    array: string;
    host: string;
    lun: number;
    portalFilter?: (address: string) => boolean;
  },
): Attachment {
  const { label, array, host, lun, portalFilter } = volume;
  const block = {
    serial: volume.serial,
    sizeBytes: volume.sizeBytes,
    everWritten: volume.everWritten,
  };
  const allowed = <T extends { portal: string }>(all: T[]) =>
    all.filter(({ portal }) => portalFilter?.(addressOf(portal)) ?? true);
  const needed = <T>(left: T[], all: unknown[]): T[] => {
    if (left.length > 0) return left;
    const why = all.length > 0
      ? "none of its portals is inside the allowed CIDRs"
      : "it has no such port that is up";
    throw new PsoError(
      "unsupported",
      `array ${label} does not serve ${protocol} to this node: ${why}; check the array's network settings`,
    );
  };
  switch (protocol) {
    case "iscsi":
      return { protocol, lun, targets: needed(allowed(facts.iscsi), facts.iscsi), ...block };
    case "fc":
      return { protocol, lun, wwpns: needed(facts.fc, []), ...block };
    case "nvme-tcp":
    case "nvme-roce": {
      const portals = needed(allowed(facts.nvme[protocol]), facts.nvme[protocol]);
      return {
        protocol,
        nqn: portals[0]?.nqn ?? "",
        portals: portals.map(({ portal }) => portal),
        ...block,
      };
    }
    case "nvme-fc": {
      const ports = needed(facts.nvmeFc, []);
      return { protocol, nqn: ports[0]?.nqn ?? "", wwpns: ports.map(({ wwpn }) => wwpn), ...block };
    }
    case "local":
      return { protocol, type: "block", array, host, lun, ...block };
    case "nfs":
      throw new PsoError(
        "unsupported",
        `array ${label} serves block volumes only, and nfs was asked for: use a class for file systems`,
      );
  }
}
