import { PsoError } from "../../errors.ts";
import type { Attachment, NodeIdentity } from "../../handoff.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import type { ConnectOptions } from "../array.ts";
import { HostObjects } from "./hosts.ts";
import { attachmentOf, type PortFacts } from "./ports.ts";
import { type ConnectionItem, everWritten, type VolumeItem } from "./wire.ts";
import type { RestClient } from "../rest/client.ts";
import { isRefusal } from "../rest/errors.ts";

/** What connections need to know of the array besides its REST. */
export interface ConnectionContext {
  rest: RestClient;
  label: () => string;
  /** The array's own name and ports; asked for when this process has no facts yet. */
  facts: (
    signal?: AbortSignal,
  ) => Promise<{ arrayName: string; simulated: boolean; ports: PortFacts }>;
  /** The live volume of that name. */
  find: (name: string, signal?: AbortSignal) => Promise<VolumeItem | undefined>;
}

type Within = { signal?: AbortSignal };

/**
 * Names per call: 100 names of 63 characters stay below the 8 KiB that web servers take as a URL.
 */
const NAMES_PER_CALL = 100;

/** Which hosts volumes of one FlashArray are connected to. */
export class Connections {
  readonly #context: ConnectionContext;
  readonly #hosts: HostObjects;
  /**
   * By host: its connections change one after another, other hosts' meanwhile. A connect beside a
   * disconnect has been given a LUN whose old connection was not gone yet (Cinder's driver,
   * Launchpad bug 2138744).
   */
  readonly #turns = new KeyedQueue();

  constructor(context: ConnectionContext) {
    this.#context = context;
    this.#hosts = new HostObjects(context.rest, context.label);
  }

