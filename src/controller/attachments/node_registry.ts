import { addressKey } from "../../net/address.ts";
import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { BoundedMap } from "../bounded_map.ts";

/** Kubernetes' own limit is 5,000 nodes per cluster. */
const MAX_NODES = 10_000;
/** IQN, NQN and up to 8 WWPNs each. */
const MAX_INITIATORS = 10 * MAX_NODES;
/**
 * After this the initiators of a node that was renamed are free. A node that lives on claims them
 * again with each publish.
 */
const CLAIM_MS = 60 * 60 * 1000;

interface Claim {
  node: string;
  claimedMs: number;
}

/** What a node is registered with in Kubernetes. */
interface Registration {
  initiators: ReadonlySet<string>;
  /** When it was not registered any more; absent while it is. */
  goneMs?: number;
}

/**
 * Identities of one node that are kept: each new installation, network card or address makes one
 * more.
 */
const MAX_IDENTITIES = 8;

/** Names of the nodes that may stand behind an address. */
interface NodesBehind {
  /** Those that are it, or were it before their identity changed. */
  ever: string[];
  /** Those that are it by their newest identity. */
  now: string[];
}

interface KnownNode {
  nodeId: string;
  /** Newest first. */
  identities: readonly NodeIdentity[];
}

/**
 * What is known of nodes: by publishes, and where there is Kubernetes by their registrations.
 * Nothing depends on it being complete. What it learns adds to what it knows, or is newer; nothing
 * but age takes an address or an initiator away.
 */
export class NodeRegistry {
  /** By node name. */
  readonly #nodes = new BoundedMap<string, KnownNode>(MAX_NODES);
  /** Address → names of the nodes that have or had it: behind a NAT, several share one. */
  readonly #addresses = new BoundedMap<string, Set<string>>(MAX_INITIATORS);
  readonly #claims = new BoundedMap<string, Claim>(MAX_INITIATORS);
  readonly #registered = new BoundedMap<string, Registration>(
    MAX_NODES,
    (name, registration) => this.#release(name, registration),
  );
  /** Initiator → names of the nodes that are registered with it. */
  readonly #holders = new Map<string, Set<string>>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Notes the node behind `nodeId`. `in_use`, naming both nodes, when another node is registered
   * with one of its initiator names, or used it within the last hour: an array takes two machines
   * with one initiator name for one, and each of them could write to the other's volumes.
   */
  learn(nodeId: string, node: NodeIdentity): void {
    const initiators = initiatorNames(node);
    for (const initiator of initiators) this.#refuseTaken(initiator, node.name);
    const claim = { node: node.name, claimedMs: this.#now() };
    for (const initiator of initiators) this.#claims.set(initiator, claim);
    this.#note(nodeId, node);
  }

  /**
   * Notes what the node is registered with now, in place of what it was registered with before.
   * Refuses nothing: two nodes with one initiator name are refused when one of them is to get a
   * volume.
   */
  register(nodeId: string, node: NodeIdentity): void {
    const before = this.#registered.get(node.name);
    if (before) this.#release(node.name, before);
    const initiators = new Set(initiatorNames(node));
    this.#registered.set(node.name, { initiators });
    for (const initiator of initiators) {
      this.#holders.set(initiator, (this.#holders.get(initiator) ?? new Set()).add(node.name));
    }
    this.#note(nodeId, node);
  }

  /**
   * Notes that the node is not registered now, as while its node plugin restarts: it is what it
   * was, and another node may have its initiators after an hour.
   */
  unregister(nodeName: string): void {
    const before = this.#registered.get(nodeName);
    if (before) before.goneMs ??= this.#now();
  }

  /** The identities that the node of this name has and had, newest first; none when not known. */
  identitiesOf(nodeName: string): readonly NodeIdentity[] {
    return this.#nodes.get(nodeName)?.identities ?? [];
  }

  /** The newest node_id of the node. */
  nodeIdOf(nodeName: string): string | undefined {
    return this.#nodes.get(nodeName)?.nodeId;
  }

  /** The name of another node that has this initiator, or had it last. */
  otherNodeWith(initiator: string, nodeName: string): string | undefined {
    const key = initiatorKey(initiator);
    const claim = this.#claims.get(key);
    return claim === undefined || claim.node === nodeName
      ? this.#otherRegistered(key, nodeName)
      : claim.node;
  }

  /** Which nodes an array may mean by a client address. */
  nodesBehind(client: string): NodesBehind {
    const key = addressKey(client);
    const ever = [...this.#addresses.get(key) ?? []];
    const now = ever.filter((name) =>
      this.identitiesOf(name)[0]?.addresses.some((address) => addressKey(address) === key)
    );
    return { ever, now };
  }

  #note(nodeId: string, node: NodeIdentity): void {
    const before = this.identitiesOf(node.name).filter((one) => !isSame(one, node));
    const identities = [node, ...before].slice(0, MAX_IDENTITIES);
    this.#nodes.set(node.name, { nodeId, identities });
    for (const address of node.addresses.map(addressKey)) {
      const names = this.#addresses.get(address) ?? new Set();
      this.#addresses.set(address, names.add(node.name));
    }
  }

  #release(nodeName: string, { initiators }: Registration): void {
    for (const initiator of initiators) {
      const names = this.#holders.get(initiator);
      if (names?.delete(nodeName) && names.size === 0) this.#holders.delete(initiator);
    }
  }

  #otherRegistered(initiator: string, nodeName: string): string | undefined {
    return [...this.#holders.get(initiator) ?? []].find((name) => {
      const goneMs = this.#registered.get(name)?.goneMs;
      return name !== nodeName && (goneMs === undefined || this.#now() - goneMs <= CLAIM_MS);
    });
  }

  #refuseTaken(initiator: string, nodeName: string): void {
    const claim = this.#claims.get(initiator);
    const isClaimed = claim !== undefined && claim.node !== nodeName &&
      this.#now() - claim.claimedMs <= CLAIM_MS;
    const other = isClaimed ? claim.node : this.#otherRegistered(initiator, nodeName);
    if (other === undefined) return;
    throw new PsoError(
      "in_use",
      `nodes ${other} and ${nodeName} both have the initiator name ${initiator}: ` +
        "give each node its own and restart its node plugin " +
        `(if ${other} is gone, delete its Node object: this is tried again with success within ` +
        "the hour)",
    );
  }
}

function initiatorNames({ iqn, nqn, wwpns }: NodeIdentity): string[] {
  return [iqn, nqn, ...wwpns].filter((name) => name !== undefined).map(initiatorKey);
}

/** Arrays write WWNs in upper case, some with colons. */
function initiatorKey(initiator: string): string {
  const name = initiator.toLowerCase();
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){7}$/.test(name) ? name.replaceAll(":", "") : name;
}

/** Whether arrays cannot tell the two apart. */
function isSame(one: NodeIdentity, other: NodeIdentity): boolean {
  const facts = (node: NodeIdentity) =>
    JSON.stringify([initiatorNames(node).toSorted(), node.addresses.map(addressKey).toSorted()]);
  return facts(one) === facts(other);
}
