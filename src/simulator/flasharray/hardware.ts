import { printHostPort } from "../../net/address.ts";
import { KERNEL_BANNER, SIMULATED_BANNER } from "../array_server.ts";
import type { ArrayRoutes, Call } from "../call.ts";
import type { Row } from "../filter.ts";
import { componentRows } from "./components.ts";
import { laterSpace } from "./render.ts";
import type { FlashArrayState, VolumeRecord } from "./state.ts";
import { listedVolumes } from "./volumes.ts";
import type { Listed } from "../list.ts";
import { targetNames } from "../target_names.ts";
import { type Rates, sumOf, WriteMeter } from "../write_meter.ts";

/** A Purity release that served REST 2.38. */
const FLASHARRAY_VERSION = "6.8.2";
const MODEL = "FA-X20R4";
const SPEED_BITS = 25_000_000_000;

interface EthPort {
  controller: 0 | 1;
  name: string;
  service: "iscsi" | "nvme-tcp";
  address: string;
}

/**
 * Addresses for documentation (RFC 5737): nothing answers there, the local plane needs no portal.
 */
const NO_ADDRESS = "192.0.2.";

/**
 * On the local plane two controllers, each with two iSCSI ports and one NVMe/TCP port; on the
 * kernel plane one of each for every portal.
 */
function ethPorts({ context: { plane } }: FlashArrayState): EthPort[] {
  const port = (
    at: number,
    name: string,
    service: EthPort["service"],
    address: string,
  ): EthPort => ({
    controller: at % 2 === 0 ? 0 : 1,
    ...{ name, service, address },
  });
  if (plane?.portals !== undefined) {
    return plane.portals.flatMap((address, at) => {
      const row = Math.floor(at / 2);
      return [
        port(at, `ETH${4 + 2 * row}`, "iscsi", address),
        port(at, `ETH${5 + 2 * row}`, "nvme-tcp", address),
      ];
    });
  }
  return [0, 1].flatMap((at) => [
    port(at, "ETH4", "iscsi", `${NO_ADDRESS}${10 + 3 * at}`),
    port(at, "ETH5", "iscsi", `${NO_ADDRESS}${11 + 3 * at}`),
    port(at, "ETH6", "nvme-tcp", `${NO_ADDRESS}${12 + 3 * at}`),
  ]);
}

/** One FC port for each controller; the kernel plane has none that anybody could reach. */
function fcPorts(state: FlashArrayState): { name: string; wwn: string }[] {
  if (state.context.plane?.portals !== undefined) return [];
  return [0, 1].map((number) => ({ name: `CT${number}.FC0`, wwn: colons(wwnOf(state, number)) }));
}

function wwnOf(state: FlashArrayState, controller: number): string {
  const unique = state.context.id.replaceAll("-", "").slice(0, 9);
  return `524A937${unique}`.toUpperCase().slice(0, 15) + String(controller);
}

function colons(wwn: string): string {
  return wwn.match(/../g)?.join(":") ?? wwn;
}

interface Named {
  name: string;
  row: Row;
}

/** Built-in objects, which nobody creates or destroys. */
function builtIn(what: string, all: Named[]): Listed<Named> {
  return {
    what,
    all: () => all,
    byName: (name) => all.find((one) => one.name.toLowerCase() === name.toLowerCase()),
    keyOf: ({ name }) => name,
    render: ({ row }) => row,
  };
}

function controllers(): Named[] {
  return ["primary", "secondary"].map((mode, number) => {
    const name = `CT${number}`;
    return {
      name,
      row: {
        name,
        mode,
        model: MODEL,
        status: "ready",
        type: "array_controller",
        version: FLASHARRAY_VERSION,
      },
    };
  });
}

function ports(state: FlashArrayState): Named[] {
  const { iqn, nqn } = targetNames(state.context.id);
  const nothing = { iqn: null, nqn: null, portal: null, wwn: null, failover: null };
  const eth = ethPorts(state).map(({ controller, name: port, service, address }): Named => {
    const name = `CT${controller}.${port}`;
    return {
      name,
      row: {
        name,
        ...nothing,
        ...(service === "iscsi"
          ? { iqn, portal: printHostPort({ host: address, port: 3260 }) }
          : { nqn, portal: printHostPort({ host: address, port: 4420 }) }),
      },
    };
  });
  return [
    ...eth,
    ...fcPorts(state).map(({ name, wwn }): Named => ({ name, row: { name, ...nothing, wwn } })),
  ];
}

