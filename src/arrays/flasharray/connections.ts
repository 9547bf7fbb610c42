import { PsoError } from "../../errors.ts";
import type { Attachment, NodeIdentity } from "../../handoff.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import type { ConnectOptions } from "../array.ts";
import { HostObjects } from "./hosts.ts";
import { attachmentOf, type FlashArrayFacts } from "./ports.ts";
import { type ConnectionItem, everWritten, type VolumeItem } from "./wire.ts";
import type { Query } from "../rest/client.ts";
import { isRefusal } from "../rest/refusals.ts";
import type { ArrayContext } from "../rest/named_objects.ts";

/** What connections need to know of the array besides its REST. */
interface ConnectionContext extends ArrayContext {
  /** The array's own name and ports; asked for when this process has no facts yet. */
  facts: (signal?: AbortSignal) => Promise<FlashArrayFacts>;
  /** The live volume of that name. */
  find: (name: string, signal?: AbortSignal) => Promise<VolumeItem | undefined>;
}

/** A connection that is to be there, for a node that has this host object. */
interface WantedConnection extends ConnectOptions {
  volume: string;
  node: NodeIdentity;
  /** Name of the node's host object for the protocol. */
  host: string;
  signal?: AbortSignal;
}

/**
 * Names per call: 100 names of 63 characters stay below the 8 KiB that web servers take as a URL.
 */
const NAMES_PER_CALL = 100;

/** Which hosts volumes of one FlashArray are connected to. */
export class Connections {
  readonly #context: ConnectionContext;
  readonly #hosts: HostObjects;
  /**
   * Connects and disconnects of one host, one after another; those of other hosts run meanwhile. A
   * connect beside a disconnect has been given a LUN whose old connection was not gone yet
   * (OpenStack Cinder, Launchpad bug 2138744).
   */
  readonly #changes = new KeyedQueue();

  constructor(context: ConnectionContext) {
    this.#context = context;
    this.#hosts = new HostObjects(context);
  }