  /**
   * StorageArray.connect for blocks: the volume, then its connection; the host only when it is new
   * here.
   */
  async connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions & Within,
  ): Promise<Attachment> {
    const { signal, protocol } = options;
    const { label } = this.#context;
    const { arrayName, simulated, ports } = await this.#context.facts(signal);
    if (protocol === "local" && !simulated) {
      throw new PsoError(
        "unsupported",
        `array ${label()} is a real one: the protocol local exists on simulated arrays only`,
      );
    }
    const describe = (host: string, lun: number, item: VolumeItem) =>
      attachmentOf(protocol, ports, {
        label: label(),
        array: arrayName,
        host,
        lun,
        portalFilter: options.portalFilter,
        serial: (item.serial ?? "").toUpperCase(),
        sizeBytes: item.provisioned ?? 0,
        everWritten: everWritten(item),
      });
    const item = await this.#context.find(volume, signal);
    if (!item) throw new PsoError("not_found", `volume ${volume} is not on array ${label()}`);
    // A protocol that the array does not serve must fail before anything is connected.
    describe("", 0, item);
    const host = await this.#hosts.ensure(node, options);
    const row = await this.#reach(volume, host, {
      ...options,
      connected: (item.connection_count ?? 0) > 0,
      node,
    });
    return describe(row.host?.name ?? host, lunOf(row), item);
  }

  /** Makes sure of the connection, alone if it must be, and returns its row. */
  async #reach(
    volume: string,
    host: string,
    options: ConnectOptions & Within & { connected: boolean; node: NodeIdentity },
  ): Promise<ConnectionItem> {
    if (options.exclusive && options.connected) {
      const rows = await this.#rows({ volume_names: volume }, options);
      const foreign = rows.filter((row) => row.host?.name !== host);
      const others = foreign.length > 0 ? await this.#notOf(foreign, { volume, ...options }) : [];
      if (others.length > 0) await this.#fence(volume, others, options);
      const groups = new Set(others.flatMap((row) => row.host_group?.name ?? []));
      // Our own row stays, unless it came by a host group that has just been disconnected.
      const own = rows.find((row) =>
        row.host?.name === host && !groups.has(row.host_group?.name ?? "")
      );
      if (own) return own;
    }
    return await this.#post(volume, host, options);
  }

  /**
   * Those of the connections that are not this node's own. A node has a host object for each
   * protocol: one by which it has the volume now, because the protocol was another one then, serves
   * what runs there (`conflict`), and is never cut off.
   */
  async #notOf(
    rows: ConnectionItem[],
    { volume, node, signal }: Within & { volume: string; node: NodeIdentity },
  ): Promise<ConnectionItem[]> {
    const ours = await this.#hosts.namesOf(node, signal);
    const own = rows.find((row) => ours.has(row.host?.name ?? ""));
    if (!own) return rows;
    throw new PsoError(
      "conflict",
      `volume ${volume} on array ${this.#context.label()} is connected to node ${node.name} as host ${own.host?.name}, by another protocol than is ` +
        "asked for now: it stays so until it is detached there",
    );
  }

  async #fence(
    volume: string,
    others: ConnectionItem[],
    options: { preempt: boolean; node: NodeIdentity } & Within,
  ): Promise<void> {
    const names = [
      ...new Set(others.map((row) => row.host?.name ?? `host group ${row.host_group?.name}`)),
    ];
    if (!options.preempt) {
      throw new PsoError(
        "in_use",
        `volume ${volume} on array ${this.#context.label()} is connected to ${
          names.join(", ")
        } and may serve one node only: ` +
          `detach it there before it is attached to ${options.node.name}`,
      );
    }
    for (const row of others) await this.#delete(volume, row, options);
  }

  async #post(
    volume: string,
    host: string,
    options: ConnectOptions & Within & { node: NodeIdentity },
    again = false,
  ): Promise<ConnectionItem> {
    const { rest, label } = this.#context;
    const { signal } = options;
    const query = { host_names: host, volume_names: volume };
    try {
      const call = { method: "POST", path: "connections", query, lane: "attach", signal } as const;
      const body = await this.#turns.inTurn(turnOf(query), () => rest.call<ConnectionItem>(call));
      const row = body.items[0];
      if (row && (row.lun ?? row.nsid) !== undefined) return row;
    } catch (error) {
      if (isRefusal(error, "missing") && !/^volume/i.test(error.said) && !again) {
        this.#hosts.forget(host); // somebody deleted the host object
        return await this.#post(
          volume,
          await this.#hosts.ensure(options.node, options),
          options,
          true,
        );
      }
      if (!isRefusal(error, "exists")) throw error;
    }
    const found = (await this.#rows(query, options))[0];
    if (found) return found;
    throw new PsoError(
      "unavailable",
      `array ${label()} says that volume ${volume} is connected to ${host} and lists no such connection; try again`,
    );
  }

  /** StorageArray.disconnect: one call when the host is known. */
  async disconnect(volume: string, node: NodeIdentity | "all", options: Within): Promise<void> {
    if (node === "all") {
      for (const row of await this.#rows({ volume_names: volume }, options)) {
        await this.#delete(volume, row, options);
      }
      return;
    }
    let removed = false;
    for (const name of this.#hosts.likelyNames(node)) {
      removed = await this.#delete(volume, { host: { name } }, options) || removed;
    }
    if (removed) return;
    // Nothing there, by the name that we would use: the node's host may have another one, or a host
    // group.
    const rows = await this.#rows({ volume_names: volume }, options);
    if (rows.length === 0) return;
    const ours = await this.#hosts.namesOf(node, options.signal);
    for (const row of rows) {
      if (ours.has(row.host?.name ?? "")) await this.#delete(volume, row, options);
    }
  }

  /**
   * True if there was a connection. One by a host group goes for the whole group: the array knows
   * no other way.
   */
  async #delete(volume: string, row: ConnectionItem, { signal }: Within): Promise<boolean> {
    const holder = row.host_group?.name
      ? { host_group_names: row.host_group.name }
      : { host_names: row.host?.name ?? "" };
    const query = { ...holder, volume_names: volume };
    try {
      const call = {
        method: "DELETE",
        path: "connections",
        query,
        lane: "attach",
        signal,
      } as const;
      await this.#turns.inTurn(turnOf(holder), () => this.#context.rest.call(call));
      return true;
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return false;
      throw error;
    }
  }

  /**
   * Host names of each connected volume among `volumes`; volumes that are gone meanwhile are left
   * out.
   */
  async hostsOf(volumes: string[], signal?: AbortSignal): Promise<Map<string, string[]>> {
    const hosts = new Map<string, string[]>();
    for (let start = 0; start < volumes.length; start += NAMES_PER_CALL) {
      for (
        const row of await this.#rowsOfMany(volumes.slice(start, start + NAMES_PER_CALL), signal)
      ) {
        const [volume, host] = [row.volume?.name, row.host?.name];
        if (volume && host) hosts.set(volume, [...new Set([...hosts.get(volume) ?? [], host])]);
      }
    }
    return hosts;
  }

  /**
   * One that was destroyed a moment ago makes the array refuse all names at once: it is left out
   * then.
   */
  async #rowsOfMany(volumes: string[], signal?: AbortSignal): Promise<ConnectionItem[]> {
    const left = new Set(volumes);
    while (left.size > 0) {
      try {
        return await this.#list({ volume_names: [...left] }, { signal });
      } catch (error) {
        if (!isRefusal(error, "missing", "destroyed")) throw error;
        if (left.delete(error.context)) continue;
        const rows: ConnectionItem[] = [];
        for (const name of left) rows.push(...await this.#rows({ volume_names: name }, { signal }));
        return rows;
      }
    }
    return [];
  }

  /** Rows by query; none when the volume or host is not there. */
  async #rows(query: Record<string, string>, options: Within): Promise<ConnectionItem[]> {
    try {
      return await this.#list(query, options);
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return [];
      throw error;
    }
  }

  async #list(
    query: Record<string, string | string[]>,
    { signal }: Within,
  ): Promise<ConnectionItem[]> {
    const rows: ConnectionItem[] = [];
    for await (
      const row of this.#context.rest.all<ConnectionItem>({
        path: "connections",
        query,
        lane: "attach",
        signal,
      })
    ) rows.push(row);
    return rows;
  }
}

/** LUN; for NVMe the namespace, which before Purity 6.6 came as `lun`. */
function lunOf(row: ConnectionItem): number {
  return row.lun ?? row.nsid ?? 0;
}

/** Host names are the same in any case (reference A10). */
function turnOf(holder: { host_names?: string; host_group_names?: string }): string {
  return (holder.host_names ?? `group ${holder.host_group_names}`).toLowerCase();
}
