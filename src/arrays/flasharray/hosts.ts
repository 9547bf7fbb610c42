import { createHash } from "node:crypto";
import type { ChapCredentials } from "../../chap.ts";
import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { type InitiatorName, type Protocol, PROTOCOL_FACTS } from "../../protocols.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import { SingleFlight } from "../../async/single_flight.ts";
import { hostNameFor, NAME_MAX } from "../../names.ts";
import type { HostItem } from "./wire.ts";
import { filterText, type RestClient } from "../rest/client.ts";
import { isRefusal } from "../rest/errors.ts";

/** The kinds of initiator; a host object holds one kind only (reference A10). */
type Family = "iqns" | "nqns" | "wwns";
const FAMILIES: readonly Family[] = ["iqns", "nqns", "wwns"];

interface Initiators {
  family: Family;
  /** As the array writes them: WWNs in upper case without colons. Empty only on the local plane. */
  names: string[];
}

/** All initiators of the node, by the name that PROTOCOL_FACTS has for their family. */
function allInitiatorsOf(node: NodeIdentity) {
  return {
    iqn: { family: "iqns", names: node.iqn ? [node.iqn] : [] },
    nqn: { family: "nqns", names: node.nqn ? [node.nqn] : [] },
    wwpn: { family: "wwns", names: node.wwpns.map((wwpn) => wwpn.toUpperCase()) },
  } satisfies Record<InitiatorName, Initiators>;
}

/** What a node without an initiator lacks, and what to do. */
const MISSING: Record<InitiatorName, string> = {
  iqn: "IQN; install open-iscsi on it, or choose another protocol in the class",
  nqn: "NQN; install nvme-cli on it, or choose another protocol in the class",
  wwpn: "FC port; choose another protocol in the class",
};

