import { KERNEL_REVISION, SIMULATED_REVISION } from "../array_server.ts";
import type { Answer, ArrayRoutes, Call } from "../call.ts";
import type { Row } from "../filter.ts";
import type { Alert } from "../conditions/conditions.ts";
import { listedAlerts } from "../conditions/listed_alerts.ts";
import { componentRows } from "../conditions/component_rows.ts";
import { COMPONENTS } from "./components.ts";
import { arrayServer } from "./export_table.ts";
import { listedFileSystems, listOf } from "./file_systems.ts";
import { fixedId, NO_REFERENCE, spaceRow, withContext } from "./render.ts";
import { serverReference } from "./servers.ts";
import type { FileSystemRecord, FlashBladeState } from "./state.ts";
import type { Listed } from "../list.ts";
import { refused } from "../rest_error.ts";
import {
  ARRAY_RESOLUTIONS,
  OBJECT_RESOLUTIONS,
  PerformanceHistory,
} from "../performance/history.ts";
import { sampled } from "../performance/samples.ts";
import { type Rates, sumOf } from "../performance/write_meter.ts";

/** A Purity//FB release that served REST 2.28. */
const FLASHBLADE_VERSION = "4.8.0";
/** Service time that a lightly loaded array shows. */
const WRITE_USEC = 900;
const SPACE_TYPES = ["array", "file-system", "object-store"];
/** What is measured of a protocol that nobody uses. */
const NOTHING = { key: "nothing", bytes: 0 };
const PROTOCOLS = ["all", "http", "smb", "nfs", "s3"];

interface BuiltIn {
  id: string;
  name: string;
  row: Row;
}

/** Objects that nobody creates or destroys. */
function builtIn(what: string, all: BuiltIn[]): Listed<BuiltIn> {
  return {
    what,
    all: () => all,
    byName: (name) => all.find((one) => one.name.toLowerCase() === name.toLowerCase()),
    byId: (id) => all.find((one) => one.id === id),
    keyOf: ({ name }) => name,
    render: ({ row }) => row,
  };
}

/**
 * One interface for management and one with the service `data`, in one subnet each. Addresses for
 * documentation (RFC 5737), but for the kernel plane's.
 */
function network(
  state: FlashBladeState,
  call: Call,
): { interfaces: BuiltIn[]; subnets: BuiltIn[] } {
  const [portal] = state.context.plane?.portals ?? [];
  const places = [
    {
      name: "mgmt0",
      subnet: "management",
      service: "management",
      net: "192.0.2",
      host: 60,
      mtu: 1500,
    },
    { name: "data1", subnet: "data", service: "data", net: "198.51.100", host: 60, mtu: 9000 },
  ];
  const interfaces = places.map(({ name, subnet, service, net, host, mtu }, at): BuiltIn => {
    const id = fixedId(state, 1 + at);
    const row = {
      id,
      name,
      address: service === "data" && portal !== undefined ? portal : `${net}.${host}`,
      enabled: true,
      gateway: `${net}.1`,
      mtu,
      netmask: "255.255.255.0",
      services: [service],
      subnet: { id: fixedId(state, 101 + at), name: subnet, resource_type: "subnets" },
      type: "vip",
      vlan: 0,
      ...(call.minor >= 16
        ? { attached_servers: service === "data" ? [serverReference(arrayServer(state))] : [] }
        : {}),
      ...(call.minor >= 19 ? { realms: [] } : {}),
      ...(call.minor >= 28 ? { rdma_enabled: false } : {}),
    };
    return { id, name, row };
  });
  const subnets = places.map(({ name, subnet, service, net, mtu }, at): BuiltIn => {
    const id = fixedId(state, 101 + at);
    const row = {
      id,
      name: subnet,
      enabled: true,
      gateway: `${net}.1`,
      interfaces: [{ id: fixedId(state, 1 + at), name, resource_type: "network-interfaces" }],
      link_aggregation_group: NO_REFERENCE,
      mtu,
      prefix: `${net}.0/24`,
      services: [service],
      vlan: 0,
    };
    return { id, name: subnet, row };
  });
  return { interfaces, subnets };
}

function arrayRow(state: FlashBladeState, call: Call): Row {
  return {
    id: state.context.id,
    name: state.context.name,
    _as_of: state.context.clock.now(),
    banner: null,
    encryption: {
      data_at_rest: { algorithms: ["AES-256-CTR"], enabled: true, entropy_source: null },
    },
    eradication_config: {
      eradication_delay: state.eradication.delayMs,
      manual_eradication: state.eradication.isManual ? "all-enabled" : "all-disabled",
    },
    idle_timeout: 1_800_000,
    ntp_servers: [],
    os: "Purity//FB",
    product_type: "FlashBlade//S",
    // How a client knows the simulator: a FlashBlade has no banner of its own making before login.
    revision: state.context.plane?.portals === undefined ? SIMULATED_REVISION : KERNEL_REVISION,
    security_update: null,
    smb_mode: "native",
    time_zone: "UTC",
    version: FLASHBLADE_VERSION,
    ...(call.minor >= 17
      ? { default_inbound_tls_policy: NO_REFERENCE, network_access_policy: NO_REFERENCE }
      : {}),
    ...withContext(state, call),
  };
}

