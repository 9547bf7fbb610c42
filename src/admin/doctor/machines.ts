// Which node of the cluster stands behind a host object or a client address.
import type { HostObject } from "../../arrays/array.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { hostNameFor, initiatorKey, nameKey } from "../../names.ts";
import { addressKey } from "../../net/address.ts";
import type { DoctorNode } from "./cluster_view.ts";

/** The nodes of the cluster by what arrays know of them. */
export class Machines {
  /** Nodes whose initiators and addresses are not known: each may be anything. */
  readonly unregistered: readonly string[];
  readonly #nodes: readonly Required<DoctorNode>[];
  readonly #initiators: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(nodes: readonly DoctorNode[]) {
    this.unregistered = nodes.filter(({ identity }) => !identity).map(({ name }) => name);
    this.#nodes = nodes.flatMap(({ name, identity }) => identity ? [{ name, identity }] : []);
    this.#initiators = new Map(
      this.#nodes.map(({ name, identity }) => [name, new Set(initiatorsOf(identity))]),
    );
  }

  /** Every node that has one of the host's initiators; a host without any is a node's by its name. */
  behindHost({ name, initiators }: HostObject): string[] {
    if (initiators.length === 0) {
      return this.#nodes.filter((node) => nameKey(hostNameFor(node.name)) === nameKey(name))
        .map((node) => node.name);
    }
    const keys = initiators.map(initiatorKey);
    return this.#nodes.filter((node) => {
      const own = this.#initiators.get(node.name);
      return keys.some((key) => own?.has(key));
    }).map((node) => node.name);
  }

  /** The host's initiators that no node has. */
  nobodys({ initiators }: HostObject): string[] {
    return initiators.filter((one) => {
      const key = initiatorKey(one);
      return ![...this.#initiators.values()].some((own) => own.has(key));
    });
  }

  /** Every node that has the address. */
  behindAddress(address: string): string[] {
    const key = addressKey(address);
    return this.#nodes.filter(({ identity }) =>
      identity.addresses.some((own) => addressKey(own) === key)
    ).map(({ name }) => name);
  }
}

function initiatorsOf({ iqn, nqn, wwpns }: NodeIdentity): string[] {
  return [...(iqn ? [iqn] : []), ...(nqn ? [nqn] : []), ...wwpns].map(initiatorKey);
}