function initiatorsOf(node: NodeIdentity, protocol: Protocol): Initiators {
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

/** What a host object is made sure of for. */
interface EnsureOptions {
  protocol: Protocol;
  chap?: ChapCredentials;
  signal?: AbortSignal;
}

function has(host: HostItem, initiators: Initiators): boolean {
  const known = (host[initiators.family] ?? []).map((name) =>
    name.replaceAll(":", "").toLowerCase()
  );
  return initiators.names.some((name) => known.includes(name.replaceAll(":", "").toLowerCase()));
}

function isSame(host: HostItem, initiators: Initiators): boolean {
  const others = FAMILIES.filter((family) => family !== initiators.family);
  const size = host[initiators.family]?.length ?? 0;
  return size === initiators.names.length && (size === 0 || has(host, initiators)) &&
    others.every((one) => (host[one]?.length ?? 0) === 0);
}

/** True when the host has an initiator that is none of the node's. */
function isForeign(host: HostItem, { iqn, nqn, wwpns }: NodeIdentity): boolean {
  const plain = (name: string) => name.replaceAll(":", "").toLowerCase();
  const own = new Set([iqn, nqn, ...wwpns].filter((name) => name !== undefined).map(plain));
  return FAMILIES.some((family) => (host[family] ?? []).some((name) => !own.has(plain(name))));
}

function isEmpty(host: HostItem): boolean {
  return FAMILIES.every((family) => (host[family]?.length ?? 0) === 0);
}

/**
 * A name for a host object whose plain name is another node's or another protocol's; the same
 * initiators give the same name.
 */
function secondNameFor(plain: string, initiators: Initiators): string {
  const hash = createHash("sha256").update(initiators.names.toSorted().join(",")).digest("hex")
    .slice(0, 12);
  return `${plain.slice(0, NAME_MAX - 14)}-x${hash}`;
}

/**
 * The nodes' host objects on one FlashArray. What the array said once is kept: in the ordinary case
 * a connect needs no look at hosts.
 */
export class HostObjects {
  readonly #rest: RestClient;
  readonly #label: () => string;
  /** Node, family and initiators → host name on the array. */
  readonly #known = new Map<string, string>();
  /** Two volumes for a new node at once: one connect creates the host, the other waits for it. */
  readonly #settling = new SingleFlight<string, string>();
  /**
   * Host name on the array → digest of the CHAP credentials that this process set there; absent
   * when that is not certain.
   */
  readonly #chap = new Map<string, string>();
  readonly #chapTurns = new KeyedQueue();

  constructor(rest: RestClient, label: () => string) {
    this.#rest = rest;
    this.#label = label;
  }

  /**
   * Name of the node's host object for the protocol, created or corrected when needed, for iSCSI
   * with the CHAP credentials that are given. `in_use` when an initiator of the node belongs to a
   * host with other initiators as well, `unsupported` when the node has no initiator for the
   * protocol, `invalid` when the array takes no such credentials.
   */
  async ensure(node: NodeIdentity, { protocol, chap, signal }: EnsureOptions): Promise<string> {
    const name = await this.#nameOf(node, protocol, signal);
    if (!chap || protocol !== "iscsi") return name;
    try {
      await this.#setChap(name, chap, signal);
      return name;
    } catch (error) {
      if (!isRefusal(error, "missing")) throw error;
      this.forget(name); // somebody deleted the host object
      const again = await this.#nameOf(node, protocol, signal);
      await this.#setChap(again, chap, signal);
      return again;
    }
  }

  /**
   * The array shows no password, so that only what this process set itself is known. One call when
   * it must be set, else none.
   */
  async #setChap(
    name: string,
    { host, target }: ChapCredentials,
    signal?: AbortSignal,
  ): Promise<void> {
    const sides = { host_user: host.user, host_password: host.password.reveal() };
    // Without a target side, one that the host has stays: the node does not ask for it then.
    const chap = target
      ? { ...sides, target_user: target.user, target_password: target.password.reveal() }
      : sides;
    const digest = createHash("sha256").update(JSON.stringify(chap)).digest("hex");
    await this.#chapTurns.inTurn(name, async () => {
      if (this.#chap.get(name) === digest) return;
      this.#chap.delete(name); // until the answer is here it is not certain which ones hold
      await this.#patch(name, { chap }, signal);
      this.#chap.set(name, digest);
    });
  }

  async #nameOf(node: NodeIdentity, protocol: Protocol, signal?: AbortSignal): Promise<string> {
    const initiators = initiatorsOf(node, protocol);
    const key = keyOf(node, initiators);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = await this.#settling.run(key, () => this.#settle(node, initiators, signal));
    this.#known.set(key, name);
    return name;
  }

  /** To be called when the array says that the host is not there: somebody deleted it. */
  forget(hostName: string): void {
    for (const [key, name] of this.#known) if (name === hostName) this.#known.delete(key);
    this.#chap.delete(hostName);
  }

  /**
   * The host names that this process has connected the node by, most likely first; its plain name
   * when it knows none.
   */
  likelyNames(node: NodeIdentity): string[] {
    const names = [...this.#known].filter(([key]) => key.startsWith(`${node.name} `)).map((
      [, name],
    ) => name);
    return names.length > 0 ? [...new Set(names)] : [hostNameFor(node.name)];
  }

  /** Names of all hosts that are the node's: by name or by any of its initiators. One call. */
  async namesOf(node: NodeIdentity, signal?: AbortSignal): Promise<Set<string>> {
    const plain = hostNameFor(node.name);
    const all: Initiators[] = Object.values(allInitiatorsOf(node));
    const hosts = await this.#candidates(plain, all, signal);
    // A host of our name with initiators that are not this node's is another cluster's node, unless
    // we know no initiator of the node.
    const anonymous = all.every(({ names }) => names.length === 0);
    const ours = hosts.filter((host) =>
      all.some((one) => has(host, one)) || (host.name === plain && (anonymous || isEmpty(host)))
    );
    return new Set(ours.flatMap((host) => host.name ?? []));
  }

  async #candidates(
    plain: string,
    initiators: Initiators[],
    signal?: AbortSignal,
  ): Promise<HostItem[]> {
    const terms = initiators.flatMap(({ family, names }) =>
      names.map((name) => `${family}=${filterText(name)}`)
    );
    const filter = [`name=${filterText(plain)}`, ...terms].join(" or ");
    const hosts: HostItem[] = [];
    for await (
      const host of this.#rest.all<HostItem>({
        path: "hosts",
        query: { filter },
        lane: "attach",
        signal,
      })
    ) {
      // hosts of a replication partner are listed as `array:host`
      if (host.is_local !== false) hosts.push(host);
    }
    return hosts;
  }

  async #settle(node: NodeIdentity, initiators: Initiators, signal?: AbortSignal): Promise<string> {
    const plain = hostNameFor(node.name);
    const hosts = await this.#candidates(plain, [initiators], signal);
    const holder = hosts.find((host) => has(host, initiators));
    if (holder?.name) return await this.#adopt(node, holder, { initiators, plain, signal });
    const namesake = hosts.find((host) => host.name?.toLowerCase() === plain.toLowerCase());
    if (!namesake?.name) return await this.#create(node, { name: plain, initiators, signal });
    if (initiators.names.length === 0 && isEmpty(namesake)) return namesake.name;
    if (isSame(namesake, initiators)) return namesake.name;
    if (
      !isEmpty(namesake) && initiators.names.length > 0 &&
      (isForeign(namesake, node) || (namesake.connection_count ?? 0) > 0)
    ) {
      // It serves volumes by another protocol of this node, or belongs to a node of that name in
      // another cluster. That one may hold nothing just now: its controller knows the host by name
      // and would connect the next volume to us.
      return await this.#create(node, {
        name: secondNameFor(plain, initiators),
        initiators,
        signal,
      });
    }
    return initiators.names.length === 0
      ? namesake.name
      : await this.#replace(namesake, initiators, signal);
  }

  /**
   * A host that holds an initiator of ours: right if all of its initiators are ours, else it may be
   * a whole group of machines.
   */
  async #adopt(
    node: NodeIdentity,
    holder: HostItem,
    { initiators, plain, signal }: { initiators: Initiators; plain: string; signal?: AbortSignal },
  ): Promise<string> {
    const name = holder.name ?? plain;
    if (isSame(holder, initiators)) return name;
    const foreign = FAMILIES.flatMap((family) => holder[family] ?? []).filter((one) =>
      !has({ [initiators.family]: [one] }, initiators)
    );
    if (foreign.length === 0 || (name === plain && initiators.family === "wwns")) {
      // Some of our ports are missing there (a new HBA), or an old one of ours is there still.
      return await this.#replace(holder, initiators, signal);
    }
    throw new PsoError(
      "in_use",
      `node ${node.name} cannot be connected on array ${this.#label()}: its initiator ${
        initiators.names.join(", ")
      } belongs to the host ` +
        `${name} together with ${
          foreign.join(", ")
        }, and the node's own host is ${plain}; take it out of ${name}, or give the node another one`,
    );
  }

  async #replace(host: HostItem, initiators: Initiators, signal?: AbortSignal): Promise<string> {
    const name = host.name ?? "";
    this.forget(name); // what we knew of it for another protocol no longer holds
    const others = FAMILIES.filter((family) =>
      family !== initiators.family && (host[family]?.length ?? 0) > 0
    );
    // The array refuses two kinds in one host, even for a moment.
    for (const family of others) await this.#patch(name, { [family]: [] }, signal);
    await this.#patch(name, { [initiators.family]: initiators.names }, signal);
    return name;
  }

  async #patch(
    name: string,
    body: Record<string, string[] | Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#rest.call({
      method: "PATCH",
      path: "hosts",
      query: { names: name },
      body,
      lane: "attach",
      signal,
    });
  }

  async #create(
    node: NodeIdentity,
    { name, initiators, signal }: { name: string; initiators: Initiators; signal?: AbortSignal },
  ): Promise<string> {
    const body = initiators.names.length > 0 ? { [initiators.family]: initiators.names } : {};
    try {
      await this.#rest.call({
        method: "POST",
        path: "hosts",
        query: { names: name },
        body,
        lane: "attach",
        signal,
      });
      return name;
    } catch (error) {
      if (!isRefusal(error, "exists", "initiator taken")) throw error;
      // Somebody was quicker (or our own lost call was done): read again, once, and use what is
      // there if it is the node's.
      const hosts = await this.#candidates(name, [initiators], signal);
      const found = hosts.find((host) => has(host, initiators)) ??
        hosts.find((host) => host.name === name && isSame(host, initiators));
      if (!found) throw error;
      return await this.#adopt(node, found, { initiators, plain: name, signal });
    }
  }
}

function keyOf(node: NodeIdentity, initiators: Initiators): string {
  return `${node.name} ${initiators.family} ${initiators.names.toSorted().join(",")}`;
}
