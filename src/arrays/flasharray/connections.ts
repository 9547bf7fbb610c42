import { PsoError } from "../../errors.ts";
import type { Attachment, NodeIdentity } from "../../handoff.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import type { ConnectOptions, HostObject, NodeOptions } from "../array.ts";
import { changeKey, ConnectionEnds, LOOKS, NOT_KNOWN } from "./connection_ends.ts";
import { ConnectionRows, holdersIn, lunOf } from "./connection_rows.ts";
import type { HostContext } from "./host_editor.ts";
import { HostObjects, type HostRole } from "./hosts.ts";
import { attachmentOf, type FlashArrayFacts } from "./ports.ts";
import { type ConnectionItem, connectionItem, everWritten, type VolumeItem } from "./wire.ts";
import { isRefusal, mayBeAboutName } from "../rest/refusals.ts";

/** What connections need to know of the array besides its REST. */
interface ConnectionContext extends HostContext {
  /** The array's own name and ports; asked for when this process has no facts yet. */
  facts: (signal?: AbortSignal) => Promise<FlashArrayFacts>;
  /** The live volume of that name. */
  find: (name: string, signal?: AbortSignal) => Promise<VolumeItem | undefined>;
}

/** A connection that is to be there, for a node that has this host object. */
interface WantedConnection extends ConnectOptions {
  volume: string;
  /** Its id, as the array gave it; absent: it gave none. */
  volumeId?: string;
  node: NodeIdentity;
  /** Name of the node's host object for the protocol. */
  host: string;
}

/** A connection of a volume to another host than the wanted one, and who that host is. */
interface OtherConnection {
  row: ConnectionItem;
  role: HostRole;
}

/** What a volume is connected to. */
interface Look {
  /** The wanted host, by the name that it has now. */
  host: string;
  /** The connection to the wanted host. */
  own?: ConnectionItem;
  others: OtherConnection[];
}

/** Which hosts volumes of one FlashArray are connected to. */
export class Connections {
  readonly #context: ConnectionContext;
  readonly #hosts: HostObjects;
  readonly #rows: ConnectionRows;
  readonly #ends: ConnectionEnds;
  /**
   * Connects and disconnects of one host, one after another; those of other hosts run meanwhile. A
   * connect beside a disconnect has been given a LUN whose old connection was not gone yet
   * (OpenStack Cinder, Launchpad bug 2138744).
   */
  readonly #changes = new KeyedQueue();

  constructor(context: ConnectionContext) {
    this.#context = context;
    this.#hosts = new HostObjects(context);
    this.#rows = new ConnectionRows(context);
    const parts = { hosts: this.#hosts, rows: this.#rows, changes: this.#changes };
    this.#ends = new ConnectionEnds({ ...context, ...parts });
  }

  /**
   * As StorageArray.connect. Order: read the volume, find or make the node's host object, connect;
   * an exclusive volume's connections are read once more after that. A host object that this
   * process knows costs no call.
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
    const wanted = { ...options, volume, volumeId: item.id, node, host };
    const row = options.exclusive
      ? await this.#connectAlone(wanted, { isConnected: (item.connection_count ?? 0) > 0 })
      : await this.#create(wanted);
    return attachmentFor(row.host?.name ?? host, lunOf(row));
  }

  /** As StorageArray.nodeOf. */
  nodeOf(hostName: string): NodeIdentity | undefined {
    return this.#hosts.nodeOf(hostName);
  }

  /** As StorageArray.lookAtHosts. */
  async lookAtHosts(signal?: AbortSignal): Promise<void> {
    await this.#hosts.lookAgain(signal);
  }

  /** As StorageArray.listHosts. */
  async listHosts(signal?: AbortSignal): Promise<HostObject[]> {
    return await this.#hosts.all(signal);
  }

  /**
   * Connects the volume to this node and to no other. What is connected is read again after our
   * own connect: a connect of an earlier publish may have hung in the array all the while, and
   * another controller may have begun at the same time. `unavailable` when others keep coming.
   */
  async #connectAlone(
    asked: WantedConnection,
    { isConnected }: { isConnected: boolean },
  ): Promise<ConnectionItem> {
    let wanted = asked;
    let isMade = false;
    let seen: Look = isConnected ? await this.#look(wanted) : { host: wanted.host, others: [] };
    for (let look = 0; look < LOOKS; look++) {
      wanted = { ...wanted, host: seen.host };
      if (seen.others.length > 0) await this.#disconnectOthers(seen, wanted, { isMade });
      else if (seen.own) return seen.own;
      if (!seen.own) {
        if (isMade) break;
        const row = await this.#create(wanted);
        isMade = true;
        wanted = { ...wanted, host: row.host?.name ?? wanted.host };
      }
      seen = await this.#look(wanted);
    }
    throw new PsoError(
      "unavailable",
      `volume ${wanted.volume} on array ${this.#context.label()} was taken by another host while ` +
        `it was being connected to node ${wanted.node.name}; try again`,
    );
  }

