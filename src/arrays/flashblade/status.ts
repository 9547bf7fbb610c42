import { allEnded } from "../../async/all_ended.ts";
import type { ArrayStatus, Feature } from "../array.ts";
import { manualEradicationOf, provisionedOf, readArray, readLatency } from "../rest/array_facts.ts";
import type { ArrayContext } from "../rest/named_objects.ts";
import type { Dialect } from "../rest/access/session.ts";
import { CLONE_SINCE } from "./clone.ts";
import { isStorageName } from "../../storage_names.ts";
import { filePortsOf, type FlashBladeFacts, servedFileProtocols } from "./ports.ts";
import { type BladeInterfaceItem, bladeInterfaceItem, bladeItem, bladeSpaceItem } from "./wire.ts";

/** /nfs-export-policies, from which `nfs.rules` behaves as it does today, came with 2.3. */
const OLDEST_MINOR = 3;
const NEWEST_MINOR = 28;

/** How FlashBlades speak below their resources, and which REST versions this client knows. */
export const FLASHBLADE_DIALECT: Dialect = {
  kindName: "FlashBlade",
  versionsKey: "versions",
  loginPath: () => "/api/login",
  knows: (minor) => minor >= OLDEST_MINOR && minor <= NEWEST_MINOR,
  known: `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`,
};

/** `revision` of a simulated array: a FlashBlade has no banner. */
const SIMULATED = "pso-simulated";

/** A FlashBlade, and what the configuration says of it. */
export interface BladeContext extends ArrayContext {
  /** What nodes mount from; absent: the address of the array's first data interface. */
  nfsEndpoint?: string;
}

/** One look at a FlashBlade: what everybody may know, and what only its client needs. */
export async function readFlashBlade(
  context: BladeContext,
  signal?: AbortSignal,
): Promise<{ status: ArrayStatus; facts: FlashBladeFacts }> {
  const { rest, nfsEndpoint } = context;
  const minor = await rest.negotiate(signal);
  const query = { type: "array" };
  const [array, space, interfaces, latency] = await allEnded([
    readArray(context, bladeItem, signal),
    rest.call({ method: "GET", path: "arrays/space", query, item: bladeSpaceItem, signal }),
    Array.fromAsync(
      rest.all({ path: "network-interfaces", item: bladeInterfaceItem, signal }),
    ),
    readLatency(context, signal),
  ]);
  const dataAddress = nfsEndpoint ?? interfaces.find(servesData)?.address;
  const facts: FlashBladeFacts = {
    arrayName: array.name,
    ...(array.revision === SIMULATED ? { localArray: array.name } : {}),
    ...(dataAddress ? { dataAddress } : {}),
  };
  const used = space.items[0]?.space;
  const status: ArrayStatus = {
    id: array.id,
    name: array.name,
    kind: "file",
    version: array.version ?? "",
    restVersion: `2.${minor}`,
    capacityBytes: space.items[0]?.capacity ?? 0,
    usedBytes: used?.total_physical ?? used?.total_used ?? 0,
    ...provisionedOf(used),
    features: new Set<Feature>(minor >= CLONE_SINCE ? ["clone"] : []),
    protocols: servedFileProtocols(facts),
    ...(array.product_type ? { model: array.product_type } : {}),
    ...manualEradicationOf(array),
    dataPorts: filePortsOf(facts),
    dataAddresses: interfaces.filter(servesData).flatMap(({ address }) => address ?? []),
    ...(latency ? { latency } : {}),
  };
  return { status, facts };
}

/** Whether nodes can mount by this interface: what is no address would reach mount(8) as root. */
function servesData({ enabled, services = [], address }: BladeInterfaceItem): boolean {
  return enabled !== false && services.includes("data") && isStorageName("server", address);
}
