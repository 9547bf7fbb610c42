import type { NodeIdentity } from "../../handoff.ts";
import { initiatorKey, nameKey } from "../../names.ts";
import type { HostOwner } from "./host_rules.ts";
import { initiatorsHeldBy } from "./initiators.ts";
import type { HostItem } from "./wire.ts";

/** A host object by which this process connected a node, as it was left then. */
export interface RememberedHost {
  readonly node: NodeIdentity;
  readonly host: HostItem;
}

/**
 * The host objects by which this process connected nodes to one FlashArray. A name alone is no
 * proof of whose a host object is, because an administrator can change what it holds: the
 * initiators that it was left with are kept beside, and compared with what the array shows later.
 */
export class HostMemory {
  /** Node, family and initiators → host object. */
  readonly #byNeed = new Map<string, RememberedHost>();
  /** Host name in lower case → the same, of the node that was connected by it last. */
  readonly #byName = new Map<string, RememberedHost>();

  /**
   * Name of the host object that serves the need. `undefined` when there is none, or when a port of
   * it belongs to another node by what is known now: whose it is must be judged with a look then.
   */
  nameFor(need: string, owner: HostOwner): string | undefined {
    const found = this.#byNeed.get(need);
    if (found === undefined) return undefined;
    const name = found.host.name ?? "";
    if (owner.refusalOf(found.host) === undefined) return name;
    this.forget(name);
    return undefined;
  }

  /**
   * Notes the host object that serves the need. What it was for another node before is over: that
   * one must not be cut off by it blindly.
   */
  remember(need: string, found: RememberedHost): void {
    const name = nameKey(found.host.name ?? "");
    for (const [other, { node, host }] of this.#byNeed) {
      const isSame = nameKey(host.name ?? "") === name;
      if (isSame && node.name !== found.node.name) this.#byNeed.delete(other);
    }
    this.#byNeed.set(need, found);
    this.#byName.set(name, found);
  }

  /** Drops all that is known of the host object. */
  forget(hostName: string): void {
    const name = nameKey(hostName);
    for (const [need, { host }] of this.#byNeed) {
      if (nameKey(host.name ?? "") === name) this.#byNeed.delete(need);
    }
    this.#byName.delete(name);
  }

  /** The node that was connected by the host object last. */
  nodeOf(hostName: string): NodeIdentity | undefined {
    return this.#byName.get(nameKey(hostName))?.node;
  }

  /**
   * Whether a node that is not the owner was connected by the host object, and nothing in it is or
   * was the owner's.
   */
  isOthers(hostName: string, owner: HostOwner): boolean {
    const found = this.#byName.get(nameKey(hostName));
    return found !== undefined && !owner.mayBe(found.node) && !owner.sharesWith(found.host) &&
      !owner.hadOneOf(found.host);
  }

  /** Names of the host objects by which the node of this name was connected. */
  namesFor(nodeName: string): string[] {
    const names = [...this.#byNeed.values()].flatMap(({ node, host }) =>
      node.name === nodeName ? host.name ?? [] : []
    );
    return [...new Set(names)];
  }

  /** All that is remembered at this moment, for `outdated()`. */
  remembered(): RememberedHost[] {
    return [...this.#byName.values()];
  }

  /**
   * Those of the host objects that are gone or hold other initiators by a list that the array gave
   * after they were remembered. One that was remembered anew meanwhile is not among them.
   */
  outdated(before: readonly RememberedHost[], listed: readonly HostItem[]): RememberedHost[] {
    const held = new Map(listed.map((host) => [nameKey(host.name ?? ""), heldKey(host)]));
    return before.filter((one) => {
      const name = nameKey(one.host.name ?? "");
      return this.#byName.get(name) === one && held.get(name) !== heldKey(one.host);
    });
  }
}

function heldKey(host: HostItem): string {
  return initiatorsHeldBy(host).map(({ family, name }) => `${family} ${initiatorKey(name)}`)
    .toSorted()
    .join(",");
}
