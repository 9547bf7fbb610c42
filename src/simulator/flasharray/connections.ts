import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import { renderConnection } from "./render.ts";
import {
  connectionKey,
  type ConnectionRecord,
  type FlashArrayState,
  type HostRecord,
  type VolumeRecord,
} from "./state.ts";
import { remoteConnections, remoteName } from "./replication/remote.ts";
import { liveVolume } from "./volumes.ts";
import { items } from "../list.ts";
import type { Modelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";

const MAX_LUN = 4095;
const FIRST_GROUP_LUN = 254;

const POST_MODELLED: Modelled = {
  fields: ["lun"],
  query: ["host_names", "host_group_names", "volume_names", "volume_ids", "lun"],
};

/** Who is connected: a host, or a host group with all of its hosts. */
interface Holder {
  name: string;
  isGroup: boolean;
  hosts: HostRecord[];
}

function holdersOf(state: FlashArrayState, call: Call): Holder[] | undefined {
  const [hosts, groups] = [csv(call.query, "host_names"), csv(call.query, "host_group_names")];
  if (hosts !== undefined && groups !== undefined) {
    throw refused("host_names and host_group_names cannot be used together.");
  }
  return hosts?.map((name) => {
    const host = state.hostNamed(name);
    if (host === undefined) throw refused("Host does not exist.", name);
    return { name: host.name, isGroup: false, hosts: [host] };
  }) ?? groups?.map((name) => {
    const group = state.hostGroupNamed(name);
    if (group === undefined) throw refused("Host group does not exist.", name);
    return { name: group.name, isGroup: true, hosts: state.membersOf(group) };
  });
}

/** The stored connection of a holder to a volume, without its number. */
function endsOf({ name, isGroup }: Holder, volumeId: string): Omit<ConnectionRecord, "lun"> {
  return isGroup ? { host: "", group: name, volumeId } : { host: name, volumeId };
}

function volumesOf(
  state: FlashArrayState,
  call: Call,
  options: { live: boolean },
): VolumeRecord[] | undefined {
  const names = csv(call.query, "volume_names") ??
    csv(call.query, "volume_ids")?.map((id) => state.volumes.get(id)?.name ?? id);
  return names?.map((name) => {
    if (options.live) return liveVolume(state, name);
    const volume = state.volumeNamed(name);
    if (volume === undefined) throw refused("Volume does not exist.", name);
    return volume;
  });
}

interface Pair {
  holder: Holder;
  volume: VolumeRecord;
}

/** Both sides of a POST or DELETE; one of them has a single member. */
function pairsOf(state: FlashArrayState, call: Call): Pair[] {
  const [holders, volumes] = [holdersOf(state, call), volumesOf(state, call, { live: true })];
  if (holders === undefined || volumes === undefined) {
    throw refused("host_names or host_group_names, and volume_names are required.");
  }
  if (holders.length > 1 && volumes.length > 1) {
    throw refused("Either one host or one volume can be named, not many of both.");
  }
  return holders.flatMap((holder) => volumes.map((volume) => ({ holder, volume })));
}

/** The order in which numbers are given: of a host from 1 up, of a host group from 254 down. */
function lunsFor({ isGroup }: Holder): number[] {
  const up = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at);
  return isGroup
    ? [...up(1, FIRST_GROUP_LUN).reverse(), ...up(FIRST_GROUP_LUN + 1, MAX_LUN)]
    : up(1, MAX_LUN);
}

function freeLun(state: FlashArrayState, holder: Holder, wanted: number | undefined): number {
  const ofGroup = [...state.connections.values()].filter(({ group }) =>
    holder.isGroup && group === holder.name
  );
  const used = new Set(
    [...ofGroup, ...holder.hosts.flatMap(({ name }) => state.connectionsOfHost(name))]
      .map(({ lun }) => lun),
  );
  if (wanted !== undefined) {
    if (wanted < 1 || wanted > MAX_LUN) {
      throw refused(`Invalid LUN: 1 to ${MAX_LUN}.`, String(wanted));
    }
    if (used.has(wanted)) throw refused("LUN is already in use.", holder.name);
    return wanted;
  }
  const lun = lunsFor(holder).find((one) => !used.has(one));
  if (lun === undefined) {
    throw refused("Maximum number of connections: limit reached.", holder.name);
  }
  return lun;
}

/** Whether the host speaks NVMe; undefined while it has no initiator and speaks nothing. */
function isNvme({ iqns, nqns, wwns }: HostRecord): boolean | undefined {
  if (nqns.length > 0) return true;
  return iqns.length + wwns.length > 0 ? false : undefined;
}

/**
 * A volume is connected by NVMe or by SCSI, never by both; iSCSI and Fibre Channel go together. The
 * text for a host that is not NVMe is recorded from an array (kubev2v/forklift, issue 8307), the
 * other one is made after it.
 */
export function requireOneKind(
  state: FlashArrayState,
  host: HostRecord,
  connected: readonly (HostRecord | undefined)[],
): void {
  const wanted = isNvme(host);
  if (wanted === undefined) return;
  const isMixed = connected.some((other) => other && isNvme(other) === !wanted);
  if (!isMixed) return;
  const [one, other] = wanted ? ["NVME", "Non-NVME"] : ["Non-NVME", "NVME"];
  const error = refused(
    `${one} connected hgroups and hosts cannot be connected to volumes already connected to ` +
      `${other} connected hosts.`,
  );
  // As recorded: no `context`, and the array as the place.
  error.location = { resource_type: "remote-arrays", name: state.context.name, id: null };
  throw error;
}

