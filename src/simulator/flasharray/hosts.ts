import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import { moveHost } from "./membership.ts";
import { requireDistinct, requireHostName } from "./names.ts";
import { arrayReferred } from "./replication/array_connections.ts";
import { remoteHosts, remoteName } from "./replication/remote.ts";
import { renderHost } from "./render.ts";
import { connectionKey, type FlashArrayState, type HostRecord } from "./state.ts";
import { items, type Listed, named } from "../list.ts";
import type { Modelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";

const PERSONALITIES = ["aix", "esxi", "hitachi-vsp", "hpux", "oracle-vm-server", "solaris", "vms"];
const VLANS = /^(any|untagged|[1-9]\d{0,3})$/;

type Family = "iqns" | "nqns" | "wwns";
const FAMILIES: Family[] = ["iqns", "nqns", "wwns"];

const POST_MODELLED: Modelled = {
  fields: [...FAMILIES, "chap", "personality", "preferred_arrays", "vlan"],
  query: ["names"],
};
const PATCH_MODELLED: Modelled = {
  fields: [
    ...POST_MODELLED.fields,
    ...FAMILIES.flatMap((family) => [`add_${family}`, `remove_${family}`]),
    "name",
    "host_group",
  ],
  query: ["names"],
};

/**
 * One spelling per initiator: WWNs upper case without colons, the others as they come. RestError
 * 400 for what is none.
 */
function initiator(family: Family, text: string): string {
  if (family === "wwns") {
    const wwn = text.replaceAll(":", "").toUpperCase();
    if (!/^[0-9A-F]{16}$/.test(wwn)) throw refused("Invalid WWN: 16 hexadecimal digits.", text);
    return wwn;
  }
  const pattern = family === "iqns" ? /^(iqn|eui|naa)\.\S{3,220}$/i : /^nqn\.\S{3,219}$/i;
  if (!pattern.test(text)) throw refused(`Invalid ${family === "iqns" ? "IQN" : "NQN"}.`, text);
  return text;
}

function without(list: string[], removed: string[]): string[] {
  const gone = new Set(removed.map((text) => text.toLowerCase()));
  return list.filter((text) => !gone.has(text.toLowerCase()));
}

/**
 * The initiators of one family after a POST or PATCH: `iqns` replaces, `add_iqns` and `remove_iqns`
 * change.
 */
function initiatorsAfter(body: Fields, family: Family, old: string[]): string[] {
  const read = (field: string) => (body.texts(field) ?? []).map((text) => initiator(family, text));
  if (body.has(family)) return distinct(read(family));
  const [added, removed] = [read(`add_${family}`), read(`remove_${family}`)];
  const stranger = removed.find((text) => without(old, [text]).length === old.length);
  if (stranger !== undefined) throw refused("The initiator does not exist on this host.", stranger);
  return [...without(without(old, removed), added), ...distinct(added)];
}

/** The first of each initiator that is named more than once, in whatever case. */
function distinct(list: string[]): string[] {
  return [...new Map(list.map((text) => [text.toLowerCase(), text])).values()];
}

function chapAfter(body: Fields, old: HostRecord["chap"]): HostRecord["chap"] {
  const chap = body.object("chap");
  if (chap === undefined) return old;
  const read = (field: string, kept: string | null) =>
    chap.has(field) ? chap.text(field) || null : kept;
  const after = {
    hostUser: read("host_user", old.hostUser),
    hostPassword: read("host_password", old.hostPassword),
    targetUser: read("target_user", old.targetUser),
    targetPassword: read("target_password", old.targetPassword),
  };
  for (const password of [after.hostPassword, after.targetPassword]) {
    if (password !== null && !/^\S{12,255}$/.test(password)) {
      throw refused("Invalid CHAP password: 12 to 255 characters without a space.");
    }
  }
  if (after.hostPassword !== null && after.hostPassword === after.targetPassword) {
    throw refused("Invalid CHAP password: the passwords of host and target must differ.");
  }
  return after;
}

/**
 * Whose paths the host is to take first; RestError 400 for a host of a group, which has its own.
 */
function preferredAfter(state: FlashArrayState, body: Fields, old: HostRecord) {
  const sent = body.objects("preferred_arrays");
  if (sent === undefined) return old.preferredArrays;
  if (old.group !== undefined) {
    throw refused("Preferred arrays cannot be set on a host in a host group.", old.name);
  }
  return sent.map((one) => arrayReferred(state, one));
}

/**
 * The host after the body's changes; refuses NQNs beside IQNs or WWNs (those two may stand
 * together), and initiators of other hosts.
 */
function hostAfter(state: FlashArrayState, body: Fields, old: HostRecord): HostRecord {
  const [personality, vlan] = [body.text("personality"), body.text("vlan")];
  if (personality && !PERSONALITIES.includes(personality)) {
    throw refused(`Invalid personality: one of ${PERSONALITIES.join(", ")}.`, personality);
  }
  if (vlan !== undefined && !VLANS.test(vlan)) {
    throw refused("Invalid vlan: any, untagged or 1 to 4094.", vlan);
  }
  const host: HostRecord = {
    name: old.name,
    iqns: initiatorsAfter(body, "iqns", old.iqns),
    nqns: initiatorsAfter(body, "nqns", old.nqns),
    wwns: initiatorsAfter(body, "wwns", old.wwns),
    chap: chapAfter(body, old.chap),
    personality: body.has("personality") ? personality || null : old.personality,
    vlan: vlan ?? old.vlan,
    preferredArrays: preferredAfter(state, body, old),
  };
  if (host.nqns.length > 0 && host.iqns.length + host.wwns.length > 0) {
    throw refused("An NVMe host cannot have initiators of another protocol.", host.name);
  }
  requireFree(state, host);
  return host;
}

function requireFree(state: FlashArrayState, host: HostRecord): void {
  const mine = new Set(
    FAMILIES.flatMap((family) => host[family]).map((text) => text.toLowerCase()),
  );
  if (mine.size === 0) return;
  for (const other of state.hosts.values()) {
    if (other.name.toLowerCase() === host.name.toLowerCase()) continue;
    const taken = FAMILIES.flatMap((family) => other[family]).find((text) =>
      mine.has(text.toLowerCase())
    );
    if (taken !== undefined) {
      throw refused(`The specified initiator is already in use by host ${other.name}.`, taken);
    }
  }
}

/** The hosts of a list call: how GET and DELETE of /hosts find and show them. */
export function listedHosts(state: FlashArrayState, call: Call): Listed<HostRecord> {
  return {
    what: "Host",
    all: () => state.hosts.values(),
    byName: (name) => state.hostNamed(name),
    keyOf: ({ name }) => name,
    render: (host) => renderHost(state, call, host),
  };
}

/** The hosts of GET /hosts: those of connected arrays too, which nobody can change here. */
function shownHosts(
  state: FlashArrayState,
  call: Call,
): Listed<{ of: FlashArrayState; item: HostRecord }> {
  const own = listedHosts(state, call);
  const all = () => [
    ...[...state.hosts.values()].map((item) => ({ of: state, item })),
    ...remoteHosts(state),
  ];
  const nameOf = ({ of, item }: ReturnType<typeof all>[number]) =>
    of === state ? item.name : remoteName(of, item.name);
  return {
    what: own.what,
    all,
    byName: (name) => all().find((one) => nameOf(one).toLowerCase() === name.toLowerCase()),
    keyOf: nameOf,
    render: (one) => {
      const row = renderHost(one.of, call, one.item);
      return one.of === state ? row : { ...row, name: nameOf(one), is_local: false };
    },
  };
}

function postHosts(state: FlashArrayState, call: Call): Answer {
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  requireDistinct(names);
  const body = new Fields(call.body);
  for (const name of names) {
    requireHostName(name);
    if (state.hostNamed(name) !== undefined) throw refused("Host already exists.", name);
  }
  if (state.hosts.size + names.length > state.limits.hosts) {
    throw refused("Maximum number of hosts: limit reached.", names[0]);
  }
  const blank = {
    iqns: [],
    nqns: [],
    wwns: [],
    chap: { hostUser: null, hostPassword: null, targetUser: null, targetPassword: null },
    personality: null,
    vlan: null,
  };
  const made = state.context.store.change(() =>
    names.map((name) => {
      const host = hostAfter(state, body, { name, ...blank });
      state.hosts.set(name.toLowerCase(), host);
      return host;
    })
  );
  state.context.plane?.block.show(made.map((host) => state.planeHost(host)));
  return items(made.map((host) => renderHost(state, call, host)));
}

/** A renamed host keeps its connections; the data plane shows them under the new name. */
function renameHost(state: FlashArrayState, old: HostRecord, name: string): void {
  requireHostName(name);
  const holder = state.hostNamed(name);
  if (holder !== undefined && holder.name !== old.name) throw refused("Host already exists.", name);
  const connections = state.connectionsOfHost(old.name).filter(({ group }) => group === undefined);
  state.context.store.change(() => {
    state.hosts.delete(old.name.toLowerCase());
    state.hosts.set(name.toLowerCase(), { ...old, name });
    for (const connection of connections) {
      const renamed = { ...connection, host: name };
      state.connections.delete(connectionKey(connection));
      state.connections.set(connectionKey(renamed), renamed);
    }
  });
  state.context.plane?.block.show([state.planeHost({ ...old, name })], [old.name]);
}

function patchHosts(state: FlashArrayState, call: Call): Answer {
  const hosts = named(call, listedHosts(state, call));
  if (hosts === undefined) throw refused("names is required.");
  const body = new Fields(call.body);
  const name = body.text("name");
  if (name !== undefined && hosts.length !== 1) {
    throw refused("Only one host can be renamed at a time.");
  }
  const groupName = body.object("host_group")?.text("name");
  const changed = state.context.store.change(() =>
    hosts.map((host) => {
      const after = { ...hostAfter(state, body, host), group: host.group };
      state.hosts.set(host.name.toLowerCase(), after);
      return groupName === undefined ? after : moveHost(state, after, groupName || undefined);
    })
  );
  state.context.plane?.block.show(changed.map((host) => state.planeHost(host)));
  const [first] = changed;
  if (name === undefined || first === undefined) {
    return items(changed.map((host) => renderHost(state, call, host)));
  }
  renameHost(state, first, name);
  return items([renderHost(state, call, { ...first, name })]);
}

function deleteHosts(state: FlashArrayState, call: Call): Answer {
  const hosts = named(call, listedHosts(state, call));
  if (hosts === undefined) throw refused("names is required.");
  const busy = hosts.find(({ name }) => state.connectionsOfHost(name).length > 0);
  if (busy !== undefined) {
    throw refused("Host cannot be deleted due to existing connections.", busy.name);
  }
  state.context.store.change(() =>
    hosts.forEach(({ name }) => state.hosts.delete(name.toLowerCase()))
  );
  state.context.plane?.block.show([], hosts.map(({ name }) => name));
  return {};
}

/** Serves /hosts, one change after the other. */
export function addHostRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /hosts", (call) => state.list(call, shownHosts(state, call)));
  routes.on("POST /hosts", state.changing(POST_MODELLED, postHosts));
  routes.on("PATCH /hosts", state.changing(PATCH_MODELLED, patchHosts));
  routes.on("DELETE /hosts", (call) => state.turns.take(() => deleteHosts(state, call)));
}
