import { Fields } from "../../body.ts";
import type { Answer, ArrayRoutes, Call } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items, type Listed, named } from "../../list.ts";
import type { Modelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import { withContext } from "../render.ts";
import type { FlashArrayState } from "../state.ts";
import { type ArrayConnectionRecord, type Neighbours, neighboursOf } from "./neighbours.ts";

const TYPES = ["async-replication", "sync-replication"];
const POST_MODELLED: Modelled = {
  fields: ["connection_key", "management_address", "replication_addresses", "type"],
  fixed: { replication_transport: "ip" },
  query: [],
};
const PATCH_MODELLED: Modelled = { fields: ["default_limit", "throttle"], query: ["names"] };

/** What the routes work on. */
interface Ends {
  state: FlashArrayState;
  neighbours: Neighbours;
}

function renderEnd({ state, neighbours }: Ends, call: Call, end: ArrayConnectionRecord): Row {
  const other = neighbours.withId(end.id)?.state;
  const isThere = other !== undefined && !neighbours.isDown(other);
  return {
    id: end.id,
    name: end.name,
    management_address: end.managementAddress,
    replication_addresses: [end.managementAddress],
    replication_transport: "ip",
    status: isThere ? "connected" : "connecting",
    throttle: {
      default_limit: end.limitBytes,
      window: { start: null, end: null },
      window_limit: null,
    },
    type: end.type,
    version: "6.4.10",
    ...withContext(state, call),
  };
}

function listedEnds(ends: Ends, call: Call): Listed<ArrayConnectionRecord> {
  const { connections } = ends.neighbours.of(ends.state);
  return {
    what: "Array connection",
    all: () => connections.values(),
    byName: (name) => connections.find(name),
    keyOf: ({ name }) => name,
    render: (end) => renderEnd(ends, call, end),
  };
}

/** This array or one that it is connected to, as a body refers to it; RestError 400 for others. */
export function arrayReferred(
  state: FlashArrayState,
  reference: Fields,
): { id: string; name: string } {
  const { context } = state;
  const [id, name] = [reference.text("id"), reference.text("name")];
  const { connections } = neighboursOf(state)?.withId(context.id) ?? {};
  const found = [context, ...connections?.values() ?? []].find((one) =>
    one.id === id || one.name === name
  );
  if (found === undefined) throw refused("Array does not exist.", name ?? id);
  return { id: found.id, name: found.name };
}

/** Connects two arrays: either then lists the other. */
function connectArrays(ends: Ends, call: Call): Answer {
  const { state, neighbours } = ends;
  const body = new Fields(call.body);
  const [key, type, managementAddress] = [
    body.text("connection_key") ?? "",
    body.text("type") ?? "async-replication",
    body.text("management_address") ?? "",
  ];
  if (!TYPES.includes(type)) throw refused(`Invalid type: one of ${TYPES.join(", ")}.`, type);
  if (managementAddress === "") throw refused("management_address is required.");
  const [own, other] = [neighbours.of(state), neighbours.withKey(key)];
  if (other === undefined || other === own) throw refused("Invalid connection key.");
  const { id, name } = other.state.context;
  if (neighbours.isDown(other.state)) throw refused("Remote array cannot be reached.", name);
  if (own.connections.get(id) !== undefined) throw refused("Array is already connected.", name);
  const made = { id, name, type, managementAddress, limitBytes: null };
  state.context.store.change(() => own.connections.set(id, made));
  const { id: ownId, name: ownName } = state.context;
  const back = { id: ownId, name: ownName, type, managementAddress: ownName, limitBytes: null };
  other.state.context.store.change(() => other.connections.set(ownId, back));
  return items([renderEnd(ends, call, made)]);
}

function throttle(ends: Ends, call: Call): Answer {
  const found = named(call, listedEnds(ends, call));
  if (found === undefined) throw refused("names is required.");
  const body = new Fields(call.body);
  const limit = (body.object("throttle") ?? body).integer("default_limit");
  const { connections } = ends.neighbours.of(ends.state);
  const changed = found.map((end) => ({ ...end, limitBytes: limit ?? end.limitBytes }));
  ends.state.context.store.change(() => changed.forEach((end) => connections.set(end.id, end)));
  return items(changed.map((end) => renderEnd(ends, call, end)));
}

/** Ends connections at both ends; those by which a pod is stretched stay. */
function disconnectArrays(ends: Ends, call: Call): Answer {
  const { state, neighbours } = ends;
  const found = named(call, listedEnds(ends, call));
  if (found === undefined) throw refused("names is required.");
  for (const { id, name } of found) {
    const pods = [...state.containers.pods.values()];
    if (pods.some(({ members = [] }) => members.some((member) => member.id === id))) {
      throw refused("Array connection is in use by a stretched pod.", name);
    }
  }
  for (const { id } of found) {
    const other = neighbours.withId(id);
    state.context.store.change(() => neighbours.of(state).connections.delete(id));
    other?.state.context.store.change(() => other.connections.delete(state.context.id));
  }
  return {};
}

/** Serves /array-connections and its key, from REST 2.4 on. */
export function addArrayConnectionRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const neighbours = neighboursOf(state);
  if (neighbours === undefined) return;
  const ends: Ends = { state, neighbours };
  const since = { since: 4 };
  const path = "/array-connections" as const;
  const changing = (modelled: Modelled, change: (ends: Ends, call: Call) => Answer) =>
    state.changing(modelled, (_, call) => change(ends, call));
  routes.on(`GET ${path}`, (call) => state.list(call, listedEnds(ends, call)), since);
  routes.on(`POST ${path}`, changing(POST_MODELLED, connectArrays), since);
  routes.on(`PATCH ${path}`, changing(PATCH_MODELLED, throttle), since);
  const ended = (call: Call) => state.turns.take(() => disconnectArrays(ends, call));
  routes.on(`DELETE ${path}`, ended, since);
  const { connectionKey } = neighbours.of(state);
  routes.on(`GET ${path}/connection-key`, (call) =>
    state.list(call, {
      what: "Connection key",
      all: () => [{ connectionKey }],
      keyOf: (one) => one.connectionKey,
      render: (one) => ({ connection_key: one.connectionKey, ...withContext(state, call) }),
    }), since);
}