/** Pure's vendor part, and the end of the address. */
function macOf(address: string): string {
  const bytes = address.includes(".")
    ? address.split(".").slice(-3).map(Number)
    : [...new TextEncoder().encode(address)].slice(-3);
  return ["24:a9:37", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

interface EthOptions {
  address: string;
  services: string[];
  subtype: string;
}

function ethInterface(name: string, options: EthOptions): Named {
  const eth = {
    address: options.address,
    gateway: "192.0.2.1",
    mac_address: macOf(options.address),
    mtu: options.services.includes("management") ? 1500 : 9000,
    netmask: "255.255.255.0",
    subinterfaces: [],
    subnet: { name: null },
    subtype: options.subtype,
    vlan: null,
  };
  const row = {
    name,
    enabled: true,
    eth,
    fc: { wwn: null },
    interface_type: "eth",
    services: options.services,
    speed: SPEED_BITS,
  };
  return { name, row };
}

function networkInterfaces(state: FlashArrayState): Named[] {
  const noEth = {
    address: null,
    gateway: null,
    mac_address: null,
    mtu: null,
    netmask: null,
    subinterfaces: [],
    subnet: { name: null },
    subtype: null,
    vlan: null,
  };
  return [
    ethInterface("vir0", { address: "192.0.2.2", services: ["management"], subtype: "vif" }),
    ethInterface("ct0.eth0", {
      address: "192.0.2.3",
      services: ["management"],
      subtype: "physical",
    }),
    ethInterface("ct1.eth0", {
      address: "192.0.2.4",
      services: ["management"],
      subtype: "physical",
    }),
    ...ethPorts(state).map(({ controller, name, service, address }) =>
      ethInterface(`ct${controller}.${name.toLowerCase()}`, {
        address,
        services: [service],
        subtype: "physical",
      })
    ),
    ...fcPorts(state).map(({ name, wwn }): Named => {
      const row = {
        name,
        enabled: true,
        eth: noEth,
        fc: { wwn },
        interface_type: "fc",
        services: ["scsi-fc"],
        speed: 32_000_000_000,
      };
      return { name, row };
    }),
  ];
}

/** Space of the whole array: physical bytes are those that the images occupy. */
function arraySpace(state: FlashArrayState, call: Call): Row {
  const used = state.usedBytes(call);
  let snapshots = 0;
  for (const { id } of state.snapshots.values()) snapshots += state.storedBytes().get(id) ?? 0;
  let provisioned = 0;
  for (const volume of state.volumes.values()) {
    if (volume.destroyedMs === null) provisioned += volume.provisioned;
  }
  return {
    data_reduction: 1,
    replication: 0,
    shared: 0,
    snapshots,
    system: 0,
    thin_provisioning: provisioned === 0 ? 0 : Math.max(0, 1 - used / provisioned),
    total_physical: used,
    // null at array level on real arrays.
    total_provisioned: null,
    total_reduction: 1,
    unique: used - snapshots,
    virtual: used,
    ...laterSpace(call, { provisioned, used }),
  };
}

function arrayRow(state: FlashArrayState, call: Call): Row {
  const { delayMs, isManual } = state.eradication;
  return {
    id: state.context.id,
    name: state.context.name,
    banner: state.context.plane?.portals === undefined ? SIMULATED_BANNER : KERNEL_BANNER,
    capacity: state.capacityBytes,
    console_lock_enabled: false,
    encryption: {
      data_at_rest: { algorithm: "AES-256-CTR", enabled: true },
      module_version: "FA-1.4",
    },
    eradication_config: {
      eradication_delay: delayMs,
      ...(call.minor >= 26 ? { disabled_delay: delayMs, enabled_delay: delayMs } : {}),
      manual_eradication: isManual ? "all-enabled" : "all-disabled",
    },
    idle_timeout: 1_800_000,
    ntp_servers: [],
    os: "Purity//FA",
    parity: 1,
    scsi_timeout: 60_000,
    space: arraySpace(state, call),
    version: FLASHARRAY_VERSION,
    ...(call.minor >= 26 ? { _as_of: state.context.clock.now(), time_zone: "UTC" } : {}),
  };
}

/** The array itself as a list of one. */
function self(state: FlashArrayState, row: () => Row): Listed<Named> {
  const { name } = state.context;
  return { ...builtIn("Array", [{ name, row: {} }]), render: row };
}

/** Fields of a performance sample beside those that move. */
function performanceRow(rates: Rates): Row {
  const { writesPerSec, writeBytesPerSec } = rates;
  const bytesPerWrite = writesPerSec === 0 ? 0 : Math.round(writeBytesPerSec / writesPerSec);
  const usec = writesPerSec === 0 ? 0 : WRITE_USEC;
  const zeroes = Object.fromEntries(ZERO_FIELDS.map((field) => [field, 0]));
  return {
    ...zeroes,
    writes_per_sec: writesPerSec,
    write_bytes_per_sec: writeBytesPerSec,
    bytes_per_write: bytesPerWrite,
    bytes_per_op: bytesPerWrite,
    usec_per_write_op: usec,
    san_usec_per_write_op: 0,
    service_usec_per_write_op: usec,
  };
}

/**
 * Fields that only the array's own samples have; volumes have none of the first two, and the others
 * from 2.52 on.
 */
const ARRAY_ONLY = { queue_depth: null, local_queue_usec_per_op: null };

function volumePerformanceRow({ minor }: Call, rates: Rates): Row {
  const { others_per_sec, usec_per_other_op, ...shown } = performanceRow(rates);
  return minor >= 52 ? { ...shown, others_per_sec, usec_per_other_op } : shown;
}

/** Service time that a lightly loaded array shows. */
const WRITE_USEC = 250;
const ZERO_FIELDS = [
  "reads_per_sec",
  "others_per_sec",
  "mirrored_writes_per_sec",
  "read_bytes_per_sec",
  "mirrored_write_bytes_per_sec",
  "usec_per_read_op",
  "usec_per_mirrored_write_op",
  "usec_per_other_op",
  "san_usec_per_read_op",
  "san_usec_per_mirrored_write_op",
  "service_usec_per_read_op",
  "service_usec_per_mirrored_write_op",
  "queue_usec_per_read_op",
  "queue_usec_per_write_op",
  "queue_usec_per_mirrored_write_op",
  "qos_rate_limit_usec_per_read_op",
  "qos_rate_limit_usec_per_write_op",
  "qos_rate_limit_usec_per_mirrored_write_op",
  "bytes_per_read",
  "bytes_per_mirrored_write",
];

/**
 * What the array is rather than what it holds: /arrays, /controllers, /hardware, /ports, /network-interfaces,
 * /alerts, and all performance.
 */
export function addHardwareRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const meter = new WriteMeter();
  const { clock, id, name } = state.context;
  routes.on("GET /arrays", (call) => state.list(call, self(state, () => arrayRow(state, call))), {
    since: 2,
  });
  routes.on("GET /arrays/space", (call) => {
    const row = () => ({
      id,
      name,
      capacity: state.capacityBytes,
      parity: 1,
      space: arraySpace(state, call),
      time: clock.now(),
    });
    return state.list(call, self(state, row));
  }, { since: 2 });
  routes.on("GET /arrays/performance", (call) => {
    const row = () => ({
      id,
      name,
      time: clock.now(),
      ...performanceRow(meter.rates("array", state.usedBytes())),
      ...ARRAY_ONLY,
    });
    return state.list(call, self(state, row));
  }, { since: 2 });
  const ratesOf = ({ id }: VolumeRecord) =>
    meter.rates(id, state.context.plane?.images.allocatedBytes(id) ?? 0);
  routes.on("GET /volumes/performance", (call) => {
    const sample = (of: { id: string | null; name: string | null }, rates: Rates) => ({
      id: of.id,
      name: of.name,
      time: clock.now(),
      ...volumePerformanceRow(call, rates),
    });
    return state.list(call, {
      ...listedVolumes(state, call),
      total: {
        always: true,
        of: (volumes) => sample({ id: null, name: null }, sumOf(volumes.map(ratesOf))),
      },
      render: (volume) => sample(volume, ratesOf(volume)),
    });
  });
  routes.on("GET /controllers", (call) => state.list(call, builtIn("Controller", controllers())), {
    since: 2,
  });
  routes.on("GET /hardware", (call) => state.list(call, builtIn("Hardware", componentRows())), {
    since: 2,
  });
  routes.on("GET /ports", (call) => state.list(call, builtIn("Port", ports(state))), { since: 2 });
  routes.on(
    "GET /network-interfaces",
    (call) => state.list(call, builtIn("Network interface", networkInterfaces(state))),
    { since: 4 },
  );
  routes.on("GET /alerts", (call) => state.list(call, builtIn("Alert", [])), { since: 2 });
}
