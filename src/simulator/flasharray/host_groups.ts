import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import { groupNamed, moveHost } from "./membership.ts";
import { requireDistinct, requireHostName } from "./names.ts";
import { renderHostGroup, renderMember } from "./render.ts";
import {
  connectionKey,
  type ConnectionRecord,
  type FlashArrayState,
  type HostGroupRecord,
  type HostRecord,
} from "./state.ts";
import { items, type Listed, named } from "../list.ts";
import type { Modelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";

const POST_MODELLED: Modelled = { fields: [], query: ["names"] };
const PATCH_MODELLED: Modelled = { fields: ["name"], query: ["names"] };
const MEMBERS_MODELLED: Modelled = { fields: [], query: ["group_names", "member_names"] };

function listedGroups(state: FlashArrayState, call: Call): Listed<HostGroupRecord> {
  return {
    what: "Host group",
    all: () => state.hostGroups.values(),
    byName: (name) => state.hostGroupNamed(name),
    keyOf: ({ name }) => name,
    render: (group) => renderHostGroup(state, call, group),
  };
}

function connectionsOf(state: FlashArrayState, { name }: HostGroupRecord): ConnectionRecord[] {
  return [...state.connections.values()].filter(({ group }) => group === name);
}

function requireFreeName(state: FlashArrayState, name: string): void {
  requireHostName(name);
  if (state.hostGroupNamed(name) !== undefined) throw refused("Host group already exists.", name);
}

function postGroups(state: FlashArrayState, call: Call): Answer {
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  requireDistinct(names);
  for (const name of names) requireFreeName(state, name);
  if (state.hostGroups.size + names.length > state.limits.hosts) {
    throw refused("Maximum number of host groups: limit reached.", names[0]);
  }
  const made = state.context.store.change(() =>
    names.map((name) => {
      state.hostGroups.set(name.toLowerCase(), { name });
      return { name };
    })
  );
  return items(made.map((group) => renderHostGroup(state, call, group)));
}

/** A renamed group keeps its hosts and its connections. */
function renameGroup(state: FlashArrayState, old: HostGroupRecord, name: string): void {
  const [members, connections] = [state.membersOf(old), connectionsOf(state, old)];
  state.context.store.change(() => {
    state.hostGroups.delete(old.name.toLowerCase());
    state.hostGroups.set(name.toLowerCase(), { name });
    for (const host of members) {
      state.hosts.set(host.name.toLowerCase(), { ...host, group: name });
    }
    for (const connection of connections) {
      const renamed = { ...connection, group: name };
      state.connections.delete(connectionKey(connection));
      state.connections.set(connectionKey(renamed), renamed);
    }
  });
}

function patchGroups(state: FlashArrayState, call: Call): Answer {
  const groups = named(call, listedGroups(state, call));
  const [first] = groups ?? [];
  if (groups === undefined || first === undefined) throw refused("names is required.");
  const name = new Fields(call.body).text("name");
  if (name === undefined) return items(groups.map((group) => renderHostGroup(state, call, group)));
  if (groups.length !== 1) throw refused("Only one host group can be renamed at a time.");
  if (name.toLowerCase() !== first.name.toLowerCase()) requireFreeName(state, name);
  renameGroup(state, first, name);
  return items([renderHostGroup(state, call, { name })]);
}

function deleteGroups(state: FlashArrayState, call: Call): Answer {
  const groups = named(call, listedGroups(state, call));
  if (groups === undefined) throw refused("names is required.");
  for (const group of groups) {
    if (connectionsOf(state, group).length > 0) {
      throw refused("Host group cannot be deleted due to existing connections.", group.name);
    }
    if (state.membersOf(group).length > 0) {
      throw refused("Host group cannot be deleted while it has hosts.", group.name);
    }
  }
  state.context.store.change(() =>
    groups.forEach(({ name }) => state.hostGroups.delete(name.toLowerCase()))
  );
  return {};
}

function hostNamed(state: FlashArrayState, name: string): HostRecord {
  const host = state.hostNamed(name);
  if (host === undefined) throw refused("Host does not exist.", name);
  return host;
}

function getMembers(state: FlashArrayState, call: Call): Answer {
  const groups = csv(call.query, "group_names")?.map((name) => groupNamed(state, name));
  const hosts = csv(call.query, "member_names")?.map((name) => hostNamed(state, name));
  const all = groups?.flatMap((group) => state.membersOf(group)) ?? [...state.hosts.values()];
  return state.list(call, {
    what: "Host",
    all: () => all.filter((host) => host.group && (hosts?.includes(host) ?? true)),
    keyOf: ({ name }) => name,
    render: (host) => renderMember(state, call, host),
  });
}

/** The one group and the hosts that a change of members names. */
function namedMembers(
  state: FlashArrayState,
  call: Call,
): { group: HostGroupRecord; hosts: HostRecord[] } {
  const [groups, hosts] = [csv(call.query, "group_names"), csv(call.query, "member_names")];
  const [group] = groups ?? [];
  if (group === undefined || hosts === undefined) {
    throw refused("group_names and member_names are required.");
  }
  if (groups?.length !== 1) throw refused("Only one host group can be named.", groups?.[1]);
  return {
    group: groupNamed(state, group),
    hosts: hosts.map((name) => hostNamed(state, name)),
  };
}

function postMembers(state: FlashArrayState, call: Call): Answer {
  const { group, hosts } = namedMembers(state, call);
  const there = hosts.find((host) => host.group === group.name);
  if (there !== undefined) throw refused("Host is already a member of the host group.", there.name);
  const moved = state.context.store.change(() =>
    hosts.map((host) => moveHost(state, host, group.name))
  );
  state.context.plane?.block.show(moved.map((host) => state.planeHost(host)));
  return items(moved.map((host) => renderMember(state, call, host)));
}

function deleteMembers(state: FlashArrayState, call: Call): Answer {
  const { group, hosts } = namedMembers(state, call);
  const stranger = hosts.find((host) => host.group !== group.name);
  if (stranger !== undefined) {
    throw refused("Host is not a member of the host group.", stranger.name);
  }
  // Before the state: what is said to be cut off is.
  const ended = new Set(
    connectionsOf(state, group).flatMap((one) => state.rowsOf(one).map(connectionKey)),
  );
  state.context.plane?.block.show(hosts.map((host) => state.planeHost(host, ended)));
  state.context.store.change(() => hosts.forEach((host) => moveHost(state, host, undefined)));
  return {};
}

/** Serves /host-groups and their hosts from both sides, one change after the other. */
export function addHostGroupRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /host-groups", (call) => state.list(call, listedGroups(state, call)));
  routes.on("POST /host-groups", state.changing(POST_MODELLED, postGroups));
  routes.on("PATCH /host-groups", state.changing(PATCH_MODELLED, patchGroups));
  routes.on("DELETE /host-groups", state.changing(POST_MODELLED, deleteGroups));
  for (const path of ["/host-groups/hosts", "/hosts/host-groups"] as const) {
    routes.on(`GET ${path}`, (call) => getMembers(state, call));
    routes.on(`POST ${path}`, state.changing(MEMBERS_MODELLED, postMembers));
    routes.on(`DELETE ${path}`, state.changing(MEMBERS_MODELLED, deleteMembers));
  }
}
