import { createHash } from "node:crypto";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import { SingleFlight } from "../../async/single_flight.ts";
import type { ChapCredentials } from "../../chap.ts";
import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { hostNameFor, NAME_MAX } from "../../names.ts";
import type { Protocol } from "../../protocols.ts";
import { filterText } from "../rest/client.ts";
import { isRefusal } from "../rest/refusals.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import {
  allInitiatorsOf,
  FAMILIES,
  holdsAlike,
  holdsAny,
  holdsForeign,
  holdsNone,
  type Initiators,
  initiatorsFor,
} from "./initiators.ts";
import type { HostItem } from "./wire.ts";

/** What the node's host object is needed for. */
interface HostNeed {
  protocol: Protocol;
  chap?: ChapCredentials;
  signal?: AbortSignal;
}

/** The host object that a node needs for one kind of initiator. */
interface WantedHost {
  node: NodeIdentity;
  /** The name that the object gets if it must be created. */
  name: string;
  initiators: Initiators;
  signal?: AbortSignal;
}

/**
 * A name for a host object when the node's plain name is taken by another node or by another
 * protocol of this one. The same initiators give the same name.
 */
function secondNameFor(plain: string, initiators: Initiators): string {
  const hash = createHash("sha256").update(initiators.names.toSorted().join(",")).digest("hex")
    .slice(0, 12);
  return `${plain.slice(0, NAME_MAX - 14)}-x${hash}`;
}

/**
 * The nodes' host objects on one FlashArray. Their names are remembered, so that an ordinary
 * connect needs no look at hosts.
 */
export class HostObjects {
  readonly #context: ArrayContext;
  /** Node, family and initiators → host name on the array. */
  readonly #known = new Map<string, string>();
  /** Two volumes for a new node at once: one connect creates the host, the other waits for it. */
  readonly #searches = new SingleFlight<string, string>();
  /**
   * Host name on the array → digest of the CHAP credentials that this process set there; absent
   * when that is not certain.
   */
  readonly #chap = new Map<string, string>();
  /** By host name: of two volumes for one host, one connect sets the credentials. */
  readonly #chapChanges = new KeyedQueue();

  constructor(context: ArrayContext) {
    this.#context = context;
  }

  /**
   * Name of the node's host object for the protocol, created or corrected when needed. For iSCSI,
   * the CHAP credentials are set on it first. `in_use` when an initiator of the node belongs to a
   * host with other initiators as well, `unsupported` when the node has no initiator for the
   * protocol, `invalid` when the array takes no such credentials.
   */
  async ensure(node: NodeIdentity, { protocol, chap, signal }: HostNeed): Promise<string> {
    const name = await this.#nameOf(node, protocol, signal);
    if (!chap || protocol !== "iscsi") return name;
    try {
      await this.#setChap(name, chap, signal);
      return name;
    } catch (error) {
      if (!isRefusal(error, "missing")) throw error;
      // Somebody deleted the host object that we knew: make it again, once.
      this.forget(name);
      const again = await this.#nameOf(node, protocol, signal);
      await this.#setChap(again, chap, signal);
      return again;
    }
  }

