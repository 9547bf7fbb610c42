import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { type InitiatorName, type Protocol, PROTOCOL_FACTS } from "../../protocols.ts";
import type { HostItem } from "./wire.ts";

/** The kinds of initiator; FlashArray refuses a host object that holds two kinds. */
export type Family = "iqns" | "nqns" | "wwns";
/** Every kind of initiator. */
export const FAMILIES: readonly Family[] = ["iqns", "nqns", "wwns"];

/** Initiator names of one kind. */
export interface Initiators {
  family: Family;
  /** As the array writes them: WWNs in upper case without colons. Empty only on the local plane. */
  names: string[];
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
  const { initiator, isSimulated } = PROTOCOL_FACTS[protocol];
  // A host object needs no initiator on the local plane, and carries the IQN where there is one.
  if (isSimulated) return allInitiatorsOf(node).iqn;
  if (initiator === null) {
    throw new PsoError(
      "unsupported",
      `a FlashArray volume cannot be attached by ${protocol}: use a class for file systems`,
    );
  }
  const found = allInitiatorsOf(node)[initiator];
  if (found.names.length > 0) return found;
  throw new PsoError(
    "unsupported",
    `node ${node.name} cannot attach by ${protocol}: it has no ${MISSING[initiator]}`,
  );
}

/** One spelling of an initiator name: the array writes WWNs with colons and in upper case. */
function plain(name: string): string {
  return name.replaceAll(":", "").toLowerCase();
}

/** Whether the host holds at least one of the initiators. */
export function holdsAny(host: HostItem, { family, names }: Initiators): boolean {
  const held = (host[family] ?? []).map(plain);
  return names.some((name) => held.includes(plain(name)));
}

/**
 * Whether the host holds exactly these initiators, and none of another kind. As many are not
 * enough: the one that differs may be another machine's, which would get the volume too.
 */
export function holdsAlike(host: HostItem, { family, names }: Initiators): boolean {
  const held = (host[family] ?? []).map(plain);
  return held.length === names.length && names.every((name) => held.includes(plain(name))) &&
    FAMILIES.every((one) => one === family || (host[one]?.length ?? 0) === 0);
}

/** Whether the host holds an initiator that is none of the node's. */
export function holdsForeign(host: HostItem, { iqn, nqn, wwpns }: NodeIdentity): boolean {
  const own = new Set([iqn, nqn, ...wwpns].filter((name) => name !== undefined).map(plain));
  return FAMILIES.some((family) => (host[family] ?? []).some((name) => !own.has(plain(name))));
}

/** Whether the host holds no initiator of any kind. */
export function holdsNone(host: HostItem): boolean {
  return FAMILIES.every((family) => (host[family]?.length ?? 0) === 0);
}
