import type { Attachment, NodeIdentity } from "../handoff.ts";
import { PsoError } from "../errors.ts";
import type { Protocol } from "../protocols.ts";
import type { Containers } from "./containers/container_state.ts";
import type { NewVolumeGroup } from "./containers/group_limits.ts";
import type { DeleteOptions, DeleteScope } from "./delete_options.ts";
import type { ConnectOptions, NodeOptions } from "./node_knowledge.ts";
import type { BlocksQuery, SnapshotBlocks } from "./snapshot_blocks.ts";
import type { VolumeChanges } from "./volume_changes.ts";

export type { DeleteOptions, DeleteRights, DeleteScope } from "./delete_options.ts";
export type { ConnectOptions, NodeKnowledge, NodeOptions } from "./node_knowledge.ts";
export type { BlockRange, BlocksQuery, SnapshotBlocks } from "./snapshot_blocks.ts";
export type { ExportChange, RuleUser, VolumeChanges } from "./volume_changes.ts";

/** Block volumes (FlashArray) or file systems (FlashBlade). */
export type VolumeKind = "block" | "file";

/** What only some arrays, or only some versions of them, can do. */
export type Feature =
  /** A new volume from a snapshot or from a volume. */
  | "clone"
  /** Limits of IOPS and bandwidth per volume. */
  | "qos";

/** One place where nodes reach an array for data. */
export interface DataPort {
  protocol: Protocol;
  /** `host:port` of a portal or of an NFS server; absent for Fibre Channel. */
  portal?: string;
  /** Fibre Channel: the port's name, 16 hexadecimal digits. */
  wwpn?: string;
}

/** Facts about an array that placement and people look at. Sizes in bytes. */
export interface ArrayStatus {
  /** The array's own UUID; its first 8 hex digits begin every volume handle. */
  id: string;
  /** The array's own name. */
  name: string;
  kind: VolumeKind;
  /** Purity version. */
  version: string;
  /** REST version in use, such as `2.26`. */
  restVersion: string;
  capacityBytes: number;
  usedBytes: number;
  /**
   * Sum of the sizes of all volumes, thin ones with their whole size; absent when it does not say.
   */
  provisionedBytes?: number;
  features: ReadonlySet<Feature>;
  /** Protocols that the array serves now (ports and interfaces that are up). */
  protocols: ReadonlySet<Protocol>;
  /** What its maker calls the machine; absent when it does not say. */
  model?: string;
  /** Where nodes are sent for their data; absent for an array without such a place. */
  dataPorts?: readonly DataPort[];
  /** Ports that no node is sent to, and why: each a part of a sentence that names the port. */
  portFaults?: readonly string[];
  /**
   * Block only: controllers that are not ready, as `CT1 (not ready)`; none of their ports is used.
   * Absent: all are.
   */
  downControllers?: readonly string[];
  /**
   * Whether people may eradicate what is destroyed, in the array's own word; absent: it does not
   * say.
   */
  manualEradication?: string;
  /** File only: the addresses of its own data interfaces that are up. */
  dataAddresses?: readonly string[];
  /**
   * Mean microseconds per operation and operations per second over the last 30 seconds, or over the
   * array's newest sample if it has no such mean. Both are 0 for an idle array; absent if it gave
   * none, or refused the call to this token's role.
   */
  latency?: { usecPerOp: number; opsPerSecond: number };
  /** Block only. */
  containers?: Containers;
}

/** A live volume (never a destroyed one). */
export interface Volume {
  /** Full name on the array. */
  name: string;
  sizeBytes: number;
  createdMs: number;
  /** Block only: 24 upper-case hex digits. */
  serial?: string;
  /** Full name of the volume or snapshot that it was made from. */
  source?: string;
  /** Its space.virtual, snapshots or source show that it may hold data. */
  everWritten: boolean;
  /** Bytes stored for it. */
  usedBytes: number;
  /**
   * Who it is connected to: host names (block) or client addresses (file). Filled by findVolume and
   * listVolumes when asked for.
   */
  hosts?: string[];
  /**
   * File only: whom rules that an administrator wrote let in. `any` when they name more than plain
   * addresses: `hosts` does not tell then who uses the file system.
   */
  adminClients?: readonly string[] | "any";
}

