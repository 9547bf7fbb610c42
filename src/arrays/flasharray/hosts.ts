import { createHash } from "node:crypto";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import { SingleFlight } from "../../async/single_flight.ts";
import type { ChapCredentials } from "../../chap.ts";
import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { type Protocol, PROTOCOL_FACTS } from "../../protocols.ts";
import type { HostObject, NodeKnowledge, NodeOptions } from "../array.ts";
import { filterText } from "../rest/query.ts";
import { isRefusal, mayBeAboutName } from "../rest/refusals.ts";
import { areAllOfCluster, isOfCluster } from "./cluster_volumes.ts";
import { type HostContext, HostEditor } from "./host_editor.ts";
import { HostMemory } from "./host_memory.ts";
import { HostOwner, secondNameFor } from "./host_rules.ts";
import {
  holdsAny,
  holdsNone,
  type Initiators,
  initiatorsFor,
  initiatorsHeldBy,
} from "./initiators.ts";
import { type HostItem, hostItem } from "./wire.ts";
import { nameKey } from "../../names.ts";

/** What the node's host object is needed for. */
interface HostNeed {
  protocol: Protocol;
  chap?: ChapCredentials;
  known?: NodeKnowledge;
  signal?: AbortSignal;
}

/** The host object that a node needs for one kind of initiator. */
interface WantedHost {
  owner: HostOwner;
  initiators: Initiators;
  cluster: string | undefined;
  signal?: AbortSignal;
}

/** Who a host is that a volume is connected to. */
export type HostRole =
  /** This node, with initiators that it has now. */
  | "current"
  /** This node as it was before: nothing of what it has now is in the host. */
  | "former"
  | "other";

/** Names per call that a filter holds: each costs up to 90 bytes of the URL. */
const NAMES_PER_FILTER = 50;

/**
 * The nodes' host objects on one FlashArray. They are remembered, so that an ordinary connect needs
 * no look at hosts; `lookAgain` tells which of them somebody changed since.
 */
export class HostObjects {
  readonly #context: HostContext;
  readonly #editor: HostEditor;
  readonly #memory = new HostMemory();
  /** Two volumes for a new node at once: one connect creates the host, the other waits for it. */
  readonly #searches = new SingleFlight<string, HostItem>();
  /**
   * Host name on the array → digest of the CHAP credentials that this process set there; absent
   * when that is not certain.
   */
  readonly #chap = new Map<string, string>();
  /** By host name: of two volumes for one host, one connect sets the credentials. */
  readonly #chapChanges = new KeyedQueue();

  constructor(context: HostContext) {
    this.#context = context;
    this.#editor = new HostEditor(context);
  }

  /**
   * Name of the node's host object for the protocol, created or corrected when needed. For iSCSI,
   * the CHAP credentials are set on it first. `in_use` when an initiator of the node belongs to a
   * host with other initiators as well, `unsupported` when the node has no initiator for the
   * protocol, `invalid` when the array takes no such credentials.
   */
  async ensure(node: NodeIdentity, need: HostNeed): Promise<string> {
    const { protocol, chap, signal } = need;
    const name = await this.#nameOf(node, need);
    if (!chap || PROTOCOL_FACTS[protocol].initiator !== "iqn") return name;
    try {
      await this.#setChap(name, chap, signal);
      return name;
    } catch (error) {
      if (!isRefusal(error, "missing")) throw error;
      // Somebody deleted the host object that we knew: make it again, once.
      this.forget(name);
      const again = await this.#nameOf(node, need);
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
    const key = nameKey(name);
    await this.#chapChanges.inTurn(key, async () => {
      if (this.#chap.get(key) === digest) return;
      this.#chap.delete(key); // should the answer be lost, it is not certain which ones hold
      await this.#editor.patch(name, { chap }, signal);
      this.#chap.set(key, digest);
    }, signal);
  }

