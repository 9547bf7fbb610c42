import { PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import type { KeyedQueue } from "../../async/keyed_queue.ts";
import type { NodeOptions } from "../array.ts";
import { type ConnectionRows, hasGroupIn, holderOf, holdersIn } from "./connection_rows.ts";
import { isOfCluster } from "./cluster_volumes.ts";
import type { HostContext } from "./host_editor.ts";
import type { HostObjects } from "./hosts.ts";
import type { ConnectionItem, VolumeItem } from "./wire.ts";
import { isRefusal, mayBeAboutName } from "../rest/refusals.ts";
import { nameKey } from "../../names.ts";

/** What the ends of connections need to know. */
interface EndContext extends HostContext {
  /** The live volume of that name. */
  find: (name: string, signal?: AbortSignal) => Promise<VolumeItem | undefined>;
  hosts: HostObjects;
  rows: ConnectionRows;
  /** Connects and disconnects of one host, by `changeKey`. */
  changes: KeyedQueue;
}

/** What ends when a volume is taken from a node. */
interface RowsOfNode {
  rows: ConnectionItem[];
  /** Of other hosts, which came by the same host groups. */
  mates: ConnectionItem[];
}

/**
 * Looks at the connections before a call gives up: each but the last one ends what should not be
 * there.
 */
export const LOOKS = 4;

/** Ends connections of one FlashArray's volumes, and says which of them must stay. */
export class ConnectionEnds {
  readonly #context: EndContext;
  readonly #hosts: HostObjects;
  readonly #rows: ConnectionRows;

  constructor(context: EndContext) {
    this.#context = context;
    this.#hosts = context.hosts;
    this.#rows = context.rows;
  }

  /**
   * As StorageArray.disconnect. One call per host object that this process connected the node by,
   * and one that reads what is left: the node may be connected by a host of another name, by one
   * of its former identities or by a host group. Only when nothing was connected is the volume
   * itself looked up. `unavailable` when connections of the node keep coming back.
   */
  async disconnect(
    volume: string,
    node: NodeIdentity | "all",
    options: NodeOptions = {},
  ): Promise<boolean> {
    const { signal } = options;
    let isRemoved = false;
    // Only host objects that this process connected the node by are tried without a look: one that
    // bears the node's name may be another machine's.
    for (const name of node === "all" ? [] : this.#hosts.connectedNames(node)) {
      isRemoved = await this.end(volume, { host: { name } }, signal) || isRemoved;
    }
    for (let look = 0; look < LOOKS; look++) {
      const found = await this.#rowsOfNode(volume, node, options);
      const { mates } = found;
      const shared = node === "all" ? [] : await this.#rowsOfUsers(found, options);
      const rows = found.rows.filter((row) => !shared.includes(row) && !hasGroupIn(shared, row));
      if (rows.length === 0) {
        if (node !== "all" && shared.length > 0) this.#tellOfShared(volume, node, shared);
        return isRemoved || found.rows.length > 0 ||
          await this.#context.find(volume, signal) !== undefined;
      }
      const asked = node === "all" ? rows : mates;
      const fixed = await this.rowsOfOthers(volume, asked, options);
      for (const row of rows.filter((row) => !fixed.includes(row) && !hasGroupIn(fixed, row))) {
        isRemoved = await this.end(volume, row, signal) || isRemoved;
      }
      if (fixed.length > 0) throw this.#stillConnected(volume, fixed);
    }
    const who = node === "all" ? "a host" : `node ${node.name}`;
    throw new PsoError(
      "unavailable",
      `volume ${volume} on array ${this.#context.label()} was connected to ${who} again while it ` +
        "was being disconnected; try again",
    );
  }

  /**
   * Those of the connections by which another node reaches the volume that this process published
   * it to. They stay, and with them the node's own by the same host group or host object: the array
   * cannot end the one without the other.
   */
  async #rowsOfUsers(
    { rows, mates }: RowsOfNode,
    { known, signal }: NodeOptions,
  ): Promise<ConnectionItem[]> {
    const users = known?.otherUsers ?? [];
    const all = [...rows, ...mates];
    if (users.length === 0 || all.length === 0) return [];
    const names = all.flatMap((row) => row.host?.name ?? []);
    const theirs = await this.#hosts.hostsOfNodes(names, users, signal);
    return all.filter((row) => theirs.has(row.host?.name ?? ""));
  }

  #tellOfShared(volume: string, node: NodeIdentity, shared: readonly ConnectionItem[]): void {
    const groups = shared.flatMap((row) => row.host_group?.name ?? []);
    this.#context.log.warn(
      "a node keeps a connection that another node uses; it goes with the last of them",
      {
        array: this.#context.label(),
        volume,
        node: node.name,
        sharedWith: holdersIn(shared),
        group: groups[0],
        todo: "connect the volume to the hosts of the nodes, not to a host group",
      },
    );
  }

  #stillConnected(volume: string, rows: readonly ConnectionItem[]): PsoError {
    return new PsoError(
      "in_use",
      `volume ${volume} on array ${this.#context.label()} is still connected to ` +
        `${holdersIn(rows)} (${NOT_KNOWN}): detach it there`,
    );
  }

  /** As StorageArray.holds. */
  async holds(volume: string, node: NodeIdentity, options: NodeOptions = {}): Promise<boolean> {
    return (await this.#rowsOfNode(volume, node, options)).rows.length > 0;
  }

  /**
   * The volume's connections to one node, by any of its host objects, or to all nodes; and those of
   * other hosts that end with them, because they came by the same host group.
   */
  async #rowsOfNode(
    volume: string,
    node: NodeIdentity | "all",
    options: NodeOptions,
  ): Promise<RowsOfNode> {
    const all = await this.#rows.ofVolume(volume, options.signal);
    if (node === "all" || all.length === 0) return { rows: all, mates: [] };
    const names = all.flatMap((row) => row.host?.name ?? []);
    const roles = await this.#hosts.rolesOf(names, volume, { ...options, node });
    const rows = all.filter((row) => roles.has(row.host?.name ?? ""));
    return { rows, mates: all.filter((row) => !rows.includes(row) && hasGroupIn(rows, row)) };
  }

  /**
   * Ends one connection; false when there was none, whatever words the array refuses in. A
   * connection by a host group ends for the whole group, because the array knows no other way.
   */
  async end(volume: string, row: ConnectionItem, signal?: AbortSignal): Promise<boolean> {
    const holder = holderOf(row);
    const query = { ...holder, volume_names: volume };
    const call = { method: "DELETE", path: "connections", query, lane: "attach", signal } as const;
    try {
      const { changes, rest } = this.#context;
      await changes.inTurn(changeKey(holder), () => rest.call(call), signal);
      return true;
    } catch (error) {
      if (isRefusal(error, "missing", "destroyed")) return false;
      if (!mayBeAboutName(error)) throw error;
      // A host's rows also show what it has by a group, which this call cannot end.
      const left = await this.#rows.read(query, signal);
      if (left.some((row) => changeKey(holderOf(row)) === changeKey(holder))) throw error;
      return false;
    }
  }

  /**
   * Those of the connections that must stay. A volume that this cluster did not make may serve
   * machines outside of it: only what is known as a node of this cluster may be cut off.
   */
  async rowsOfOthers(
    volume: string,
    rows: ConnectionItem[],
    { known, signal }: NodeOptions,
  ): Promise<ConnectionItem[]> {
    if (rows.length === 0) return [];
    const { cluster } = known ?? {};
    if (await isOfCluster(this.#context, volume, { cluster, signal })) return [];
    const names = rows.flatMap((row) => row.host?.name ?? []);
    const nodes = await this.#hosts.nodesAmong(names, { known, signal });
    const others = rows.filter((row) => !nodes.has(row.host?.name ?? ""));
    return rows.filter((row) => others.includes(row) || hasGroupIn(others, row));
  }
}

/** Completes a sentence about a host that has a volume which this cluster did not make. */
export const NOT_KNOWN = "no known node of this cluster, which did not make the volume";

/** Changes with one key run one after another. */
export function changeKey(holder: { host_names?: string; host_group_names?: string }): string {
  return nameKey(holder.host_names ?? `group ${holder.host_group_names}`);
}