/** What an array knows of a volume that bore a name last, live or destroyed. */
export interface VolumeTrace {
  isLive: boolean;
  /** As `Volume.serial`; a destroyed volume keeps it until it is eradicated. */
  serial?: string;
}

/** A live snapshot. */
export interface Snapshot {
  /** `volume.suffix`. */
  name: string;
  /** Full name of its volume. */
  volume: string;
  /** 0 when the array keeps no size of a snapshot (file). */
  sizeBytes: number;
  createdMs: number;
  /**
   * The group snapshot that it was taken with: its own suffix, or `group.suffix` of a protection
   * group. Absent for one that was taken alone.
   */
  group?: string;
}

/** How a volume is looked up. */
export interface FindOptions {
  /** Fill `Volume.hosts` too. */
  hosts?: boolean;
  signal?: AbortSignal;
}

/** A volume that is to be created, as an array understands it. */
export interface CreateVolumeSpec {
  name: string;
  /** A multiple of 512. */
  sizeBytes: number;
  /** Full name of a volume or `volume.suffix` of a snapshot on the same array. */
  source?: { volume: string } | { snapshot: string };
  /** Recorded on the volume where the array can (FlashArray tags; on clones from REST 2.39 on). */
  tags?: Record<string, string>;
  /** Block only: tags that somebody asked for, on clones too and whatever the release. */
  askedTags?: Record<string, string>;
  /** Block only: protection groups that it joins. */
  protectionGroups?: readonly string[];
  /** File only: rules text; absent = no client until a node is connected. */
  exportRules?: string;
  /** A clone of a file system may be in use already: it keeps the rules that it has. */
  isPublished?: boolean;
  /** File only: show `.snapshot`. */
  snapshotDirectory?: boolean;
  /** Block only. */
  qos?: { iopsLimit?: number; bandwidthLimitBytes?: number };
  /** Block only: the volume group that it is made in, if nobody has seen it there yet. */
  newGroup?: NewVolumeGroup;
}

/**
 * The array's object for a machine: a set of initiators, each of which reaches what it is connected
 * to.
 */
export interface HostObject {
  name: string;
  /** IQNs, NQNs and WWNs, as the array writes them. */
  initiators: readonly string[];
  /** Arrays by whose paths the machine goes first, by their own names; absent: none. */
  preferredArrays?: readonly string[];
  /** Absent while the array finds nothing wrong with the ways between the machine and itself. */
  paths?: "few" | "none";
}

/** Which part of a list is asked for. */
interface ListOptions {
  /** Only names that begin so. */
  prefix?: string;
  /** At most this many items; the array may give fewer. */
  limit: number;
  /** From the page before. */
  token?: string;
}

/** Which part of a list of volumes is asked for. */
export interface VolumeListOptions extends ListOptions {
  /** Fill `Volume.hosts` too. */
  hosts?: boolean;
  /** Only volumes with one of these names, in place of `prefix`: at most 50. */
  names?: readonly string[];
  /** Only volumes of this name, in whatever pod or volume group; in place of `prefix`. */
  base?: string;
}

/** Which part of a list of snapshots is asked for. */
export interface SnapshotListOptions extends ListOptions {
  /** Only the snapshots of this volume; none when it is gone. */
  volume?: string;
}

/** One part of a list. */
export interface Page<T> {
  items: T[];
  /** Absent on the last page. */
  nextToken?: string;
}

/**
 * A create that failed and surely made nothing: its request never left, or the array itself refused
 * it for a reason that lies not in the volume (role, limit, room). Another array may be tried.
 */
