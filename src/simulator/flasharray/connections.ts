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
import { liveVolume } from "./volumes.ts";
import { items } from "../list.ts";
import type { Modelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";

/** LUNs of a host: private connections are counted from 1 up. */
const MAX_LUN = 4095;

const POST_MODELLED: Modelled = {
  fields: ["lun"],
  query: ["host_names", "host_group_names", "volume_names", "volume_ids", "lun"],
};

function hostsOf(state: FlashArrayState, call: Call): HostRecord[] | undefined {
  if (csv(call.query, "host_group_names") !== undefined) {
    throw refused("Host group does not exist.", call.query.get("host_group_names"));
  }
  return csv(call.query, "host_names")?.map((name) => {
    const host = state.hostNamed(name);
    if (host === undefined) throw refused("Host does not exist.", name);
    return host;
  });
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

/** Both sides of a POST or DELETE; one of them has a single member. */
function pairsOf(state: FlashArrayState, call: Call): { host: HostRecord; volume: VolumeRecord }[] {
  const [hosts, volumes] = [hostsOf(state, call), volumesOf(state, call, { live: true })];
  if (hosts === undefined || volumes === undefined) {
    throw refused("host_names and volume_names are required.");
  }
  if (hosts.length > 1 && volumes.length > 1) {
    throw refused("Either one host or one volume can be named, not many of both.");
  }
  return hosts.flatMap((host) => volumes.map((volume) => ({ host, volume })));
}

function freeLun(state: FlashArrayState, host: HostRecord, wanted: number | undefined): number {
  const used = new Set(state.connectionsOfHost(host.name).map(({ lun }) => lun));
  if (wanted !== undefined) {
    if (wanted < 1 || wanted > MAX_LUN) {
      throw refused(`Invalid LUN: 1 to ${MAX_LUN}.`, String(wanted));
    }
    if (used.has(wanted)) throw refused("LUN is already in use.", host.name);
    return wanted;
  }
  for (let lun = 1; lun <= MAX_LUN; lun++) if (!used.has(lun)) return lun;
  throw refused("Maximum number of connections: limit reached.", host.name);
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
function requireOneKind(
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
  hosts: HostRecord[],
  ended?: ReadonlySet<ConnectionRecord>,
): void {
  state.context.plane?.block.show([...new Set(hosts)].map((host) => state.planeHost(host, ended)));
}

function postConnections(state: FlashArrayState, call: Call): Answer {
  const wanted = new Fields(call.body).integer("lun");
  const pairs = pairsOf(state, call);
  const made = state.context.store.change(() =>
    pairs.map(({ host, volume }) => {
      const key = connectionKey(host.name, volume.id);
      if (state.connections.get(key) !== undefined) {
        throw refused("Connection already exists.", volume.name);
      }
      requireOneKind(state, host, [
        ...state.connectionsOfVolume(volume.id).map((other) => state.hostNamed(other.host)),
        ...pairs.filter((pair) => pair.volume.id === volume.id).map((pair) => pair.host),
      ]);
      const connection = {
        host: host.name,
        volumeId: volume.id,
        lun: freeLun(state, host, wanted),
      };
      state.connections.set(key, connection);
      return connection;
    })
  );
  try {
    showHosts(state, pairs.map(({ host }) => host));
  } catch (error) {
    // A connection that stayed would be "already there" for whoever tries again, and lead nowhere.
    state.context.store.change(() =>
      made.forEach(({ host, volumeId }) => state.connections.delete(connectionKey(host, volumeId)))
    );
    throw error;
  }
  return items(made.map((connection) => renderConnection(state, call, connection)));
}

function deleteConnections(state: FlashArrayState, call: Call): Answer {
  const pairs = pairsOf(state, call);
  const found = pairs.map(({ host, volume }) => {
    const connection = state.connections.get(connectionKey(host.name, volume.id));
    if (connection === undefined) throw refused("Connection does not exist.", volume.name);
    return connection;
  });
  // Before the state: what is said to be cut off is.
  showHosts(state, pairs.map(({ host }) => host), new Set(found));
  state.context.store.change(() =>
    found.forEach(({ host, volumeId }) => state.connections.delete(connectionKey(host, volumeId)))
  );
  return {};
}

/**
 * The narrowest set that holds what the call asks for: never all connections for one volume or
 * host.
 */
function candidates(
  state: FlashArrayState,
  hosts: HostRecord[] | undefined,
  volumes: VolumeRecord[] | undefined,
): Iterable<ConnectionRecord> {
  if (volumes !== undefined) {
    const names = hosts === undefined
      ? undefined
      : new Set(hosts.map(({ name }) => name.toLowerCase()));
    return volumes.flatMap(({ id }) => state.connectionsOfVolume(id)).filter(({ host }) =>
      names?.has(host.toLowerCase()) ?? true
    );
  }
  return hosts?.flatMap(({ name }) => state.connectionsOfHost(name)) ?? state.connections.values();
}

function getConnections(state: FlashArrayState, call: Call): Answer {
  return state.list(call, {
    what: "Connection",
    all: () => candidates(state, hostsOf(state, call), volumesOf(state, call, { live: false })),
    keyOf: ({ host, volumeId }) => connectionKey(host, volumeId),
    render: (connection) => renderConnection(state, call, connection),
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
