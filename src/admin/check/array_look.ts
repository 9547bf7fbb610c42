// What `admin` finds out about one array of the configuration. It asks as the controller does, and
// changes nothing.
import { openArray } from "../../arrays/open.ts";
import { proveNames, proveRole } from "../../arrays/proofs.ts";
import type { AdminArray } from "../../arrays/rest/admin_array.ts";
import type { ArrayStatus, StorageArray } from "../../arrays/array.ts";
import type { ArrayConfig, PlacementSettings } from "../../config/model.ts";
import { FEATURE_FAULTS, roomOf } from "../../controller/placement/placement.ts";
import { isPsoError, messageOf } from "../../errors.ts";
import { silentLogger } from "../../log.ts";
import { parseHostPort, printHostPort } from "../../net/address.ts";
import { addressesOf, tryConnect } from "../../net/probe.ts";
import { formatSize } from "../../size.ts";
import { type ApiLook, lookAtApi, tellClock } from "./api_look.ts";
import { type DataScope, lookAtDataPorts } from "./data_look.ts";
import { counted, FoundList } from "./found.ts";

/** Longest time for all that one array is asked, and afterwards for one call of it. */
const ANSWER_MS = 30_000;

/** What a look at an array is compared with. */
export interface LookScope extends DataScope {
  now: () => number;
  placement: PlacementSettings;
  /** As AdminContext.answerMs. */
  answerMs?: number;
}

/** One entry of the configuration, and what answers there. */
export interface ArrayLook {
  config: ArrayConfig;
  found: FoundList;
  /** What the server itself shows before a login; absent when there is no connection. */
  api?: ApiLook;
  /** Absent when it does not let us in. */
  status?: ArrayStatus;
  /** Whether it lets the user change things; absent when that could not be asked. */
  mayChange?: boolean;
  /**
   * The client, open until close(). Absent, too, when the array has let us wait for so long that it
   * is not asked for anything else.
   */
  array?: AdminArray;
  /** Ends the session and the connections. Never throws. */
  close(): Promise<void>;
}

/** As messages name an entry: where the configuration has it, and the address. */
export function entryOf({ path, managementAddress }: ArrayConfig): string {
  return `${path} ${managementAddress}`;
}

/**
 * Looks at one array: name, connection, certificate, REST, token, role, room, ports, clock. What is
 * wrong becomes a finding; a look that needs another one that failed is left out. Never throws.
 */
export async function lookAtArray(config: ArrayConfig, scope: LookScope): Promise<ArrayLook> {
  const found = new FoundList(entryOf(config));
  const look: ArrayLook = { config, found, close: () => Promise.resolve() };
  if (!await isReached(config, found)) return look;
  const { answerMs = ANSWER_MS } = scope;
  look.api = await lookAtApi(config, { found, now: scope.now, answerMs });
  if (look.api === undefined) return look;
  const { array, close } = openArray(config, { log: silentLogger, budgetMs: answerMs });
  look.close = close;
  const signal = AbortSignal.timeout(answerMs);
  look.status = await statusOf(array, { look, signal });
  if (look.status === undefined) return look;
  tellStatus(look, look.status);
  await proveAll(look, { array, signal });
  await tellAlerts(look, { array, signal });
  if (!signal.aborted) look.array = array;
  tellRoom(look, { status: look.status, placement: scope.placement });
  await lookAtDataPorts({ config, found, status: look.status }, scope);
  tellClock(found, look.api);
  return look;
}

async function isReached(
  { managementAddress, scheme }: ArrayConfig,
  found: FoundList,
): Promise<boolean> {
  const usual = scheme === "https" ? 443 : 80;
  const { host = managementAddress, port = usual } = parseHostPort(managementAddress) ?? {};
  try {
    const addresses = await addressesOf(host);
    const isAddress = addresses.length === 1 && addresses[0] === host;
    found.ok("name", isAddress ? `${host} is an address` : `${host} is ${addresses.join(", ")}`);
  } catch (error) {
    found.fail("name", messageOf(error));
    return false;
  }
  try {
    const ms = await tryConnect({ host, port });
    found.ok("tcp", `${printHostPort({ host, port })} takes connections (${ms.toFixed(0)} ms)`);
    return true;
  } catch (error) {
    found.fail("tcp", messageOf(error));
    return false;
  }
}