  /**
   * Reads what the volume is connected to. When this node has it by a host of another name, the
   * host object that we knew may have been renamed: it is looked for once more. `conflict` as
   * `#refuseOtherHostOf` when it is another one all the same.
   */
  async #look(wanted: WantedConnection, { isAgain = false } = {}): Promise<Look> {
    const { volume, host, signal } = wanted;
    const rows = await this.#rows.ofVolume(volume, signal);
    const otherRows = rows.filter((row) => row.host?.name !== host);
    const names = otherRows.flatMap((row) => row.host?.name ?? []);
    const roles = await this.#hosts.rolesOf(names, volume, wanted);
    const others = otherRows.map((row) => ({
      row,
      role: roles.get(row.host?.name ?? "") ?? "other",
    }));
    if (!isAgain && others.some(({ role }) => role === "current")) {
      this.#hosts.forget(host);
      const now = await this.#hosts.ensure(wanted.node, wanted);
      return await this.#look({ ...wanted, host: now }, { isAgain: true });
    }
    this.#refuseOtherHostOf(wanted, others);
    return { host, own: rows.find((row) => row.host?.name === host), others };
  }

  /**
   * A node has one host object per kind of initiator, so that a connection may be this node's own,
   * made while the class asked for another protocol. Pods may be using it: throws `conflict`,
   * because the caller disconnects all the others.
   */
  #refuseOtherHostOf(
    { volume, node, host, protocol }: WantedConnection,
    others: readonly OtherConnection[],
  ): void {
    const own = others.find(({ role }) => role === "current");
    if (!own) return;
    throw new PsoError(
      "conflict",
      `volume ${volume} on array ${this.#context.label()} is connected to node ${node.name} as ` +
        `host ${own.row.host?.name}, and by ${protocol} the node is host ${host}: ` +
        "it stays so until it is detached there",
    );
  }

  /**
   * Disconnects all others. What the node had under a former identity goes in any case. `in_use`
   * when another node holds the volume and the configuration forbids to take it away, or when this
   * cluster did not make the volume and the other is no known node of it; what this call itself
   * connected is undone then.
   */
  async #disconnectOthers(
    { own, others }: Look,
    wanted: WantedConnection,
    { isMade }: { isMade: boolean },
  ): Promise<void> {
    const { volume, node, preempt, signal } = wanted;
    const foreign = others.filter(({ role }) => role === "other").map(({ row }) => row);
    const fixed = preempt ? await this.#ends.rowsOfOthers(volume, foreign, wanted) : foreign;
    const undo = async () => {
      if (isMade && own) await this.#ends.end(volume, own, signal);
    };
    if (fixed.length === 0) {
      try {
        if (foreign.length > 0) await wanted.known?.othersMayLose?.(signal);
      } catch (error) {
        await undo();
        throw error;
      }
      for (const { row } of others) await this.#ends.end(volume, row, signal);
      return;
    }
    await undo();
    const why = preempt ? ` (${NOT_KNOWN})` : "";
    throw new PsoError(
      "in_use",
      `volume ${volume} on array ${this.#context.label()} is connected to ` +
        `${holdersIn(fixed)}${why} and may serve one node only: ` +
        `detach it there before it is attached to ${node.name}`,
    );
  }

  /**
   * Connects the volume; a connection that exists already is returned as it is. Whether one exists
   * is read from the array, whatever words it refuses in.
   */
  async #create(wanted: WantedConnection, { isRetry = false } = {}): Promise<ConnectionItem> {
    const { rest, label } = this.#context;
    const { volume, host, signal } = wanted;
    const query = { host_names: host, volume_names: volume };
    let refused: unknown;
    try {
      const [method, path, item] = ["POST", "connections", connectionItem] as const;
      const call = { method, path, query, item, lane: "attach", signal } as const;
      const body = await this.#changes.inTurn(
        changeKey(query),
        () => rest.call<ConnectionItem>(call),
        signal,
      );
      const row = body.items[0];
      this.#refuseOtherVolume(wanted, row);
      if (row && (row.lun ?? row.nsid) !== undefined) return row;
    } catch (error) {
      if (isRefusal(error, "missing") && !/^(the )?volume\b/i.test(error.said) && !isRetry) {
        // Somebody deleted the host object that we knew: make it again, once.
        this.#hosts.forget(host);
        const again = await this.#hosts.ensure(wanted.node, wanted);
        return await this.#create({ ...wanted, host: again }, { isRetry: true });
      }
      if (!mayBeAboutName(error)) throw error;
      refused = error;
    }
    const found = (await this.#rows.read(query, signal))[0];
    if (found) return found;
    if (refused !== undefined && !isRefusal(refused, "exists")) throw refused;
    throw new PsoError(
      "unavailable",
      `array ${label()} says that volume ${volume} is connected to ${host} and lists no such ` +
        "connection; try again",
    );
  }

  /** `unavailable` when the name came to mean another volume than the one that was looked at. */
  #refuseOtherVolume({ volume, volumeId, host }: WantedConnection, row?: ConnectionItem): void {
    const found = row?.volume?.id ?? undefined;
    if (found === undefined || volumeId === undefined || found === volumeId) return;
    throw new PsoError(
      "unavailable",
      `array ${this.#context.label()} connected another volume than was looked at to ${host}: ` +
        `${volume} has the id ${found}, and it had ${volumeId}; try again`,
    );
  }

  /** As StorageArray.disconnect. */
  disconnect(
    volume: string,
    node: NodeIdentity | "all",
    options?: NodeOptions,
  ): Promise<boolean> {
    return this.#ends.disconnect(volume, node, options);
  }

  /** As StorageArray.holds. */
  holds(volume: string, node: NodeIdentity, options?: NodeOptions): Promise<boolean> {
    return this.#ends.holds(volume, node, options);
  }

  /** Host names of each connected volume among `volumes`; what is gone meanwhile is left out. */
  async hostsOf(volumes: string[], signal?: AbortSignal): Promise<Map<string, string[]>> {
    return await this.#rows.hostsOf(volumes, signal);
  }
}