function showHosts(
  state: FlashArrayState,
  pairs: readonly Pair[],
  ended?: ReadonlySet<string>,
): void {
  const hosts = new Set(pairs.flatMap(({ holder }) => holder.hosts));
  state.context.plane?.block.show([...hosts].map((host) => state.planeHost(host, ended)));
}

/** Refuses what a holder has already, and volumes that others have by another kind of protocol. */
function requireConnectable(
  state: FlashArrayState,
  { holder, volume }: Pair,
  pairs: readonly Pair[],
): void {
  const there = state.connectionsOfVolume(volume.id);
  const names = new Set(holder.hosts.map(({ name }) => name.toLowerCase()));
  const isThere = there.some(({ host }) => names.has(host.toLowerCase())) ||
    state.connections.get(connectionKey(endsOf(holder, volume.id))) !== undefined;
  if (isThere) throw refused("Connection already exists.", volume.name);
  const others = [
    ...there.map(({ host }) => state.hostNamed(host)),
    ...pairs.filter((pair) => pair.volume.id === volume.id).flatMap((pair) => pair.holder.hosts),
  ];
  for (const host of holder.hosts) requireOneKind(state, host, others);
}

function postConnections(state: FlashArrayState, call: Call): Answer {
  const wanted = new Fields(call.body).integer("lun");
  const pairs = pairsOf(state, call);
  const made = state.context.store.change(() =>
    pairs.map((pair): ConnectionRecord => {
      requireConnectable(state, pair, pairs);
      const { holder, volume } = pair;
      const connection = { ...endsOf(holder, volume.id), lun: freeLun(state, holder, wanted) };
      state.connections.set(connectionKey(connection), connection);
      return connection;
    })
  );
  try {
    showHosts(state, pairs);
  } catch (error) {
    // A connection that stayed would be "already there" for whoever tries again, and lead nowhere.
    state.context.store.change(() =>
      made.forEach((connection) => state.connections.delete(connectionKey(connection)))
    );
    throw error;
  }
  return items(
    made.flatMap((one) => state.rowsOf(one)).map((row) => renderConnection(state, call, row)),
  );
}

function deleteConnections(state: FlashArrayState, call: Call): Answer {
  const pairs = pairsOf(state, call);
  const found = pairs.map(({ holder, volume }) => {
    const connection = state.connections.get(connectionKey(endsOf(holder, volume.id)));
    if (connection === undefined) throw refused("Connection does not exist.", volume.name);
    return connection;
  });
  // Before the state: what is said to be cut off is.
  const ended = found.flatMap((connection) => state.rowsOf(connection)).map(connectionKey);
  showHosts(state, pairs, new Set(ended));
  state.context.store.change(() =>
    found.forEach((connection) => state.connections.delete(connectionKey(connection)))
  );
  return {};
}

function isHeldBy(holders: readonly Holder[], { host, group }: ConnectionRecord): boolean {
  return holders.some(({ name, isGroup }) =>
    (isGroup ? group : host)?.toLowerCase() === name.toLowerCase()
  );
}

/**
 * The narrowest set that holds what the call asks for: never all connections for one volume or
 * host.
 */
function candidates(
  state: FlashArrayState,
  holders: Holder[] | undefined,
  volumes: VolumeRecord[] | undefined,
): Iterable<ConnectionRecord> {
  const isAsked = (row: ConnectionRecord) => holders === undefined || isHeldBy(holders, row);
  if (volumes !== undefined) {
    return volumes.flatMap(({ id }) => state.connectionsOfVolume(id)).filter(isAsked);
  }
  return holders?.every(({ isGroup }) => !isGroup)
    ? holders.flatMap(({ name }) => state.connectionsOfHost(name))
    : state.reach().filter(isAsked);
}

function getConnections(state: FlashArrayState, call: Call): Answer {
  const [holders, volumes] = [holdersOf(state, call), volumesOf(state, call, { live: false })];
  const own = () => [...candidates(state, holders, volumes)].map((item) => ({ of: state, item }));
  // By a holder of this array nothing of another one is asked for.
  const remote = () =>
    holders === undefined ? remoteConnections(state, volumes ?? state.volumes.values()) : [];
  return state.list(call, {
    what: "Connection",
    all: () => [...own(), ...remote()],
    keyOf: ({ of, item }) =>
      of === state ? connectionKey(item) : remoteName(of, connectionKey(item)),
    render: ({ of, item }) => {
      const row = renderConnection(of, call, item);
      return of === state ? row : { ...row, host: { name: remoteName(of, item.host) } };
    },
  });
}

/** Serves /connections, one change after the other. */
export function addConnectionRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /connections", (call) => getConnections(state, call));
  routes.on("POST /connections", state.changing(POST_MODELLED, postConnections));
  routes.on(
    "DELETE /connections",
    (call) => state.turns.take(() => deleteConnections(state, call)),
  );
}