export class NothingMadeError extends PsoError {
  /** The reason is what this volume asks for, as its size: another one may be taken. */
  readonly isOfThisVolume: boolean;
  constructor(cause: PsoError, { isOfThisVolume }: { isOfThisVolume: boolean }) {
    super(cause.code, cause.message, { cause });
    this.isOfThisVolume = isOfThisVolume;
  }
}

/**
 * One array. Every method is safe to repeat. Errors are PsoError: `unavailable` when the
 * array did not answer in time or the outcome is unclear, `denied` when it refuses our credentials
 * or certificate, `busy` when it asks us to slow down, `exhausted` when it has no room or hits a
 * limit, and what each method names.
 */
export interface StorageArray {
  /**
   * Name for people, unique in the fleet: configured, else the array's own once known, else its
   * address.
   */
  readonly label: string;
  /** What the configuration calls it, its name or else its address: never the array's own words. */
  readonly configuredName: string;
  readonly kind: VolumeKind;
  /** `host:port` of its management endpoint. */
  readonly address: string;

  /** Why it is taken for silent: the last call got no answer in time, and none came since. */
  readonly silence?: PsoError;
  /**
   * Calls of this process that it has, or that wait for their turn there, as a multiple of those
   * that it takes at once: 1 while none waits. Absent: no more than 1.
   */
  readonly crowding?: number;

  /**
   * SHA-256 of the public key that the server at `address` proves to have now: two addresses with
   * one key lead to one machine, whatever id it gives. `undefined` over plain HTTP, and when the
   * server does not answer.
   */
  serverKey(): Promise<string | undefined>;

  /** Fresh facts; also finds out versions, ports and interfaces again. */
  status(signal?: AbortSignal): Promise<ArrayStatus>;

