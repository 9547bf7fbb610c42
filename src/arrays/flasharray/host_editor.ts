import type { Logger } from "../../log.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import { initiatorKey } from "../../names.ts";
import { areAllOfCluster } from "./cluster_volumes.ts";
import type { HostOwner } from "./host_rules.ts";
import { FAMILIES, type HeldInitiator, holdsAny, type Initiators } from "./initiators.ts";
import { connectionItem, type HostItem } from "./wire.ts";

/** What host objects need to know of the array besides its REST. */
export interface HostContext extends ArrayContext {
  log: Logger;
}

/** What a host object of the node is to become. */
interface Completion {
  owner: HostOwner;
  initiators: Initiators;
  /** Other hosts that hold some of the initiators. */
  others: readonly HostItem[];
  cluster: string | undefined;
  signal?: AbortSignal;
}

/** The changes of host objects on one FlashArray. */
export class HostEditor {
  readonly #context: HostContext;

  constructor(context: HostContext) {
    this.#context = context;
  }

  /** Creates the host object with these initiators; gives it as it is then. */
  async create(name: string, initiators: Initiators, signal?: AbortSignal): Promise<HostItem> {
    const body = initiators.names.length > 0 ? { [initiators.family]: initiators.names } : {};
    const query = { names: name };
    const call = { method: "POST", path: "hosts", query, body, lane: "attach", signal } as const;
    await this.#context.rest.call(call);
    return { name, ...body };
  }

  /** One PATCH of the host object. */
  async patch(
    name: string,
    body: Record<string, string[] | Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<void> {
    const query = { names: name };
    const call = { method: "PATCH", path: "hosts", query, body, lane: "attach", signal } as const;
    await this.#context.rest.call(call);
  }

  /** Names of the volumes that are connected to the host. */
  async volumesOf(name: string, signal?: AbortSignal): Promise<string[]> {
    const query = { host_names: name };
    const path = "connections";
    const call = { path, query, item: connectionItem, lane: "attach", signal } as const;
    const rows = await Array.fromAsync(this.#context.rest.all(call));
    return rows.flatMap(({ volume }) => volume?.name ?? []);
  }

  /** Gives the host object these initiators and takes all others out; gives it as it is then. */
  async replace(
    host: HostItem,
    initiators: Initiators,
    signal?: AbortSignal,
  ): Promise<HostItem> {
    const name = host.name ?? "";
    const { family, names } = initiators;
    // Other kinds first: the array refuses NQNs beside others, even for a moment.
    for (const other of FAMILIES) {
      if (other !== family && (host[other]?.length ?? 0) > 0) {
        await this.patch(name, { [other]: [] }, signal);
      }
    }
    await this.patch(name, { [family]: names }, signal);
    return { name, [family]: names };
  }

  /**
   * Adds what the host object lacks of the node's initiators, and takes out what the node does not
   * have any more. An initiator goes only if the node is known to have had it, or if every volume
   * of the host is this cluster's; else it stays, and a warning names it. Gives the host object as
   * it is then: `host` itself when nothing was to be changed.
   */
  async complete(host: HostItem, wanted: Completion): Promise<HostItem> {
    const { owner, initiators, others, signal } = wanted;
    const { family, names } = initiators;
    const name = host.name ?? "";
    const missing = names.filter((one) => !holdsAny(host, { family, names: [one] }));
    const elsewhere = missing.filter((one) =>
      others.some((other) => holdsAny(other, { family, names: [one] }))
    );
    if (elsewhere.length > 0) {
      this.#warn("a host object lacks initiators of its node, which another one holds", {
        host: name,
        node: owner.node.name,
        initiators: elsewhere,
        others: others.map((other) => other.name),
      });
    }
    const added = missing.filter((one) => !elsewhere.includes(one));
    if (added.length > 0) await this.patch(name, { [`add_${family}`]: added }, signal);
    const removed = await this.#removable(host, wanted);
    if (removed.length > 0) await this.patch(name, { [`remove_${family}`]: removed }, signal);
    if (added.length + removed.length === 0) return host;
    const left = (host[family] ?? []).filter((one) => !removed.includes(one));
    return { ...host, [family]: [...left, ...added] };
  }

  /** The host's initiators of the kind that may be taken out of it. Warns of those that stay. */
  async #removable(host: HostItem, wanted: Completion): Promise<string[]> {
    const { owner, initiators: { family }, cluster, signal } = wanted;
    const name = host.name ?? "";
    const extras = owner.extrasIn(host);
    const ofFamily = extras.filter((held) => held.family === family);
    const strange = extras.filter((held) => !owner.had(held.name));
    if (strange.length === 0) return namesOf(ofFamily);
    const question = { cluster, signal };
    const isOurs = strange.some((held) => held.family === family) &&
      (host.connection_count === 0 ||
        await areAllOfCluster(this.#context, await this.volumesOf(name, signal), question));
    const removed = isOurs ? ofFamily : ofFamily.filter((held) => owner.had(held.name));
    const left = strange.filter((held) => !removed.includes(held));
    if (left.length > 0) {
      this.#warn("a host object holds initiators that its node does not have; they were left", {
        host: name,
        node: owner.node.name,
        initiators: namesOf(left),
        todo: "take them out of the host on the array if they are no ports of this node",
      });
    }
    return namesOf(removed);
  }

  #warn(event: string, fields: Record<string, unknown>): void {
    this.#context.log.warn(event, { array: this.#context.label(), ...fields });
  }
}

function namesOf(held: readonly HeldInitiator[]): string[] {
  return [...new Map(held.map(({ name }) => [initiatorKey(name), name])).values()];
}