  async #nameOf(
    node: NodeIdentity,
    { protocol, known, signal }: HostNeed,
  ): Promise<string> {
    const initiators = initiatorsFor(node, protocol);
    const key = keyOf(node, initiators);
    const owner = new HostOwner(node, known);
    const remembered = this.#memory.nameFor(key, owner);
    if (remembered !== undefined) return remembered;
    const wanted = { owner, initiators, cluster: known?.cluster, signal };
    const host = await this.#searches.run(key, () => this.#findOrCreate(wanted));
    this.#memory.remember(key, { node, host });
    return host.name ?? owner.plainName;
  }

  /** Drops what is known of a host object. To be called when the array says that it is gone. */
  forget(hostName: string): void {
    this.#memory.forget(hostName);
    this.#chap.delete(nameKey(hostName));
  }

  /**
   * As StorageArray.lookAtHosts. One list call. A host object that is gone or holds other
   * initiators than this process left in it is forgotten, so that the next connect judges anew whose
   * it is.
   */
  async lookAgain(signal?: AbortSignal): Promise<void> {
    const before = this.#memory.remembered();
    if (before.length === 0) return;
    for (const { node, host } of this.#memory.outdated(before, await this.#localHosts(signal))) {
      this.forget(host.name ?? "");
      this.#context.log.warn(
        "a host object was changed on the array: whose it is, the node's next publish decides",
        { array: this.#context.label(), host: host.name, node: node.name },
      );
    }
  }

  /** As StorageArray.listHosts. */
  async all(signal?: AbortSignal): Promise<HostObject[]> {
    return (await this.#localHosts(signal)).map((host) => ({
      name: host.name ?? "",
      initiators: initiatorsHeldBy(host).map(({ name }) => name),
      ...preferenceOf(host),
      ...pathsOf(host),
    }));
  }

  async #localHosts(signal?: AbortSignal): Promise<HostItem[]> {
    const call = { path: "hosts", item: hostItem, signal } as const;
    return (await Array.fromAsync(this.#context.rest.all(call))).filter(isLocal);
  }

  /** Names of the host objects by which this process connected the node. */
  connectedNames(node: NodeIdentity): string[] {
    return this.#memory.namesFor(node.name);
  }

  /** As StorageArray.nodeOf. */
  nodeOf(hostName: string): NodeIdentity | undefined {
    return this.#memory.nodeOf(hostName);
  }

  /**
   * Who the hosts are that the volume is connected to. One call for up to fifty that this process
   * did not connect another node by, else none. By name alone a host is the node's only if the
   * volume is this cluster's: a machine outside of the cluster may bear the name too.
   */
  async rolesOf(
    hostNames: readonly string[],
    volume: string,
    { node, known, signal }: NodeOptions & { node: NodeIdentity },
  ): Promise<Map<string, HostRole>> {
    const roles = new Map<string, HostRole>();
    const owner = new HostOwner(node, known);
    const open = hostNames.filter((name) => !this.#memory.isOthers(name, owner));
    for (const host of await this.#named(open, signal)) {
      if (owner.sharesWith(host)) roles.set(host.name ?? "", "current");
      else if (
        owner.otherNodeIn(host) === undefined &&
        (owner.hadOneOf(host) || (owner.isNamedForNode(host.name ?? "") &&
          await isOfCluster(this.#context, volume, { cluster: known?.cluster, signal })))
      ) roles.set(host.name ?? "", "former");
    }
    return roles;
  }

  /**
   * Those of the hosts that are known nodes of this cluster by all that they hold. One call for up
   * to fifty.
   */
  async nodesAmong(
    hostNames: readonly string[],
    { known, signal }: NodeOptions,
  ): Promise<Set<string>> {
    const anybody = { name: "", protocols: [], wwpns: [], addresses: [] };
    const owner = new HostOwner(anybody, known);
    const hosts = await this.#named(hostNames, signal);
    return new Set(hosts.filter((host) => owner.isOfNodes(host)).map(({ name }) => name ?? ""));
  }

  /** Those of the hosts that hold an initiator of one of the nodes. One call for up to fifty. */
  async hostsOfNodes(
    hostNames: readonly string[],
    nodes: readonly NodeIdentity[],
    signal?: AbortSignal,
  ): Promise<Set<string>> {
    const owners = nodes.map((node) => new HostOwner(node, undefined));
    const hosts = await this.#named(hostNames, signal);
    const theirs = hosts.filter((host) => owners.some((owner) => owner.sharesWith(host)));
    return new Set(theirs.map(({ name }) => name ?? ""));
  }

  async #named(hostNames: readonly string[], signal?: AbortSignal): Promise<HostItem[]> {
    const hosts: HostItem[] = [];
    for (let start = 0; start < hostNames.length; start += NAMES_PER_FILTER) {
      const terms = hostNames.slice(start, start + NAMES_PER_FILTER).map(nameTerm);
      hosts.push(...await this.#listed(terms, signal));
    }
    return hosts;
  }

  /** Hosts that fit one of the terms of a filter. */
  async #listed(terms: readonly string[], signal?: AbortSignal): Promise<HostItem[]> {
    const query = { filter: terms.join(" or ") };
    const call = { path: "hosts", query, item: hostItem, lane: "attach", signal } as const;
    const hosts = await Array.fromAsync(this.#context.rest.all(call));
    return hosts.filter(isLocal);
  }

  /** The host objects that hold one of the initiators or bear one of the node's names for it. */
  async #candidates({ owner, initiators, signal }: WantedHost): Promise<HostItem[]> {
    const { family, names } = initiators;
    return await this.#listed([
      nameTerm(owner.plainName),
      nameTerm(secondNameFor(owner.plainName, initiators)),
      ...names.map((name) => `${family}=${filterText(name)}`),
    ], signal);
  }

  /**
   * The host object that serves the node, made or corrected when needed: one that holds an
   * initiator of the node counts first, then one that bears its name.
   */
  async #findOrCreate(wanted: WantedHost): Promise<HostItem> {
    const { owner, initiators } = wanted;
    const hosts = await this.#candidates(wanted);
    const holder = await this.#useHolder(hosts, wanted);
    if (holder !== undefined) return holder;
    const second = secondNameFor(owner.plainName, initiators);
    for (const name of [owner.plainName, second]) {
      const namesake = hosts.find((host) => nameKey(host.name ?? "") === nameKey(name));
      if (!namesake) return await this.#create(name, wanted);
      // Only the local plane attaches without an initiator: there is nothing to set.
      if (initiators.names.length === 0) return namesake;
      if (!await this.#mayTakeOver(namesake, wanted)) continue;
      this.forget(namesake.name ?? name); // it may have been known as the host of another protocol
      this.#tellOfTakeOver(namesake, owner);
      return await this.#editor.replace(namesake, initiators, wanted.signal);
    }
    throw new PsoError(
      "in_use",
      `node ${owner.node.name} cannot be connected on array ${this.#context.label()}: the hosts ` +
        `${owner.plainName} and ${second} hold initiators of other machines; rename one of them, ` +
        `or give it ${initiators.names.join(", ")} and nothing else`,
    );
  }

  /**
   * Uses a host object that holds an initiator of the node: its own name first, then the one with
   * most of them. `undefined` when there is none; `in_use` when each holds initiators of other
   * machines too, because all of them would get the volume.
   */
  async #useHolder(hosts: readonly HostItem[], wanted: WantedHost): Promise<HostItem | undefined> {
    const { owner, initiators, cluster, signal } = wanted;
    const share = (host: HostItem) => host[initiators.family]?.length ?? 0;
    const holders = hosts.filter((host) => holdsAny(host, initiators)).sort((a, b) =>
      Number(owner.mayBearName(b.name ?? "")) - Number(owner.mayBearName(a.name ?? "")) ||
      share(b) - share(a)
    );
    const own = holders.find((host) => owner.refusalOf(host) === undefined);
    if (own) {
      const others = holders.filter((host) => host !== own);
      const wish = { owner, initiators, others, cluster, signal };
      const completed = await this.#editor.complete(own, wish);
      if (completed !== own) this.forget(own.name ?? "");
      return completed;
    }
    const [first] = holders;
    if (!first) return undefined;
    throw new PsoError(
      "in_use",
      `node ${owner.node.name} cannot be connected on array ${this.#context.label()}: its ` +
        `initiator ${
          initiators.names.filter((name) => holdsAny(first, { ...initiators, names: [name] })).join(
            ", ",
          )
        } ` +
        `belongs to the host ${first.name} together with ${owner.refusalOf(first)}, and the ` +
        `node's own host is ${owner.plainName}; take it out of ${first.name}, or give the node ` +
        "another one",
    );
  }

  /**
   * Whether a host of the node's name, which holds no initiator of the wanted kind, may be given to
   * the node. It may when the node had all of its initiators before, or when every volume that is
   * connected to it is this cluster's (the node was installed anew). An unused host with strange
   * initiators stays what it is: another cluster may know it by that name and would connect its
   * next volume to us.
   */
  async #mayTakeOver(host: HostItem, wanted: WantedHost): Promise<boolean> {
    const { owner, cluster, signal } = wanted;
    const name = host.name ?? "";
    if (owner.otherNodeIn(host) !== undefined) return false;
    const isUnused = host.connection_count === 0;
    // The node's host for another protocol: it may serve pods, unless nothing is connected to it.
    if (owner.sharesWith(host)) return isUnused && owner.refusalOf(host) === undefined;
    if (!holdsNone(host) && owner.extrasIn(host).every((held) => owner.had(held.name))) return true;
    if (isUnused) return holdsNone(host);
    const volumes = await this.#editor.volumesOf(name, signal);
    if (volumes.length === 0) return holdsNone(host);
    return await areAllOfCluster(this.#context, volumes, { cluster, signal });
  }

  #tellOfTakeOver(host: HostItem, owner: HostOwner): void {
    const replaced = owner.extrasIn(host).map(({ name }) => name);
    if (replaced.length === 0) return;
    this.#context.log.warn(
      "a host object of the node's name is taken over: it serves this cluster",
      {
        array: this.#context.label(),
        host: host.name,
        node: owner.node.name,
        replaced,
      },
    );
  }

  async #create(name: string, wanted: WantedHost): Promise<HostItem> {
    const { initiators, signal } = wanted;
    try {
      return await this.#editor.create(name, initiators, signal);
    } catch (error) {
      if (!mayBeAboutName(error)) throw error;
      // Somebody was quicker, or a call of ours whose answer was lost took effect: read again, and
      // use what is there if it is the node's.
      const hosts = await this.#candidates(wanted);
      const holder = await this.#useHolder(hosts, wanted);
      if (holder !== undefined) return holder;
      const isNameless = initiators.names.length === 0;
      const same = hosts.find((host) => host.name === name && isNameless && holdsNone(host));
      if (!same) throw error;
      return same;
    }
  }
}

function preferenceOf({ preferred_arrays: preferred = [] }: HostItem): Partial<HostObject> {
  const preferredArrays = preferred.flatMap(({ name }) => name || []);
  return preferredArrays.length > 0 ? { preferredArrays } : {};
}

/** Hosts of a replication partner are listed too, as `array:host`. */
function isLocal(host: HostItem): boolean {
  return host.is_local !== false;
}

function nameTerm(name: string): string {
  return `name=${filterText(name)}`;
}

/** One key per node and initiators: they change when a node is reinstalled. */
function keyOf(node: NodeIdentity, initiators: Initiators): string {
  return `${node.name} ${initiators.family} ${initiators.names.toSorted().join(",")}`;
}

/** What the array says of the host's paths, if there are too few. */
function pathsOf({ port_connectivity: found }: HostItem): Pick<HostObject, "paths"> {
  if (found?.status === "critical") return { paths: "none" };
  return found?.status === "unhealthy" ? { paths: "few" } : {};
}
