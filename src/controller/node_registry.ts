import { PsoError } from "../errors.ts";
import type { NodeIdentity } from "../handoff.ts";
import { hostNameFor } from "../names.ts";
import { BoundedMap } from "./bounded_map.ts";

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

/**
 * What publishes taught this process about nodes. Nothing depends on it being complete: after a
 * restart ListVolumes answers host names until csi-attacher's reconciliation has published again.
 */
export class NodeRegistry {
  readonly #nodeIds = new BoundedMap<string, string>(MAX_NODES);
  readonly #claims = new BoundedMap<string, Claim>(MAX_INITIATORS);
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Notes the node behind `nodeId`. `in_use`, naming both nodes, when another node used one of its
   * initiator names within the last hour: an array takes two machines with one initiator name for
   * one, and each of them could write to the other's volumes.
   */
  learn(nodeId: string, node: NodeIdentity): void {
    const initiators = initiatorNames(node);
    for (const initiator of initiators) this.#refuseTaken(initiator, node.name);
    const claim = { node: node.name, claimedMs: this.#now() };
    for (const initiator of initiators) this.#claims.set(initiator, claim);
    for (const client of [hostNameFor(node.name).toLowerCase(), ...node.addresses]) {
      this.#nodeIds.set(client, nodeId);
    }
  }

  /**
   * The node_ids of hosts (block) or client addresses (file), each once; a host that is not known
   * stands for itself.
   */
  nodeIdsOf(hosts: readonly string[]): string[] {
    return [...new Set(hosts.map((host) => this.#nodeIds.get(host.toLowerCase()) ?? host))];
  }

  /** Whether this process has published something to a node by that host name or client address. */
  knows(client: string): boolean {
    return this.#nodeIds.get(client.toLowerCase()) !== undefined;
  }

  #refuseTaken(initiator: string, nodeName: string): void {
    const claim = this.#claims.get(initiator);
    if (!claim || claim.node === nodeName || this.#now() - claim.claimedMs > CLAIM_MS) return;
    throw new PsoError(
      "in_use",
      `nodes ${claim.node} and ${nodeName} both have the initiator name ${initiator}: ` +
        "give each node its own and restart its node plugin " +
        `(if ${claim.node} is gone, this is tried again with success within the hour)`,
    );
  }
}

function initiatorNames({ iqn, nqn, wwpns }: NodeIdentity): string[] {
  return [iqn, nqn, ...wwpns].filter((name) => name !== undefined).map((name) =>
    name.toLowerCase()
  );
}
