import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import type { Row } from "../filter.ts";
import { items, type Listed, named } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";
import { ARRAY_SERVER, arrayServer, serverById } from "./export_table.ts";
import { listOf } from "./file_systems.ts";
import type { ServerRecord } from "./records.ts";
import { NO_REFERENCE } from "./render.ts";
import type { FlashBladeState } from "./state.ts";

/** First version that has servers. */
const SINCE = { since: 16 };
const NAME = /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;
const POST_MODELLED: Modelled = { fields: ["dns"], query: ["names", "create_ds"] };
const PATCH_MODELLED: Modelled = { fields: ["dns"], query: ["names", "ids"] };

/** A server as other objects name it. */
export function serverReference({ id, name }: ServerRecord): Row {
  return { id, name, resource_type: "servers" };
}

function serverNamed(state: FlashBladeState, name: string): ServerRecord | undefined {
  return name.toLowerCase() === ARRAY_SERVER
    ? arrayServer(state)
    : state.servers.find(name.toLowerCase());
}

/** The server that a reference means; `undefined`: it means none. */
export function namedServer(
  state: FlashBladeState,
  reference: Fields | undefined,
): ServerRecord | undefined {
  const [name, id] = [reference?.text("name"), reference?.text("id")];
  if (name === undefined && id === undefined) return undefined;
  const found = name === undefined ? serverById(state, id ?? "") : serverNamed(state, name);
  if (found === undefined) throw refused("Server does not exist.", name ?? id ?? null);
  return found;
}

function render(call: Call, { id, name, createdMs }: ServerRecord): Row {
  const directory = name === ARRAY_SERVER ? "nfs" : `${name}_nfs`;
  return {
    id,
    name,
    created: createdMs,
    directory_services: [{ id, name: directory, resource_type: "directory-services" }],
    dns: [],
    ...(call.minor >= 19 ? { realms: [] } : {}),
    ...(call.minor >= 24 ? { local_directory_service: NO_REFERENCE } : {}),
  };
}

function listedServers(state: FlashBladeState, call: Call): Listed<ServerRecord> {
  return {
    what: "Server",
    all: () => [arrayServer(state), ...state.servers.values()],
    byName: (name) => serverNamed(state, name),
    byId: (id) => serverById(state, id),
    keyOf: ({ name }) => name,
    render: (server) => render(call, server),
  };
}

/** No DNS configuration is there that a server could use. */
function requireNoDns(body: Fields): void {
  const [sent] = body.objects("dns") ?? [];
  if (sent === undefined) return;
  throw refused("DNS configuration does not exist.", sent.text("name") ?? sent.text("id") ?? null);
}

function post(state: FlashBladeState, call: Call): Answer {
  requireModelled(call, POST_MODELLED, state.context.name);
  requireNoDns(new Fields(call.body));
  const made = (csv(call.query, "names") ?? []).map((name): ServerRecord => {
    if (!NAME.test(name)) throw refused("Invalid server name.", name);
    if (serverNamed(state, name) !== undefined) throw refused("Server already exists.", name);
    if (call.query.get("create_ds") !== `${name}_nfs`) {
      throw refused("create_ds must be the name of the server followed by _nfs.", name);
    }
    return { id: crypto.randomUUID(), name, createdMs: state.context.clock.now() };
  });
  if (made.length === 0) throw refused("names is required.");
  state.context.store.change(() => made.forEach((server) => state.servers.set(server.id, server)));
  return items(made.map((server) => render(call, server)));
}

function wanted(state: FlashBladeState, call: Call): ServerRecord[] {
  const found = named(call, listedServers(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  return found;
}

function patch(state: FlashBladeState, call: Call): Answer {
  requireModelled(call, PATCH_MODELLED, state.context.name);
  requireNoDns(new Fields(call.body));
  return items(wanted(state, call).map((server) => render(call, server)));
}

function remove(state: FlashBladeState, call: Call): Answer {
  const found = wanted(state, call);
  for (const { id, name } of found) {
    if (name === ARRAY_SERVER) throw refused("The server of the array cannot be deleted.", name);
    if ([...state.exports.values()].some(({ serverId }) => serverId === id)) {
      throw refused("Server is in use by a file system export.", name);
    }
    if (!csv(call.query, "cascade_delete")?.includes("directory-services")) {
      throw refused("Server is in use by its directory service: cascade_delete is needed.", name);
    }
  }
  state.context.store.change(() => found.forEach(({ id }) => state.servers.delete(id)));
  return {};
}

/** Serves /servers: the names under which clients see exports; none has an address of its own. */
export function addServerRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  const turn = (work: () => Answer) => state.turns.take(work);
  routes.on("GET /servers", (call) => listOf(state, call, listedServers(state, call)), SINCE);
  routes.on("POST /servers", (call) => turn(() => post(state, call)), SINCE);
  routes.on("PATCH /servers", (call) => turn(() => patch(state, call)), SINCE);
  routes.on("DELETE /servers", (call) => turn(() => remove(state, call)), SINCE);
}
