import { timeRemaining } from "../../array_context.ts";
import { Fields } from "../../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items, type Listed, named } from "../../list.ts";
import type { Modelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import { requireContainerName } from "../names.ts";
import { referenceTo, volumesTotal, withContext } from "../render.ts";
import type { FlashArrayState, VolumeRecord } from "../state.ts";
import { priorityOf, qosOf } from "../volume_fields.ts";
import { type ContainerSort, eradicate, freeNames, patchLife } from "./container_life.ts";
import type { VolumeGroupRecord } from "./containers.ts";

const POST_MODELLED: Modelled = { fields: ["qos", "priority_adjustment"], query: ["names"] };
const PATCH_MODELLED: Modelled = {
  fields: ["name", "destroyed", "qos", "priority_adjustment"],
  query: ["names", "ids", "destroy_contents"],
};

function sortOf({ containers }: FlashArrayState): ContainerSort<VolumeGroupRecord> {
  return { what: "Volume group", table: containers.groups, groupsIn: () => [] };
}

/** A volume group as GET /volume-groups shows it. */
function renderGroup(state: FlashArrayState, call: Call, group: VolumeGroupRecord): Row {
  const { operator, value } = group.priority;
  const volumes = state.containers.volumesIn(group);
  return {
    id: group.id,
    name: group.name,
    destroyed: group.destroyedMs !== null,
    ...(call.minor >= 20 ? { pod: referenceTo(state.containers.podOf(group.name)) } : {}),
    priority_adjustment: {
      priority_adjustment_operator: operator,
      priority_adjustment_value: value,
    },
    qos: { bandwidth_limit: group.qos.bandwidthLimit, iops_limit: group.qos.iopsLimit },
    get space() {
      return volumesTotal(state, call, volumes).space;
    },
    time_remaining: timeRemaining(state, group.destroyedMs),
    volume_count: volumes.filter(({ destroyedMs }) => destroyedMs === null).length,
    ...withContext(state, call),
  };
}

function listedGroups(state: FlashArrayState, call: Call): Listed<VolumeGroupRecord> {
  const { groups } = state.containers;
  return {
    what: "Volume group",
    all: () => groups.values(),
    byName: (name) => groups.find(name.toLowerCase()),
    byId: (id) => groups.get(id),
    keyOf: ({ name }) => name,
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (group) => renderGroup(state, call, group),
  };
}

function postGroups(state: FlashArrayState, call: Call): Answer {
  const names = freeNames(sortOf(state), call);
  const body = new Fields(call.body);
  const qos = qosOf(body, { bandwidthLimit: null, iopsLimit: null });
  const priority = priorityOf(body, { operator: "+", value: 0 });
  const made = state.context.store.change(() =>
    names.map((sent) => {
      // As the place of a volume in it, so that its pod must be there.
      const name = state.containers.requirePlace(sent);
      const base = name.slice(name.lastIndexOf("::") < 0 ? 0 : name.lastIndexOf("::") + 2);
      requireContainerName(base, { what: "Volume group", name });
      const group = { id: crypto.randomUUID(), name, destroyedMs: null, qos, priority };
      state.containers.groups.set(group.id, group);
      return group;
    })
  );
  return items(made.map((group) => renderGroup(state, call, group)));
}

function patchGroups(state: FlashArrayState, call: Call): Answer {
  const groups = named(call, listedGroups(state, call));
  if (groups === undefined) throw refused("names or ids is required.");
  const body = new Fields(call.body);
  state.context.store.change(() => {
    for (const group of groups) {
      const [qos, priority] = [qosOf(body, group.qos), priorityOf(body, group.priority)];
      state.containers.groups.set(group.id, { ...group, qos, priority });
    }
    patchLife(state, sortOf(state), { containers: groups, call, body });
  });
  return items(groups.flatMap(({ id }) => {
    const group = state.containers.groups.get(id);
    return group === undefined ? [] : [renderGroup(state, call, group)];
  }));
}

function deleteGroups(state: FlashArrayState, call: Call): Answer {
  const groups = named(call, listedGroups(state, call));
  if (groups === undefined) throw refused("names or ids is required.");
  eradicate(state, sortOf(state), { containers: groups, call });
  return {};
}

/** The volumes of the groups that a list names, each beside its group. */
function getMembers(state: FlashArrayState, call: Call): Answer {
  const { containers } = state;
  const groups = csv(call.query, "group_names")?.map((name) => {
    const group = containers.groups.find(name.toLowerCase());
    if (group === undefined) throw refused("Volume group does not exist.", name);
    return group.id;
  });
  const members = csv(call.query, "member_names")?.map((name) => {
    const volume = state.volumeNamed(name);
    if (volume === undefined) throw refused("Volume does not exist.", name);
    return volume.id;
  });
  const isAsked = ({ id, name }: VolumeRecord) => {
    const group = containers.groupOf(name);
    return group !== undefined && (groups?.includes(group.id) ?? true) &&
      (members?.includes(id) ?? true);
  };
  return state.list(call, {
    what: "Volume",
    all: () => [...state.volumes.values()].filter(isAsked),
    keyOf: ({ name }) => name,
    render: (volume) => ({
      group: referenceTo(containers.groupOf(volume.name)),
      member: referenceTo(volume),
      ...withContext(state, call),
    }),
  });
}

/** Serves /volume-groups and the lists of what is in them, one change after the other. */
export function addVolumeGroupRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const since = { since: 1 };
  const path = "/volume-groups" as const;
  routes.on(`GET ${path}`, (call) => state.list(call, listedGroups(state, call)), since);
  routes.on(`POST ${path}`, state.changing(POST_MODELLED, postGroups), since);
  routes.on(`PATCH ${path}`, state.changing(PATCH_MODELLED, patchGroups), since);
  routes.on(`DELETE ${path}`, (call) => state.turns.take(() => deleteGroups(state, call)), since);
  routes.on(`GET ${path}/volumes`, (call) => getMembers(state, call), since);
  routes.on("GET /volumes/volume-groups", (call) => getMembers(state, call), since);
}