  /**
   * Sets the credentials on the host object, once per process: the array shows no passwords, so
   * that only what this process set is known to hold.
   */
  async #setChap(
    name: string,
    { host, target }: ChapCredentials,
    signal?: AbortSignal,
  ): Promise<void> {
    const sides = { host_user: host.user, host_password: host.password.reveal() };
    // No target side given: one that the host object has stays, and does no harm, because the node
    // does not ask the target to prove itself then.
    const chap = target
      ? { ...sides, target_user: target.user, target_password: target.password.reveal() }
      : sides;
    const digest = createHash("sha256").update(JSON.stringify(chap)).digest("hex");
    await this.#chapChanges.inTurn(name, async () => {
      if (this.#chap.get(name) === digest) return;
      this.#chap.delete(name); // should the answer be lost, it is not certain which ones hold
      await this.#patch(name, { chap }, signal);
      this.#chap.set(name, digest);
    });
  }

  async #nameOf(node: NodeIdentity, protocol: Protocol, signal?: AbortSignal): Promise<string> {
    const initiators = initiatorsFor(node, protocol);
    const key = keyOf(node, initiators);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const wanted = { node, name: hostNameFor(node.name), initiators, signal };
    const name = await this.#searches.run(key, () => this.#findOrCreate(wanted));
    this.#known.set(key, name);
    return name;
  }

  /** Drops what is known of a host object. To be called when the array says that it is gone. */
  forget(hostName: string): void {
    for (const [key, name] of this.#known) if (name === hostName) this.#known.delete(key);
    this.#chap.delete(hostName);
  }

  /**
   * Names of the host objects by which this process connected the node; the node's plain host name
   * when it connected none.
   */
  likelyNames(node: NodeIdentity): string[] {
    const names = [...this.#known].flatMap(([key, name]) =>
      key.startsWith(`${node.name} `) ? [name] : []
    );
    return names.length > 0 ? [...new Set(names)] : [hostNameFor(node.name)];
  }

  /**
   * Names of all host objects of the node: those that hold one of its initiators, and the one of
   * its plain name if that holds no initiator at all. One call.
   */
  async namesOf(node: NodeIdentity, signal?: AbortSignal): Promise<Set<string>> {
    const plain = hostNameFor(node.name);
    const all: Initiators[] = Object.values(allInitiatorsOf(node));
    const hosts = await this.#candidates(plain, all, signal);
    // A host of the node's name with other initiators is a node of another cluster. Only when we
    // know no initiator of the node must its name be enough.
    const isAnonymous = all.every(({ names }) => names.length === 0);
    const ours = hosts.filter((host) =>
      all.some((one) => holdsAny(host, one)) ||
      (host.name === plain && (isAnonymous || holdsNone(host)))
    );
    return new Set(ours.flatMap((host) => host.name ?? []));
  }

  /** The host objects that bear the name or hold one of the initiators. */
  async #candidates(
    plain: string,
    initiators: Initiators[],
    signal?: AbortSignal,
  ): Promise<HostItem[]> {
    const terms = initiators.flatMap(({ family, names }) =>
      names.map((name) => `${family}=${filterText(name)}`)
    );
    const filter = [`name=${filterText(plain)}`, ...terms].join(" or ");
    const call = { path: "hosts", query: { filter }, lane: "attach", signal } as const;
    const hosts = await Array.fromAsync(this.#context.rest.all<HostItem>(call));
    // Hosts of a replication partner are listed too, as `array:host`.
    return hosts.filter((host) => host.is_local !== false);
  }

  /**
   * The name of the host object that serves the node, made or corrected when needed. A host that
   * serves anything else is never changed.
   */
  async #findOrCreate(wanted: WantedHost): Promise<string> {
    const { node, name, initiators, signal } = wanted;
    const hosts = await this.#candidates(name, [initiators], signal);
    const holder = hosts.find((host) => holdsAny(host, initiators));
    if (holder?.name) return await this.#useHolder(holder, wanted);
    const namesake = hosts.find((host) => host.name?.toLowerCase() === name.toLowerCase());
    if (!namesake?.name) return await this.#create(wanted);
    if (holdsAlike(namesake, initiators)) return namesake.name;
    if (
      !holdsNone(namesake) && initiators.names.length > 0 &&
      (holdsForeign(namesake, node) || (namesake.connection_count ?? 0) > 0)
    ) {
      // The namesake serves volumes of this node by another protocol, or it is a node of the same
      // name in another cluster. Do not take it over even if no volume is connected to it: the
      // other cluster's controller knows the host by name and would connect its next volume to us.
      return await this.#create({ ...wanted, name: secondNameFor(name, initiators) });
    }
    return initiators.names.length === 0
      ? namesake.name
      : await this.#setInitiators(namesake, initiators, signal);
  }

  /**
   * Uses a host object that holds an initiator of the node. `in_use` when it holds strange
   * initiators too: it may stand for a whole group of machines, and all of them would get the
   * volume.
   */
  async #useHolder(holder: HostItem, wanted: WantedHost): Promise<string> {
    const { node, initiators, signal } = wanted;
    const name = holder.name ?? wanted.name;
    if (holdsAlike(holder, initiators)) return name;
    const foreign = FAMILIES.flatMap((family) => holder[family] ?? []).filter((one) =>
      !holdsAny({ [initiators.family]: [one] }, initiators)
    );
    if (foreign.length === 0 || (name === wanted.name && initiators.family === "wwns")) {
      // The node's own host. A Fibre Channel adapter was added or exchanged, so that some of the
      // node's ports are missing there or an old one is left.
      return await this.#setInitiators(holder, initiators, signal);
    }
    throw new PsoError(
      "in_use",
      `node ${node.name} cannot be connected on array ${this.#context.label()}: its initiator ` +
        `${initiators.names.join(", ")} belongs to the host ${name} together with ` +
        `${foreign.join(", ")}, and the node's own host is ${wanted.name}; ` +
        `take it out of ${name}, or give the node another one`,
    );
  }

  /** Makes the host object hold these initiators and no others. */
  async #setInitiators(
    host: HostItem,
    initiators: Initiators,
    signal?: AbortSignal,
  ): Promise<string> {
    const name = host.name ?? "";
    this.forget(name); // it may have been known as the host of another protocol
    const others = FAMILIES.filter((family) =>
      family !== initiators.family && (host[family]?.length ?? 0) > 0
    );
    // Other kinds first: the array refuses two kinds in one host, even for a moment.
    for (const family of others) await this.#patch(name, { [family]: [] }, signal);
    await this.#patch(name, { [initiators.family]: initiators.names }, signal);
    return name;
  }

  async #patch(
    name: string,
    body: Record<string, string[] | Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<void> {
    const query = { names: name };
    await this.#context.rest.call({
      method: "PATCH",
      path: "hosts",
      query,
      body,
      lane: "attach",
      signal,
    });
  }

  async #create(wanted: WantedHost): Promise<string> {
    const { name, initiators, signal } = wanted;
    const body = initiators.names.length > 0 ? { [initiators.family]: initiators.names } : {};
    const query = { names: name };
    const call = { method: "POST", path: "hosts", query, body, lane: "attach", signal } as const;
    try {
      await this.#context.rest.call(call);
      return name;
    } catch (error) {
      if (!isRefusal(error, "exists", "initiator taken")) throw error;
      // Somebody was quicker, or a call of ours whose answer was lost took effect: read again, and
      // use what is there if it is the node's.
      const hosts = await this.#candidates(name, [initiators], signal);
      const found = hosts.find((host) => holdsAny(host, initiators)) ??
        hosts.find((host) => host.name === name && holdsAlike(host, initiators));
      if (!found) throw error;
      return await this.#useHolder(found, wanted);
    }
  }
}

/** One key per node and initiators: they change when a node is reinstalled. */
function keyOf(node: NodeIdentity, initiators: Initiators): string {
  return `${node.name} ${initiators.family} ${initiators.names.toSorted().join(",")}`;
}
