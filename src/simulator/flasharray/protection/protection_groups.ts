import { requireManualEradication, timeRemaining } from "../../array_context.ts";
import { Fields } from "../../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items, type Listed, named } from "../../list.ts";
import type { Modelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import { partsOf } from "../containers/containers.ts";
import { requireDistinct } from "../names.ts";
import { volumesTotal, withContext } from "../render.ts";
import type { FlashArrayState, VolumeRecord } from "../state.ts";
import { INVALID_COMBINATION, VOLUME_DESTROYED } from "../volume_fields.ts";
import { destroyGroupSnapshot, eradicateGroupSnapshot } from "./group_snapshots.ts";
import type { ProtectionGroupRecord } from "./protection_state.ts";

const GROUP_NAME = /^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;
const POST_MODELLED: Modelled = { fields: [], query: ["names"] };
const PATCH_MODELLED: Modelled = { fields: ["name", "destroyed"], query: ["names", "ids"] };
const MEMBERS_MODELLED: Modelled = {
  fields: [],
  query: ["group_names", "group_ids", "member_names", "member_ids"],
};
const NO_REFERENCE = { name: null, id: null };
const DAY_SECONDS = 86_400;
const DAY_MS = DAY_SECONDS * 1000;
const MISSING = "Protection group does not exist.";
const DESTROYED = "Protection group has been destroyed.";

function listedGroups(state: FlashArrayState, call: Call): Listed<ProtectionGroupRecord> {
  const { protection } = state;
  return {
    what: "Protection group",
    all: () => protection.groups.values(),
    byName: (name) => protection.groupNamed(name),
    byId: (id) => protection.groups.get(id),
    keyOf: ({ name }) => name,
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (group) => renderGroup(state, call, group),
  };
}

function volumesOf(state: FlashArrayState, { volumeIds }: ProtectionGroupRecord): VolumeRecord[] {
  return volumeIds.flatMap((id) => state.volumes.get(id) ?? []);
}

/** A group without a schedule, as a new one is. Ids came with REST 2.26. */
function renderGroup(state: FlashArrayState, call: Call, group: ProtectionGroupRecord): Row {
  const schedule = { at: null, enabled: false, frequency: DAY_MS };
  const retention = { all_for_sec: DAY_SECONDS, days: 7, per_day: 4 };
  const volumes = volumesOf(state, group);
  return {
    ...(call.minor >= 26 ? { id: group.id } : {}),
    name: group.name,
    destroyed: group.destroyedMs !== null,
    host_count: 0,
    host_group_count: 0,
    is_local: true,
    pod: NO_REFERENCE,
    replication_schedule: { ...schedule, blackout: { start: null, end: null } },
    retention_lock: "unlocked",
    snapshot_schedule: schedule,
    source: { id: state.context.id, name: state.context.name },
    source_retention: retention,
    get space() {
      return volumesTotal(state, call, volumes).space;
    },
    target_count: 0,
    target_retention: retention,
    time_remaining: timeRemaining(state, group.destroyedMs),
    volume_count: volumes.length,
    ...withContext(state, call),
  };
}

/** Groups of pods, and with them volumes in pods, are not modelled. */
const OF_POD = "Protection groups of pods are not supported by this array.";

function requireFreeName(state: FlashArrayState, name: string): void {
  if (name.includes("::")) throw refused(OF_POD, name);
  if (!GROUP_NAME.test(name)) {
    throw refused("Invalid protection group name: 1 to 63 letters, digits and '-'.", name);
  }
  const holder = state.protection.groupNamed(name);
  if (holder === undefined) return;
  throw refused(
    holder.destroyedMs === null
      ? "Protection group already exists."
      : "Protection group name is held by one that is pending eradication.",
    name,
  );
}

function postGroups(state: FlashArrayState, call: Call): Answer {
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  requireDistinct(names);
  for (const name of names) requireFreeName(state, name);
  const made = names.map((name) => ({
    id: crypto.randomUUID(),
    name,
    destroyedMs: null,
    volumeIds: [],
    nextSnapshot: 1,
  }));
  state.context.store.change(() =>
    made.forEach((group) => state.protection.groups.set(group.id, group))
  );
  return items(made.map((group) => renderGroup(state, call, group)));
}

/** A group goes and comes with those of its snapshots that were live then. */
function setDestroyed(
  state: FlashArrayState,
  group: ProtectionGroupRecord,
  destroyed: boolean,
): void {
  if (destroyed === (group.destroyedMs !== null)) {
    throw refused(destroyed ? DESTROYED : "Protection group has not been destroyed.", group.name);
  }
  for (const snapshot of state.protection.snapshotsOf(group.id)) {
    const isWithGroup = snapshot.destroyedMs === group.destroyedMs;
    if (isWithGroup) destroyGroupSnapshot(state, snapshot, destroyed);
  }
  const destroyedMs = destroyed ? state.context.clock.now() : null;
  state.protection.groups.set(group.id, { ...group, destroyedMs });
}

function patchGroups(state: FlashArrayState, call: Call): Answer {
  const groups = named(call, listedGroups(state, call));
  if (groups === undefined) throw refused("names or ids is required.");
  const body = new Fields(call.body);
  const [name, destroyed] = [body.text("name"), body.boolean("destroyed")];
  if (name !== undefined && destroyed !== undefined) throw refused(INVALID_COMBINATION);
  if (name !== undefined) {
    if (groups.length !== 1) throw refused("Only one protection group can be renamed at a time.");
    if (name.toLowerCase() !== groups[0]?.name.toLowerCase()) requireFreeName(state, name);
  }
  state.context.store.change(() => {
    for (const group of groups) {
      if (name !== undefined) state.protection.groups.set(group.id, { ...group, name });
      if (destroyed !== undefined) setDestroyed(state, group, destroyed);
    }
  });
  return items(
    groups.map((group) => renderGroup(state, call, state.protection.groups.get(group.id) ?? group)),
  );
}

function deleteGroups(state: FlashArrayState, call: Call): Answer {
  const groups = named(call, listedGroups(state, call));
  if (groups === undefined) throw refused("names or ids is required.");
  requireManualEradication(state.context);
  const live = groups.find(({ destroyedMs }) => destroyedMs === null);
  if (live !== undefined) {
    throw refused("Protection group cannot be eradicated: it has not been destroyed.", live.name);
  }
  for (const group of groups) {
    for (const one of state.protection.snapshotsOf(group.id)) eradicateGroupSnapshot(state, one);
    state.context.store.change(() => state.protection.groups.delete(group.id));
  }
  return {};
}

/** The live groups that a parameter names; none when it is not given. */
export function protectionGroupsIn(
  state: FlashArrayState,
  call: Call,
  parameter: string,
): ProtectionGroupRecord[] {
  return (csv(call.query, parameter) ?? []).map((text) => {
    const { groups } = state.protection;
    const group = parameter.endsWith("_ids") ? groups.get(text) : state.protection.groupNamed(text);
    if (group === undefined) throw refused(MISSING, text);
    if (group.destroyedMs !== null) throw refused(DESTROYED, text);
    return group;
  });
}

/** RestError 400 when one of these volumes cannot join a group. */
export function requireOutsidePods(names: readonly string[]): void {
  const inPod = names.find((name) => partsOf(name).pod !== undefined);
  if (inPod !== undefined) throw refused(OF_POD, inPod);
}

/** Puts volumes into groups. */
export function joinGroups(
  state: FlashArrayState,
  groups: readonly ProtectionGroupRecord[],
  added: readonly string[],
): void {
  state.context.store.change(() => {
    for (const { id } of groups) {
      const group = state.protection.groups.get(id);
      if (group === undefined) continue;
      const volumeIds = [...new Set([...group.volumeIds, ...added])];
      state.protection.groups.set(id, { ...group, volumeIds });
    }
  });
}

function membersIn(state: FlashArrayState, call: Call): VolumeRecord[] | undefined {
  const names = csv(call.query, "member_names");
  const found = names ?? csv(call.query, "member_ids");
  return found?.map((text) => {
    const volume = names === undefined ? state.volumes.get(text) : state.volumeNamed(text);
    if (volume === undefined) throw refused("Volume does not exist.", text);
    return volume;
  });
}

/** One volume of one group. */
interface Membership {
  group: ProtectionGroupRecord;
  volume: VolumeRecord;
}

function renderMembership(
  state: FlashArrayState,
  call: Call,
  { group, volume }: Membership,
): Row {
  return {
    group: { ...(call.minor >= 26 ? { id: group.id } : {}), name: group.name },
    member: { id: volume.id, name: volume.name, destroyed: volume.destroyedMs !== null },
    ...withContext(state, call),
  };
}

function getMembers(state: FlashArrayState, call: Call): Answer {
  const named = ["group_names", "group_ids"].flatMap((parameter) =>
    protectionGroupsIn(state, call, parameter)
  );
  const members = membersIn(state, call);
  const groups = named.length > 0 ? named : [...state.protection.groups.values()];
  return state.list<Membership>(call, {
    what: "Volume",
    all: () =>
      groups.flatMap((group) =>
        volumesOf(state, group).filter(({ id }) =>
          members?.some((member) => member.id === id) ?? true
        ).map((volume) => ({ group, volume }))
      ),
    keyOf: ({ group, volume }) => `${group.name}/${volume.name}`,
    render: (membership) => renderMembership(state, call, membership),
  });
}

/** The groups and volumes that a change of members names. */
function changedMembers(
  state: FlashArrayState,
  call: Call,
): { groups: ProtectionGroupRecord[]; volumes: VolumeRecord[] } {
  const groups = ["group_names", "group_ids"].flatMap((parameter) =>
    protectionGroupsIn(state, call, parameter)
  );
  const volumes = membersIn(state, call);
  if (groups.length === 0 || volumes === undefined) {
    throw refused("group_names and member_names are required.");
  }
  return { groups, volumes };
}

function postMembers(state: FlashArrayState, call: Call): Answer {
  const { groups, volumes } = changedMembers(state, call);
  requireOutsidePods(volumes.map(({ name }) => name));
  for (const { destroyedMs, id, name } of volumes) {
    if (destroyedMs !== null) throw refused(VOLUME_DESTROYED, name);
    if (groups.some(({ volumeIds }) => volumeIds.includes(id))) {
      throw refused("Volume already belongs to this protection group.", name);
    }
  }
  joinGroups(state, groups, volumes.map(({ id }) => id));
  const rows = groups.flatMap((group) => volumes.map((volume) => ({ group, volume })));
  return items(rows.map((one) => renderMembership(state, call, one)));
}

function deleteMembers(state: FlashArrayState, call: Call): Answer {
  const { groups, volumes } = changedMembers(state, call);
  for (const group of groups) {
    const stranger = volumes.find(({ id }) => !group.volumeIds.includes(id));
    if (stranger !== undefined) {
      throw refused("Volume does not belong to this protection group.", stranger.name);
    }
  }
  const gone = new Set(volumes.map(({ id }) => id));
  state.context.store.change(() => {
    for (const group of groups) {
      const volumeIds = group.volumeIds.filter((id) => !gone.has(id));
      state.protection.groups.set(group.id, { ...group, volumeIds });
    }
  });
  return {};
}

/** Serves /protection-groups and their volumes, from both ends. */
export function addProtectionGroupRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const since = { since: 1 };
  routes.on(
    "GET /protection-groups",
    (call) => state.list(call, listedGroups(state, call)),
    since,
  );
  routes.on("POST /protection-groups", state.changing(POST_MODELLED, postGroups), since);
  routes.on("PATCH /protection-groups", state.changing(PATCH_MODELLED, patchGroups), since);
  routes.on(
    "DELETE /protection-groups",
    (call) => state.turns.take(() => deleteGroups(state, call)),
    since,
  );
  for (const path of ["/protection-groups/volumes", "/volumes/protection-groups"] as const) {
    routes.on(`GET ${path}`, (call) => getMembers(state, call), since);
    routes.on(`POST ${path}`, state.changing(MEMBERS_MODELLED, postMembers), since);
    routes.on(`DELETE ${path}`, state.changing(MEMBERS_MODELLED, deleteMembers), since);
  }
}
