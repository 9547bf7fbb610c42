import { KERNEL_BANNER, SIMULATED_BANNER } from "../../array_server.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../../call.ts";
import type { Row } from "../../filter.ts";
import type { Listed } from "../../list.ts";
import { componentRows } from "../../conditions/component_rows.ts";
import { laterSpace } from "../render.ts";
import type { FlashArrayState } from "../state.ts";
import { addAlertRoutes } from "./alerts.ts";
import { builtIn, type Named } from "./built_in.ts";
import { COMPONENTS } from "./components.ts";
import { addPerformanceRoutes } from "./performance.ts";
import { interfaceRows, portRows } from "./ports.ts";
import { addSettingRoutes } from "./settings.ts";

/** A Purity release that served REST 2.38; no public paper tells which one came with 2.56. */
const FLASHARRAY_VERSION = "6.8.2";
const MODEL = "FA-X20R4";

/** Both controllers, in their modes since `sinceMs`. */
function controllers(state: FlashArrayState, at: { call: Call; sinceMs: number }): Named[] {
  const { name: array, conditions } = state.context;
  return ["primary", "secondary"].map((mode, number) => {
    const name = `CT${number}`;
    return {
      name,
      row: {
        name,
        mode,
        ...(at.call.minor >= 30 ? { mode_since: at.sinceMs } : {}),
        model: MODEL,
        status: conditions?.controllerStatus(array, name) ?? "ready",
        type: "array_controller",
        version: FLASHARRAY_VERSION,
      },
    };
  });
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

/**
 * An interface that is no port for hosts has no row and is no error: Cinder asks for the port of
 * each virtual interface of the array, and does so of real ones.
 */
function listPorts(state: FlashArrayState, call: Call): Answer {
  const rows = portRows(state);
  const has = (all: Named[], name: string) =>
    all.some((one) => one.name.toLowerCase() === name.toLowerCase());
  const names = csv(call.query, "names") ?? [];
  const others = names.filter((name) => !has(rows, name) && has(interfaceRows(state), name));
  if (others.length === 0) return state.list(call, builtIn("Port", rows));
  const query = new URLSearchParams(call.query);
  const left = names.filter((name) => !others.includes(name));
  if (left.length > 0) query.set("names", left.join());
  else query.delete("names");
  return state.list({ ...call, query }, builtIn("Port", left.length > 0 ? rows : []));
}

/**
 * What the array is rather than what it holds: /arrays, /controllers, /hardware, /ports,
 * /network-interfaces, /alerts, and all performance.
 */
export function addHardwareRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const { clock, id, name } = state.context;
  const sinceMs = clock.now();
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
  routes.on(
    "GET /controllers",
    (call) => state.list(call, builtIn("Controller", controllers(state, { call, sinceMs }))),
    { since: 2 },
  );
  routes.on(
    "GET /hardware",
    (call) => state.list(call, builtIn("Hardware", componentRows(COMPONENTS, "voltage"))),
    {
      since: 2,
    },
  );
  routes.on("GET /ports", (call) => listPorts(state, call), { since: 2 });
  routes.on(
    "GET /network-interfaces",
    (call) => state.list(call, builtIn("Network interface", interfaceRows(state))),
    { since: 4 },
  );
  addAlertRoutes(routes, state);
  addSettingRoutes(routes, state);
  addPerformanceRoutes(routes, state);
}
