import { allEnded } from "../../async/all_ended.ts";
import type { ArrayStatus, Feature } from "../array.ts";
import { manualEradicationOf, provisionedOf, readArray, readLatency } from "../rest/array_facts.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import type { Dialect } from "../rest/access/session.ts";
import type { Reader } from "../rest/shape.ts";
import { containersOf, readContainers } from "./containers.ts";
import {
  dataPortsOf,
  downControllersOf,
  type FlashArrayFacts,
  portFactsOf,
  portFaultsOf,
  servedProtocols,
} from "./ports.ts";
import { arrayItem, controllerItem, interfaceItem, portItem } from "./wire.ts";

/** REST versions that were never released. */
const NO_SUCH_MINORS = [12, 18];
/** Oldest that has all we need: /network-interfaces came with 2.4. */
const OLDEST_MINOR = 4;
const NEWEST_MINOR = 56;

/** How FlashArrays speak below their resources, and which REST versions this client knows. */
export const FLASHARRAY_DIALECT: Dialect = {
  kindName: "FlashArray",
  versionsKey: "version",
  loginPath: (version) => `/api/${version}/login`,
  knows: (minor) =>
    minor >= OLDEST_MINOR && minor <= NEWEST_MINOR && !NO_SUCH_MINORS.includes(minor),
  known: `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`,
};

/** How the banner of a simulated array begins, in lower case. */
const SIMULATED = "pso simulated array";

/** One look at a FlashArray: what everybody may know, and what only its client needs. */
export async function readFlashArray(
  context: ArrayContext,
  signal?: AbortSignal,
): Promise<{ status: ArrayStatus; facts: FlashArrayFacts }> {
  const minor = await context.rest.negotiate(signal);
  const [array, ports, interfaces, controllers, latency, containers] = await allEnded([
    readArray(context, arrayItem, signal),
    list(context, { path: "ports", item: portItem, signal }),
    list(context, { path: "network-interfaces", item: interfaceItem, signal }),
    list(context, { path: "controllers", item: controllerItem, signal }),
    readLatency(context, signal),
    readContainers(context, signal),
  ]);
  const portFaults = portFaultsOf(ports);
  const downControllers = downControllersOf(controllers);
  const model = controllers.find(({ type }) => type !== "shelf_controller")?.model;
  const facts: FlashArrayFacts = {
    arrayName: array.name,
    ports: portFactsOf(ports, interfaces, controllers),
    ...(portFaults.length > 0 ? { portFaults } : {}),
    ...(array.banner?.toLowerCase().includes(SIMULATED) ? { localArray: array.name } : {}),
  };
  const status: ArrayStatus = {
    id: array.id,
    name: array.name,
    kind: "block",
    version: array.version ?? "",
    restVersion: `2.${minor}`,
    capacityBytes: array.capacity ?? 0,
    usedBytes: array.space?.total_physical ?? array.space?.total_used ?? 0,
    ...provisionedOf(array.space),
    features: new Set<Feature>(["clone", "qos"]),
    protocols: servedProtocols(facts),
    ...(model ? { model } : {}),
    ...manualEradicationOf(array),
    dataPorts: dataPortsOf(facts.ports),
    ...(portFaults.length > 0 ? { portFaults } : {}),
    ...(downControllers.length > 0 ? { downControllers } : {}),
    ...(latency ? { latency } : {}),
    containers: containersOf(containers, array.id),
  };
  return { status, facts };
}

async function list<T>(
  { rest }: ArrayContext,
  call: { path: string; item: Reader<T>; signal?: AbortSignal },
): Promise<T[]> {
  return await Array.fromAsync(rest.all<T>(call));
}