function arraySpace(state: FlashBladeState, call: Call): Row {
  const used = state.usedBytes(call);
  let [provisioned, virtual, snapshots, destroyed] = [0, 0, 0, 0];
  for (const fileSystem of state.fileSystems.values()) {
    provisioned += fileSystem.provisioned ?? 0;
    const written = state.writtenBytes(fileSystem);
    virtual += written;
    snapshots += state.snapshotBytes(fileSystem.id);
    if (fileSystem.destroyedMs !== null) destroyed += written;
  }
  const row = spaceRow(call, {
    provisioned,
    virtual,
    unique: Math.max(0, used - snapshots),
    snapshots,
    destroyed,
  });
  return { ...row, available_provisioned: null, available_ratio: null };
}

/** Space of what the array does not hold: no object store is served. */
function noSpace(call: Call): Row {
  const row = spaceRow(call, { provisioned: 0, virtual: 0, unique: 0, snapshots: 0 });
  return { ...row, available_provisioned: null, available_ratio: null };
}

/** The array itself as a list of one. */
function self(state: FlashBladeState, call: Call, row: () => Row): Answer {
  const { id, name } = state.context;
  return listOf(state, call, { ...builtIn("Array", [{ id, name, row: {} }]), render: row });
}

function parameter(call: Call, name: string, allowed: string[]): string {
  const value = (call.query.get(name) ?? "").toLowerCase();
  if (value !== "" && !allowed.includes(value)) {
    throw refused(`Invalid value for ${name}: expected ${allowed.join(", ")}.`, value);
  }
  return value === "" ? allowed[0] ?? "" : value;
}

/**
 * A performance sample: writes as the stored bytes show them, nothing else is seen by the
 * simulator.
 */
function performanceRow(rates: Rates): Row {
  const { writesPerSec, writeBytesPerSec } = rates;
  const bytesPerWrite = writesPerSec === 0 ? 0 : Math.round(writeBytesPerSec / writesPerSec);
  return {
    bytes_per_op: bytesPerWrite,
    bytes_per_read: 0,
    bytes_per_write: bytesPerWrite,
    others_per_sec: 0,
    read_bytes_per_sec: 0,
    reads_per_sec: 0,
    usec_per_other_op: 0,
    usec_per_read_op: 0,
    usec_per_write_op: writesPerSec === 0 ? 0 : WRITE_USEC,
    write_bytes_per_sec: writeBytesPerSec,
    writes_per_sec: writesPerSec,
  };
}

function alertsOf({ context }: FlashBladeState, { minor }: Call): Listed<Alert> {
  return listedAlerts(context, ({ closedMs, createdMs, number }) => ({
    action: null,
    ...(minor >= 20 ? { duration: (closedMs ?? context.clock.now()) - createdMs } : {}),
    index: number,
    variables: {},
  }));
}

/**
 * What the array is rather than what it holds: /arrays, /network-interfaces, /subnets, /alerts, and
 * all performance.
 */
export function addBladeHardwareRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  const history = new PerformanceHistory(state.context.clock);
  const isServed = (call: Call) => ["all", "nfs"].includes(parameter(call, "protocol", PROTOCOLS));
  const { clock, id, name } = state.context;
  routes.on("GET /arrays", (call) => self(state, call, () => arrayRow(state, call)));
  routes.on("GET /arrays/space", (call) => {
    const type = parameter(call, "type", SPACE_TYPES);
    const row = () => ({
      id,
      name,
      capacity: state.capacityBytes,
      parity: 1,
      space: type === "object-store" ? noSpace(call) : arraySpace(state, call),
      time: clock.now(),
      ...withContext(state, call),
    });
    return self(state, call, row);
  });
  routes.on("GET /arrays/performance", (call) => {
    const served = isServed(call);
    // What else the array serves, nobody uses here.
    const array = served ? { key: "array", bytes: state.usedBytes() } : NOTHING;
    return listOf(
      state,
      call,
      sampled(builtIn("Array", [{ id, name, row: {} }]), {
        moments: () => history.moments(call, array, ARRAY_RESOLUTIONS),
        render: (_, { time, rates }) => ({
          ...{ id, name, time },
          ...performanceRow(rates),
          ...withContext(state, call),
        }),
      }),
    );
  });
  routes.on("GET /file-systems/performance", (call) => {
    const served = isServed(call);
    const measured = (fileSystem: FileSystemRecord) =>
      served ? { key: fileSystem.id, bytes: state.writtenBytes(fileSystem) } : NOTHING;
    return listOf(
      state,
      call,
      sampled(listedFileSystems(state, call), {
        moments: (fileSystem) => history.moments(call, measured(fileSystem), OBJECT_RESOLUTIONS),
        render: ({ id, name }, { time, rates }) => ({ id, name, time, ...performanceRow(rates) }),
        total: (found) => ({
          id: null,
          name: null,
          time: clock.now(),
          ...performanceRow(sumOf(found.map((one) => history.rates(measured(one))))),
        }),
      }),
    );
  });
  routes.on(
    "GET /network-interfaces",
    (call) => listOf(state, call, builtIn("Network interface", network(state, call).interfaces)),
  );
  routes.on(
    "GET /subnets",
    (call) => listOf(state, call, builtIn("Subnet", network(state, call).subnets)),
  );
  routes.on("GET /hardware", (call) => {
    const all = componentRows(COMPONENTS, "part_number").map(({ name, row }, at): BuiltIn => {
      const id = fixedId(state, 201 + at);
      return { id, name, row: { id, ...row } };
    });
    return listOf(state, call, builtIn("Hardware", all));
  });
  routes.on("GET /alerts", (call) => listOf(state, call, alertsOf(state, call)));
}
