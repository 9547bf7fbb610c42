import { timeRemaining } from "../array_context.ts";
import type { Call } from "../call.ts";
import type { Row } from "../filter.ts";
import type {
  ConnectionRecord,
  FlashArrayState,
  HostGroupRecord,
  HostRecord,
  SnapshotRecord,
  VolumeRecord,
} from "./state.ts";

/** An unset reference is an object with null members, never null. */
const NO_REFERENCE = { name: null, id: null };

/** A reference to an object, or the one of none. */
export function referenceTo(object: { id: string; name: string } | undefined): Row {
  return object === undefined ? NO_REFERENCE : { name: object.name, id: object.id };
}

/** Newer Purity names the array in each item (`context`, from REST 2.38 on). */
export function withContext(state: FlashArrayState, call: Call): Row {
  return call.minor >= 38 ? { context: { name: state.context.name, id: state.context.id } } : {};
}

/** Bytes that space() reports. */
interface Sizes {
  provisioned: number;
  /** Stored for the object itself. */
  unique: number;
  /** Stored for its snapshots. */
  snapshots: number;
  /** What it holds, shared or not. */
  virtual: number;
}

/** `space` of an object as the array reports it: without data reduction but that of copies. */
function space(call: Call, sizes: Sizes): Row {
  const { provisioned, unique, snapshots, virtual } = sizes;
  return {
    data_reduction: 1,
    shared: null,
    snapshots,
    system: null,
    thin_provisioning: provisioned === 0 ? 0 : Math.max(0, 1 - unique / provisioned),
    total_physical: unique + snapshots,
    total_provisioned: provisioned,
    total_reduction: 1,
    unique,
    virtual,
    ...laterSpace(call, { provisioned, used: unique + snapshots }),
  };
}

/**
 * Figures of `space` that later versions add: `used_provisioned` from REST 2.23, `total_used` from
 * 2.26, `footprint` from 2.34 on (OpenAPI files of 2.16 and 2.26, models of the vendor's Python
 * SDK).
 */
