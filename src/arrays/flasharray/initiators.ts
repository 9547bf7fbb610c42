import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { type InitiatorName, type Protocol, PROTOCOL_FACTS, servesBlock } from "../../protocols.ts";
import { initiatorKey } from "../../names.ts";
import type { HostItem } from "./wire.ts";

/**
 * The kinds of initiator. FlashArray refuses a host object that holds NQNs beside others; IQNs and
 * WWNs may stand together.
 */
export type Family = "iqns" | "nqns" | "wwns";
/** Every kind, in the order in which host objects are looked through. */
export const FAMILIES: readonly Family[] = ["iqns", "nqns", "wwns"];

/** Initiator names of one kind. */
export interface Initiators {
  family: Family;
  /** As the array writes them: WWNs in upper case without colons. Empty only on the local plane. */
  names: string[];
}

/** One initiator that a host object holds. */
export interface HeldInitiator {
  family: Family;
  /** In the array's own spelling, as a call to remove it needs it. */
  name: string;
}

/** All initiators of the node, by the name that PROTOCOL_FACTS has for their family. */
export function allInitiatorsOf(node: NodeIdentity): Record<InitiatorName, Initiators> {
  return {
    iqn: { family: "iqns", names: node.iqn ? [node.iqn] : [] },
    nqn: { family: "nqns", names: node.nqn ? [node.nqn] : [] },
    wwpn: { family: "wwns", names: node.wwpns.map((wwpn) => wwpn.toUpperCase()) },
  };
}
/** What a node without an initiator lacks, and what to do. */
const MISSING: Record<InitiatorName, string> = {
  iqn: "IQN; install open-iscsi on it, or choose another protocol in the class",
  nqn: "NQN; install nvme-cli on it, or choose another protocol in the class",
  wwpn: "FC port; choose another protocol in the class",
};

/**
 * The initiators by which the node attaches with the protocol. `unsupported` when it has none, and
 * for protocols of file systems.
 */
export function initiatorsFor(node: NodeIdentity, protocol: Protocol): Initiators {
  if (!servesBlock(protocol)) {
    throw new PsoError(
      "unsupported",
      `a FlashArray volume cannot be attached by ${protocol}: use a class for file systems`,
    );
  }
  const { initiator } = PROTOCOL_FACTS[protocol];
  // An array that needs to know the node by no name gets the IQN, where there is one.
  if (initiator === null) return allInitiatorsOf(node).iqn;
  const found = allInitiatorsOf(node)[initiator];
  if (found.names.length > 0) return found;
  throw new PsoError(
    "unsupported",
    `node ${node.name} cannot attach by ${protocol}: it has no ${MISSING[initiator]}`,
  );
}

/** The initiators of these identities, all kinds together, each in one spelling. */
export function spelledInitiatorsOf(nodes: readonly NodeIdentity[]): Set<string> {
  return new Set(
    nodes.flatMap((node) =>
      Object.values(allInitiatorsOf(node)).flatMap(({ names }) => names.map(initiatorKey))
    ),
  );
}

/** Every initiator of the host object. */
export function initiatorsHeldBy(host: HostItem): HeldInitiator[] {
  return FAMILIES.flatMap((family) => (host[family] ?? []).map((name) => ({ family, name })));
}

/** Whether the host holds at least one of the initiators. */
export function holdsAny(host: HostItem, { family, names }: Initiators): boolean {
  const held = new Set((host[family] ?? []).map(initiatorKey));
  return names.some((name) => held.has(initiatorKey(name)));
}

/** Whether the host holds no initiator of any kind. */
export function holdsNone(host: HostItem): boolean {
  return initiatorsHeldBy(host).length === 0;
}