  /**
   * As StorageArray.connect. Order: read the volume, find or make the node's host object, connect.
   * A host object that this process knows costs no call.
   */
  async connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions,
  ): Promise<Attachment> {
    const { signal, protocol, iscsiAllowedCidrs } = options;
    const label = this.#context.label();
    const facts = await this.#context.facts(signal);
    const item = await this.#context.find(volume, signal);
    if (!item) throw new PsoError("not_found", `volume ${volume} is not on array ${label}`);
    const attachmentFor = (host: string, lun: number) =>
      attachmentOf(protocol, facts, {
        label,
        host,
        lun,
        iscsiAllowedCidrs,
        serial: (item.serial ?? "").toUpperCase(),
        sizeBytes: item.provisioned ?? 0,
        everWritten: everWritten(item),
      });
    // A protocol that the array does not serve must fail before anything is connected.
    attachmentFor("", 0);
    const host = await this.#hosts.ensure(node, options);
    const wanted = { ...options, volume, node, host };
    const isExclusive = options.exclusive && (item.connection_count ?? 0) > 0;
    const row = (isExclusive ? await this.#takeFromOthers(wanted) : undefined) ??
      await this.#create(wanted);
    return attachmentFor(row.host?.name ?? host, lunOf(row));
  }

  /**
   * Makes sure that no other node holds the volume. Returns the row of this node, if there is one.
   */
  async #takeFromOthers(wanted: WantedConnection): Promise<ConnectionItem | undefined> {
    const { volume, host, signal } = wanted;
    const rows = await this.#rows({ volume_names: volume }, signal);
    const otherHosts = rows.filter((row) => row.host?.name !== host);
    const others = otherHosts.length > 0
      ? await this.#connectionsOfOtherNodes(otherHosts, wanted)
      : [];
    if (others.length > 0) await this.#disconnectOthers(others, wanted);
    // A row of this host that came by a host group went with the group.
    const groups = new Set(others.flatMap((row) => row.host_group?.name ?? []));
    return rows.find((row) => row.host?.name === host && !groups.has(row.host_group?.name ?? ""));
  }

  /**
   * Returns the connections that belong to other nodes. A node has one host object per protocol, so
   * a row may be this node's own, made while the class asked for another protocol. Pods may be
   * using it: throw `conflict`, because the caller disconnects whatever we return.
   */
  async #connectionsOfOtherNodes(
    rows: ConnectionItem[],
    { volume, node, signal }: WantedConnection,
  ): Promise<ConnectionItem[]> {
    const ours = await this.#hosts.namesOf(node, signal);
    const own = rows.find((row) => ours.has(row.host?.name ?? ""));
    if (!own) return rows;
    throw new PsoError(
      "conflict",
      `volume ${volume} on array ${this.#context.label()} is connected to node ${node.name} as ` +
        `host ${own.host?.name}, by another protocol than is asked for now: ` +
        "it stays so until it is detached there",
    );
  }

  /** Disconnects other nodes, or throws `in_use` when the configuration forbids it. */
  async #disconnectOthers(
    others: ConnectionItem[],
    { volume, node, preempt, signal }: WantedConnection,
  ): Promise<void> {
    if (preempt) {
      for (const row of others) await this.#delete(volume, row, signal);
      return;
    }
    const names = new Set(
      others.map((row) => row.host?.name ?? `host group ${row.host_group?.name}`),
    );
    throw new PsoError(
      "in_use",
      `volume ${volume} on array ${this.#context.label()} is connected to ` +
        `${[...names].join(", ")} and may serve one node only: ` +
        `detach it there before it is attached to ${node.name}`,
    );
  }

  /** Connects the volume; a connection that exists already is returned as it is. */
  async #create(wanted: WantedConnection, { isRetry = false } = {}): Promise<ConnectionItem> {
    const { rest, label } = this.#context;
    const { volume, host, signal } = wanted;
    const query = { host_names: host, volume_names: volume };
    try {
      const call = { method: "POST", path: "connections", query, lane: "attach", signal } as const;
      const body = await this.#changes.inTurn(
        changeKey(query),
        () => rest.call<ConnectionItem>(call),
      );
      const row = body.items[0];
      if (row && (row.lun ?? row.nsid) !== undefined) return row;
    } catch (error) {
      if (isRefusal(error, "missing") && !/^volume/i.test(error.said) && !isRetry) {
        // Somebody deleted the host object that we knew: make it again, once.
        this.#hosts.forget(host);
        const again = await this.#hosts.ensure(wanted.node, wanted);
        return await this.#create({ ...wanted, host: again }, { isRetry: true });
      }
      if (!isRefusal(error, "exists")) throw error;
    }
    const found = (await this.#rows(query, signal))[0];
    if (found) return found;
    throw new PsoError(
      "unavailable",
      `array ${label()} says that volume ${volume} is connected to ${host} and lists no such ` +
        "connection; try again",
    );
  }

  /**
   * As StorageArray.disconnect. One call per host object that this process connected the node by.
   * Only when none of them was connected are the volume's rows read: the node's host may have
   * another name, or its connection came by a host group. Only when there is no row either is the
   * volume itself looked up.
   */
  async disconnect(
    volume: string,
    node: NodeIdentity | "all",
    signal?: AbortSignal,
  ): Promise<boolean> {
    let isRemoved = false;
    for (const name of node === "all" ? [] : this.#hosts.likelyNames(node)) {
      isRemoved = await this.#delete(volume, { host: { name } }, signal) || isRemoved;
    }
    if (isRemoved) return true;
    for (const row of await this.#rowsOfNode(volume, node, signal)) {
      isRemoved = await this.#delete(volume, row, signal) || isRemoved;
    }
    return isRemoved || await this.#context.find(volume, signal) !== undefined;
  }

  /** As StorageArray.holds. */
  async holds(volume: string, node: NodeIdentity, signal?: AbortSignal): Promise<boolean> {
    return (await this.#rowsOfNode(volume, node, signal)).length > 0;
  }

  /** The volume's connections to one node, by any of its host objects, or to all nodes. */
  async #rowsOfNode(
    volume: string,
    node: NodeIdentity | "all",
    signal?: AbortSignal,
  ): Promise<ConnectionItem[]> {
    const rows = await this.#rows({ volume_names: volume }, signal);
    if (node === "all" || rows.length === 0) return rows;
    const ours = await this.#hosts.namesOf(node, signal);
    return rows.filter((row) => ours.has(row.host?.name ?? ""));
  }

  /**
   * Ends one connection; false when there was none. A connection by a host group ends for the whole
   * group, because the array knows no other way.
   */
  async #delete(volume: string, row: ConnectionItem, signal?: AbortSignal): Promise<boolean> {
    const holder = row.host_group?.name
      ? { host_group_names: row.host_group.name }
      : { host_names: row.host?.name ?? "" };
    const query = { ...holder, volume_names: volume };
    const call = { method: "DELETE", path: "connections", query, lane: "attach", signal } as const;
    try {
      await this.#changes.inTurn(changeKey(holder), () => this.#context.rest.call(call));
      return true;
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return false;
      throw error;
    }
  }

  /** Host names of each connected volume among `volumes`; what is gone meanwhile is left out. */
  async hostsOf(volumes: string[], signal?: AbortSignal): Promise<Map<string, string[]>> {
    const hosts = new Map<string, string[]>();
    for (let start = 0; start < volumes.length; start += NAMES_PER_CALL) {
      const names = volumes.slice(start, start + NAMES_PER_CALL);
      for (const row of await this.#rowsOfMany(names, signal)) {
        const [volume, host] = [row.volume?.name, row.host?.name];
        if (volume && host) hosts.set(volume, [...new Set([...hosts.get(volume) ?? [], host])]);
      }
    }
    return hosts;
  }

  /**
   * Rows of several volumes. One volume that was destroyed a moment ago makes the array refuse all
   * of the names: it is left out, and the others are asked for again.
   */
  async #rowsOfMany(volumes: string[], signal?: AbortSignal): Promise<ConnectionItem[]> {
    const left = new Set(volumes);
    while (left.size > 0) {
      try {
        return await this.#list({ volume_names: [...left] }, signal);
      } catch (error) {
        if (!isRefusal(error, "missing", "destroyed")) throw error;
        if (left.delete(error.context)) continue;
        const rows: ConnectionItem[] = [];
        for (const name of left) rows.push(...await this.#rows({ volume_names: name }, signal));
        return rows;
      }
    }
    return [];
  }

  /** Rows by query; none when the volume or host is not there. */
  async #rows(query: Query, signal?: AbortSignal): Promise<ConnectionItem[]> {
    try {
      return await this.#list(query, signal);
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return [];
      throw error;
    }
  }

  async #list(query: Query, signal?: AbortSignal): Promise<ConnectionItem[]> {
    const call = { path: "connections", query, lane: "attach", signal } as const;
    return await Array.fromAsync(this.#context.rest.all<ConnectionItem>(call));
  }
}

/** LUN; for NVMe the namespace, which Purity before 6.6 gives as `lun` too. */
function lunOf(row: ConnectionItem): number {
  return row.lun ?? row.nsid ?? 0;
}

/** Changes with one key run one after another. Arrays compare host names without case. */
function changeKey(holder: { host_names?: string; host_group_names?: string }): string {
  return (holder.host_names ?? `group ${holder.host_group_names}`).toLowerCase();
}