/** One array that is being asked. */
interface Asking {
  look: ArrayLook;
  signal: AbortSignal;
}

/** What a refusal of the first calls is about. */
async function statusOf(
  array: StorageArray,
  { look, signal }: Asking,
): Promise<ArrayStatus | undefined> {
  const { found, api } = look;
  // Of REST 2 alone: every array lists some twenty versions of REST 1 first.
  const offered = api?.versions.filter((version) => version.startsWith("2."));
  try {
    const status = await array.status(signal);
    const span = offered && offered.length > 0
      ? `it offers ${offered[0]} to ${offered.at(-1)}, and `
      : "";
    found.ok("rest", `${span}REST ${status.restVersion} is used`);
    found.ok("token", "it is accepted");
    return status;
  } catch (error) {
    const check = isPsoError(error, "denied")
      ? "token"
      : isPsoError(error, "unsupported")
      ? "rest"
      : "array";
    found.fail(check, messageOf(error));
    return undefined;
  }
}

function tellStatus({ found }: ArrayLook, status: ArrayStatus): void {
  const { name, model = "model unknown", version, features } = status;
  const able = [...features].join(", ") || "none";
  // A table over every feature that there is.
  const missing = Object.entries(FEATURE_FAULTS).filter(([feature]) =>
    ![...features].some((one) => one === feature)
  );
  const faults = missing.map(([, fault]) => `; it ${fault}`).join("");
  found.ok("array", `${name}, ${model}, Purity ${version}, features: ${able}${faults}`);
  const { downControllers = [] } = status;
  if (downControllers.length > 0) {
    found.warn(
      "controllers",
      `${downControllers.join(", ")}: nodes are sent to the ports of the other controllers alone`,
      "look at that controller on the array, and ask the vendor's support if nobody works on it",
    );
  }
}

/** Alerts that a finding names; the others are counted. */
const ALERTS_SHOWN = 3;

/** What the array itself calls critical. */
async function tellAlerts(
  { found }: ArrayLook,
  { array, signal }: { array: StorageArray; signal: AbortSignal },
): Promise<void> {
  if (signal.aborted) return;
  try {
    const alerts = await array.listAlerts(signal);
    if (alerts.length === 0) {
      found.ok("alerts", "it tells of no critical one");
      return;
    }
    const more = alerts.length > ALERTS_SHOWN ? ` and ${alerts.length - ALERTS_SHOWN} more` : "";
    found.warn(
      "alerts",
      `${counted(alerts.length, "critical alert")}: ${
        alerts.slice(0, ALERTS_SHOWN).join("; ")
      }${more}`,
      "look at them on the array",
    );
  } catch (error) {
    found.warn("alerts", `they cannot be read: ${messageOf(error)}`);
  }
}

async function proveAll(
  look: ArrayLook,
  { array, signal }: { array: StorageArray; signal: AbortSignal },
): Promise<void> {
  const { found } = look;
  try {
    await proveRole(array, signal);
    look.mayChange = true;
    found.ok("role", "it may change volumes (proved without a change)");
  } catch (error) {
    const isDenied = isPsoError(error, "denied");
    if (isDenied) look.mayChange = false;
    const what = isDenied ? "the array may not be changed" : "it is not known whether it suffices";
    found.fail("role", `${what}: ${messageOf(error)}`);
  }
  if (signal.aborted) return;
  try {
    await proveNames(array, signal);
  } catch (error) {
    found.fail("rest", messageOf(error));
  }
}

/** An array with less room than this is told before it is full. */
const LITTLE_ROOM = 0.1;

function tellRoom(
  { found, config }: ArrayLook,
  { status, placement }: { status: ArrayStatus; placement: PlacementSettings },
): void {
  const { capacityBytes, usedBytes } = status;
  const room = roomOf(status, placement);
  const text = `${formatSize(usedBytes)} of ${formatSize(capacityBytes)} used`;
  if (config.suspended) {
    found.ok("room", `${text}; suspended: it gets no new volumes`);
  } else if (room === 0) {
    found.warn("room", `${text}: it is full, and gets no new volumes`, "make room on it");
  } else if (room < LITTLE_ROOM * capacityBytes) {
    found.warn(
      "room",
      `${text}: the largest new volume has ${formatSize(room)}`,
      "make room on it, or add an array",
    );
  } else found.ok("room", text);
}