  /**
   * The live volume of that name; `undefined` when there is none or it is destroyed. One call (two
   * with `hosts` if it is connected).
   */
  findVolume(
    name: string,
    options?: FindOptions,
  ): Promise<Volume | undefined>;
  /**
   * What the array knows of the name, also of a volume that is destroyed and not eradicated yet;
   * `undefined` when it knows none of that name. One call.
   */
  traceVolume(name: string, signal?: AbortSignal): Promise<VolumeTrace | undefined>;
  /**
   * Creates the volume; one that bears the name already is returned as it is, and the caller
   * compares. A clone has its source's size and export rules at first: it gets its own, also when
   * an earlier call made it and was cut. `conflict` when a
   * destroyed volume holds the name, `not_found` when the source is missing, `unsupported` when the
   * array cannot clone. NothingMadeError only if no attempt of this call can have made anything.
   */
  createVolume(spec: CreateVolumeSpec, signal?: AbortSignal): Promise<Volume>;
  /**
   * Grows to at least `sizeBytes`; a volume that is as large already is left alone. `not_found`.
   */
  growVolume(name: string, sizeBytes: number, signal?: AbortSignal): Promise<Volume>;
  /**
   * Gives the volume other limits, tags or export rules. What `changes` leaves out stays as it is.
   * `not_found`, `unsupported` for what this kind of array does not have, `in_use` when a rule
   * would go by which a node may use the file system, `invalid` for rules that cannot be told from
   * the driver's own, or that an export policy overrules. A part that was done before is left
   * alone.
   */
  modifyVolume(name: string, changes: VolumeChanges, signal?: AbortSignal): Promise<void>;
  /**
   * Destroys the volume; the array keeps it recoverable for its eradication delay. True when this
   * call did it, false when there was no live volume of that name here. `in_use` when it is
   * connected to a host (block), is exported to a node that `isNode` knows or `publishedTo` names
   * (file), or has snapshots that somebody asked for: those are asked for each time, because
   * another controller or a person may have made one a moment ago. So it is for a volume that the
   * cluster did not make: when `rights` do not allow it, or any client has a rule (file). So it is
   * with `onlyTagged` for a volume without the tag.
   */
  deleteVolume(name: string, options?: DeleteOptions): Promise<boolean>;
  listVolumes(
    options: VolumeListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Volume>>;

  /** Every tag of the volume; none when it is gone, and where the array has no tags. One call. */
  tagsOf(name: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /**
   * The cluster that each of these volumes belongs to by its tag, by the volume's name in lower
   * case; volumes without the tag are left out. A FlashBlade has no tags. One call for 100 volumes.
   */
  clustersOf(
    volumes: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, string>>;

  /**
   * The group of each volume that has the tag of one, by the volume's name; empty where the array
   * has no tags, or does not let this user read them. One call for a page of tags.
   */
  groupsOf(signal?: AbortSignal): Promise<ReadonlyMap<string, string>>;

  /** The live snapshot `volume.suffix`. */
  findSnapshot(name: string, signal?: AbortSignal): Promise<Snapshot | undefined>;
  /**
   * Creates `volume.suffix`; one of that name is returned as it is. `not_found` when the volume is
   * missing.
   */
  createSnapshot(volume: string, suffix: string, signal?: AbortSignal): Promise<Snapshot>;
  /**
   * Creates `volume.suffix` of every volume, of 50 at most, at one moment of all their writes, in
   * the order of the volumes. Those of that name are returned as they are once all are there.
   * `not_found` when a volume is missing, `conflict` when only some of the snapshots are there,
   * `unsupported` when this kind of array knows no such moment. One call for new ones.
   */
  createGroupSnapshot(
    volumes: readonly string[],
    suffix: string,
    signal?: AbortSignal,
  ): Promise<Snapshot[]>;
  /**
   * Destroys; gone already is success. `in_use` when the scope does not let the cluster destroy a
   * snapshot that it did not make, or `onlyTagged` is set and its volume has no such tag.
   */
  deleteSnapshot(name: string, options?: DeleteScope): Promise<void>;
  listSnapshots(
    options: SnapshotListOptions,
    signal?: AbortSignal,
  ): Promise<Page<Snapshot>>;
  /**
   * Block only: opens what a snapshot holds, or what changed since another. `not_found` when one of
   * them is missing, `invalid` when they are of different volumes, `unsupported` for file systems.
   */
  openBlocks(query: BlocksQuery, signal: AbortSignal): Promise<SnapshotBlocks>;

  /**
   * Makes the volume reachable for the node, and for nothing that is not the node, and says how.
   * Creates or corrects the node's host object (block) or export rule (file). Connected already is
   * success with the same answer. `not_found` when the volume is missing, `in_use` when an
   * initiator of the node belongs to a host with other machines, or when another host holds an
   * exclusive volume and `preempt` is off, `conflict` when the node holds it by another protocol,
   * `unsupported` when the array does not serve the protocol to this node.
   */
  connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions,
  ): Promise<Attachment>;
  /**
   * Takes the volume away from one node, or from all: from everything that may be the node, also
   * by what it was before. Not connected is success; so is no such volume, which answers false.
   */
  disconnect(
    volume: string,
    node: NodeIdentity | "all",
    options?: NodeOptions,
  ): Promise<boolean>;
  /** Whether the volume is connected to the node now; false when there is no such volume. */
  holds(volume: string, node: NodeIdentity, options?: NodeOptions): Promise<boolean>;
  /**
   * Block only: the node that this process connected by the host object of that name, which
   * `Volume.hosts` gives; `undefined` once somebody else was seen to have changed it. No call.
   */
  nodeOf(hostName: string): NodeIdentity | undefined;
  /**
   * Block only: looks whether the host objects by which this process connected nodes hold what they
   * held then. One that does not is judged anew at the node's next connect. One list call, or none
   * while no node was connected.
   */
  lookAtHosts(signal?: AbortSignal): Promise<void>;
  /**
   * Every host object of the array, whoever made it, but those of replication partners; none for
   * files. One list call.
   */
  listHosts(signal?: AbortSignal): Promise<HostObject[]>;
  /**
   * What the array itself calls critical now, each in words for people; none when the token's role
   * may not read it. One list call.
   */
  listAlerts(signal?: AbortSignal): Promise<string[]>;
}