export function laterSpace(
  { minor }: Call,
  { provisioned, used }: { provisioned: number; used: number },
): Row {
  return {
    ...(minor >= 23 ? { used_provisioned: provisioned } : {}),
    ...(minor >= 26 ? { total_used: used } : {}),
    ...(minor >= 34 ? { footprint: used } : {}),
  };
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

/** Space of one volume; `virtual` is above 0 as soon as anything was written. */
export function volumeSpace(state: FlashArrayState, call: Call, volume: VolumeRecord): Row {
  const virtual = state.context.plane?.images.allocatedBytes(volume.id) ?? 0;
  const [snapshots, isCopy] = [state.snapshotsOf(volume.id), volume.copiedFrom !== undefined];
  // Only where something may be shared are all images looked at.
  const stored = isCopy || snapshots.length > 0 ? state.storedBytes() : new Map<string, number>();
  return space(call, {
    provisioned: volume.provisioned,
    unique: isCopy ? stored.get(volume.id) ?? 0 : virtual,
    snapshots: sum(snapshots.map(({ id }) => stored.get(id) ?? 0)),
    virtual,
  });
}

/** Space of one snapshot of a volume, or of those that were taken together. */
export function snapshotSpace(
  state: FlashArrayState,
  call: Call,
  snapshots: readonly SnapshotRecord[],
): Row {
  const bytes = sum(
    snapshots.map(({ id }) => state.context.plane?.images.allocatedBytes(id) ?? 0),
  );
  const provisioned = sum(snapshots.map((snapshot) => snapshot.provisioned));
  const stored = sum(snapshots.map(({ id }) => state.storedBytes().get(id) ?? 0));
  return {
    ...space(call, { provisioned, unique: stored, snapshots: 0, virtual: bytes }),
    snapshots: stored,
    thin_provisioning: provisioned === 0 ? 0 : Math.max(0, 1 - bytes / provisioned),
  };
}

/**
 * Sums over volumes, from figures that may be a moment old: a list of 10,000 must not look at each
 * image twice.
 */
export function volumesTotal(
  state: FlashArrayState,
  call: Call,
  volumes: VolumeRecord[],
): Row & { space: Row } {
  const allocated = state.context.plane?.images.allocated() ?? new Map<string, number>();
  const stored = state.storedBytes();
  return {
    id: null,
    name: null,
    provisioned: sum(volumes.map(({ provisioned }) => provisioned)),
    space: space(call, {
      provisioned: sum(volumes.map(({ provisioned }) => provisioned)),
      unique: sum(volumes.map(({ id }) => stored.get(id) ?? 0)),
      virtual: sum(volumes.map(({ id }) => allocated.get(id) ?? 0)),
      snapshots: sum(
        volumes.map(({ id }) =>
          sum(state.snapshotsOf(id).map((snapshot) => stored.get(snapshot.id) ?? 0))
        ),
      ),
    }),
  };
}

/** What versions after 2.2 add to a volume. */
function laterVolume({ minor }: Call, { priority: { operator, value } }: VolumeRecord): Row {
  const adjustment = { priority_adjustment_operator: operator, priority_adjustment_value: value };
  return {
    ...(minor >= 10
      ? { priority: operator === "-" ? -value : value, priority_adjustment: adjustment }
      : {}),
    ...(minor >= 33 ? { protocol_endpoint: { container_version: null } } : {}),
  };
}

/** A volume as GET /volumes shows it. `space` is computed only when it is read. */
export function renderVolume(state: FlashArrayState, call: Call, volume: VolumeRecord): Row {
  const { source } = volume;
  return {
    id: volume.id,
    name: volume.name,
    connection_count: state.connectionsOfVolume(volume.id).length,
    created: volume.createdMs,
    destroyed: volume.destroyedMs !== null,
    host_encryption_key_status: "none",
    provisioned: volume.provisioned,
    qos: { bandwidth_limit: volume.qos.bandwidthLimit, iops_limit: volume.qos.iopsLimit },
    serial: volume.serial,
    get space() {
      return volumeSpace(state, call, volume);
    },
    time_remaining: timeRemaining(state, volume.destroyedMs),
    pod: referenceTo(state.containers.podOf(volume.name)),
    source: source === null
      ? NO_REFERENCE
      : { name: state.volumes.get(source.id)?.name ?? source.name, id: source.id },
    subtype: "regular",
    volume_group: referenceTo(state.containers.groupOf(volume.name)),
    promotion_status: "promoted",
    requested_promotion_state: "promoted",
    ...laterVolume(call, volume),
    ...withContext(state, call),
  };
}

/** A snapshot as GET /volume-snapshots shows it. */
export function renderSnapshot(state: FlashArrayState, call: Call, snapshot: SnapshotRecord): Row {
  const volume = state.volumes.get(snapshot.volumeId);
  return {
    id: snapshot.id,
    name: state.snapshotName(snapshot),
    created: snapshot.createdMs,
    destroyed: snapshot.destroyedMs !== null,
    pod: referenceTo(volume && state.containers.podOf(volume.name)),
    provisioned: snapshot.provisioned,
    serial: snapshot.serial,
    source: { name: volume?.name ?? null, id: snapshot.volumeId },
    get space() {
      return snapshotSpace(state, call, [snapshot]);
    },
    suffix: snapshot.suffix,
    time_remaining: timeRemaining(state, snapshot.destroyedMs),
    volume_group: referenceTo(volume && state.containers.groupOf(volume.name)),
    ...withContext(state, call),
  };
}

/** The group's name as it is now written, or null for none. */
function groupNameOf(state: FlashArrayState, group: string | undefined): string | null {
  return group === undefined ? null : state.hostGroupNamed(group)?.name ?? group;
}

/** A host group as GET /host-groups shows it. */
export function renderHostGroup(
  state: FlashArrayState,
  call: Call,
  { name }: HostGroupRecord,
): Row {
  const ids = new Set(
    state.reach().filter(({ group }) => group?.toLowerCase() === name.toLowerCase())
      .map(({ volumeId }) => volumeId),
  );
  const volumes = [...ids].flatMap((id) => state.volumes.get(id) ?? []);
  return {
    name,
    connection_count: volumes.length,
    host_count: state.membersOf({ name }).length,
    is_local: true,
    space: volumesTotal(state, call, volumes).space,
    ...withContext(state, call),
  };
}

/** One host in its group, as the lists of members show it. */
export function renderMember(state: FlashArrayState, call: Call, host: HostRecord): Row {
  return {
    group: { name: groupNameOf(state, host.group) },
    member: { name: host.name },
    ...withContext(state, call),
  };
}

/** A secret that is set reads back masked. */
function masked(secret: string | null): string | null {
  return secret === null ? null : "****";
}

/** How hosts reach the array: by ports of both controllers, or of the one that is ready. */
function connectivityOf(
  { context: { name, conditions } }: FlashArrayState,
  hasInitiators: boolean,
): Row {
  if (!hasInitiators) return { details: "None", status: "critical" };
  return conditions?.areReady(name) ?? true
    ? { details: "Redundant", status: "healthy" }
    : { details: "Single Controller", status: "unhealthy" };
}

/** A host as GET /hosts shows it, its CHAP passwords masked. */
export function renderHost(state: FlashArrayState, call: Call, host: HostRecord): Row {
  const { chap } = host;
  const hasInitiators = host.iqns.length + host.nqns.length + host.wwns.length > 0;
  return {
    name: host.name,
    chap: {
      host_user: chap.hostUser,
      host_password: masked(chap.hostPassword),
      target_user: chap.targetUser,
      target_password: masked(chap.targetPassword),
    },
    connection_count: state.connectionsOfHost(host.name).length,
    host_group: { name: groupNameOf(state, host.group) },
    iqns: host.iqns,
    is_local: true,
    nqns: host.nqns,
    wwns: host.wwns,
    personality: host.personality,
    port_connectivity: connectivityOf(state, hasInitiators),
    preferred_arrays: host.preferredArrays ?? [],
    get space() {
      const volumes = state.connectionsOfHost(host.name).flatMap(({ volumeId }) =>
        state.volumes.get(volumeId) ?? []
      );
      return volumesTotal(state, call, volumes).space;
    },
    ...(call.minor >= 16 ? { vlan: host.vlan } : {}),
    ...withContext(state, call),
  };
}

/**
 * A connection as GET /connections shows it. From REST 2.27 on an NVMe host has the namespace id in
 * `nsid`; before that it was in `lun`.
 */
export function renderConnection(
  state: FlashArrayState,
  call: Call,
  connection: ConnectionRecord,
): Row {
  const host = connection.host === "" ? undefined : state.hostNamed(connection.host);
  const volume = state.volumes.get(connection.volumeId);
  const hasNsid = call.minor >= 27 && (host?.nqns.length ?? 0) > 0;
  return {
    host: { name: host?.name ?? null },
    host_group: { name: groupNameOf(state, connection.group) },
    lun: hasNsid ? null : connection.lun,
    ...(call.minor >= 27 ? { nsid: hasNsid ? connection.lun : null } : {}),
    protocol_endpoint: NO_REFERENCE,
    volume: { id: connection.volumeId, name: volume?.name ?? null },
    ...withContext(state, call),
  };
}
