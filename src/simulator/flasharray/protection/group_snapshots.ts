import { requireManualEradication, requireRoom, timeRemaining } from "../../array_context.ts";
import { Fields } from "../../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../../call.ts";
import type { Row } from "../../filter.ts";
import { items, type Listed, named } from "../../list.ts";
import type { Modelled } from "../../modelled.ts";
import { refused } from "../../rest_error.ts";
import { requireDistinct, requireSuffix } from "../names.ts";
import { snapshotSpace, withContext } from "../render.ts";
import type { FlashArrayState, SnapshotRecord } from "../state.ts";
import { INVALID_COMBINATION } from "../volume_fields.ts";
import type { GroupSnapshotRecord, ProtectionGroupRecord } from "./protection_state.ts";

const POST_MODELLED: Modelled = {
  fields: ["suffix"],
  query: ["source_names", "source_ids", "suffix", "allow_throttle"],
};
const PATCH_MODELLED: Modelled = { fields: ["name", "destroyed"], query: ["names", "ids"] };
const MISSING = "Protection group snapshot does not exist.";
const DESTROYED = "Protection group snapshot has been destroyed.";

function sources(state: FlashArrayState, call: Call): ProtectionGroupRecord[] | undefined {
  const names = csv(call.query, "source_names");
  return (names ?? csv(call.query, "source_ids"))?.map((text) => {
    const { protection } = state;
    const group = names === undefined ? protection.groups.get(text) : protection.groupNamed(text);
    if (group === undefined) throw refused("Protection group does not exist.", text);
    return group;
  });
}

function listed(state: FlashArrayState, call: Call): Listed<GroupSnapshotRecord> {
  const { protection } = state;
  return {
    what: "Protection group snapshot",
    missing: MISSING,
    all: () =>
      sources(state, call)?.flatMap(({ id }) => protection.snapshotsOf(id)) ??
        protection.snapshots.values(),
    byName: (name) => protection.snapshotNamed(name),
    byId: (id) => protection.snapshots.get(id),
    keyOf: (one) => protection.nameOf(one),
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (one) => render(state, call, one),
  };
}

/** Ids came with REST 2.26. */
function render(state: FlashArrayState, call: Call, one: GroupSnapshotRecord): Row {
  const group = state.protection.groups.get(one.groupId);
  const withId = (id: string) => call.minor >= 26 ? { id } : {};
  return {
    ...withId(one.id),
    name: state.protection.nameOf(one),
    created: one.createdMs,
    destroyed: one.destroyedMs !== null,
    pod: { name: null, id: null },
    source: { ...withId(one.groupId), name: group?.name ?? null },
    get space() {
      return snapshotSpace(state, call, partsOf(state, one));
    },
    suffix: one.suffix,
    time_remaining: timeRemaining(state, one.destroyedMs),
    ...withContext(state, call),
  };
}

/** The snapshots of volumes that a snapshot of a group consists of. */
function partsOf(state: FlashArrayState, { id }: GroupSnapshotRecord): SnapshotRecord[] {
  return [...state.snapshots.values()].filter(({ groupSnapshotId }) => groupSnapshotId === id);
}

/** Destroys or recovers it with all of its parts. Inside change(). */
export function destroyGroupSnapshot(
  state: FlashArrayState,
  one: GroupSnapshotRecord,
  destroyed: boolean,
): void {
  if (destroyed === (one.destroyedMs !== null)) {
    throw refused(
      destroyed ? DESTROYED : "Protection group snapshot has not been destroyed.",
      state.protection.nameOf(one),
    );
  }
  const destroyedMs = destroyed ? state.context.clock.now() : null;
  for (const part of partsOf(state, one)) state.snapshots.set(part.id, { ...part, destroyedMs });
  state.protection.snapshots.set(one.id, { ...one, destroyedMs });
}

/** Removes it for ever, with all of its parts. */
export function eradicateGroupSnapshot(state: FlashArrayState, one: GroupSnapshotRecord): void {
  for (const part of partsOf(state, one)) state.eradicateSnapshot(part);
  state.context.store.change(() => state.protection.snapshots.delete(one.id));
}

function newSnapshot(
  state: FlashArrayState,
  group: ProtectionGroupRecord,
  suffix: string | undefined,
): GroupSnapshotRecord {
  const one = {
    id: crypto.randomUUID(),
    groupId: group.id,
    suffix: suffix ?? String(group.nextSnapshot),
    createdMs: state.context.clock.now(),
    destroyedMs: null,
  };
  const name = state.protection.nameOf(one);
  if (group.destroyedMs !== null) throw refused("Protection group has been destroyed.", group.name);
  const holder = state.protection.snapshotNamed(name);
  if (holder === undefined) return one;
  throw refused(
    holder.destroyedMs === null
      ? "Protection group snapshot already exists."
      : "Protection group snapshot name is held by one that is pending eradication.",
    name,
  );
}

/** What a new snapshot of the group consists of: its volumes that are live. */
function newParts(state: FlashArrayState, one: GroupSnapshotRecord): SnapshotRecord[] {
  const { volumeIds = [] } = state.protection.groups.get(one.groupId) ?? {};
  const volumes = volumeIds.flatMap((id) => state.volumes.get(id) ?? []);
  return volumes.filter(({ destroyedMs }) => destroyedMs === null).map((volume) => ({
    id: crypto.randomUUID(),
    suffix: one.suffix,
    groupSnapshotId: one.id,
    volumeId: volume.id,
    createdMs: one.createdMs,
    provisioned: volume.provisioned,
    serial: "",
    destroyedMs: null,
    withVolume: false,
  }));
}

async function postSnapshots(state: FlashArrayState, call: Call): Promise<Answer> {
  const groups = sources(state, call);
  if (groups === undefined) throw refused("source_names or source_ids is required.");
  requireDistinct(groups.map(({ name }) => name));
  const suffix = new Fields(call.body).text("suffix");
  if (suffix !== undefined) requireSuffix(suffix);
  for (const { name } of groups) requireRoom(state, { call, name });
  const made = groups.map((group) => newSnapshot(state, group, suffix));
  const parts = made.flatMap((one) => newParts(state, one));
  if (state.snapshots.size + parts.length > state.limits.snapshots) {
    throw refused("Maximum number of snapshots: limit reached.", groups[0]?.name);
  }
  const { images } = state.context.plane ?? {};
  for (const part of parts) await images?.copyImage(part.volumeId, part.id);
  state.context.store.change(() => {
    for (const one of made) state.protection.snapshots.set(one.id, one);
    for (const part of parts) {
      state.snapshots.set(part.id, { ...part, serial: state.nextSerial() });
    }
    if (suffix !== undefined) return;
    for (const group of groups) {
      const nextSnapshot = group.nextSnapshot + 1;
      state.protection.groups.set(group.id, { ...group, nextSnapshot });
    }
  });
  images?.remeasure();
  return items(made.map((one) => render(state, call, one)));
}

/** `name` is the new suffix alone, or the whole name with the same group's. */
function rename(state: FlashArrayState, one: GroupSnapshotRecord, name: string): void {
  const dot = name.lastIndexOf(".");
  const renamed = { ...one, suffix: name.slice(dot + 1) };
  const whole = state.protection.nameOf(renamed);
  if (dot >= 0 && name.toLowerCase() !== whole.toLowerCase()) {
    throw refused("A snapshot cannot be moved to another protection group.", name);
  }
  requireSuffix(renamed.suffix);
  const holder = state.protection.snapshotNamed(whole);
  if (holder !== undefined && holder.id !== one.id) {
    throw refused("Protection group snapshot already exists.", whole);
  }
  for (const part of partsOf(state, one)) {
    state.snapshots.set(part.id, { ...part, suffix: renamed.suffix });
  }
  state.protection.snapshots.set(one.id, renamed);
}

function patchSnapshots(state: FlashArrayState, call: Call): Answer {
  const found = named(call, listed(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  const body = new Fields(call.body);
  const [destroyed, name] = [body.boolean("destroyed"), body.text("name")];
  if (destroyed !== undefined && name !== undefined) throw refused(INVALID_COMBINATION);
  if (name !== undefined && found.length !== 1) {
    throw refused("Only one snapshot can be renamed at a time.");
  }
  state.context.store.change(() => {
    for (const one of found) {
      if (destroyed !== undefined) destroyGroupSnapshot(state, one, destroyed);
      if (name !== undefined) rename(state, one, name);
    }
  });
  return items(
    found.map((one) => render(state, call, state.protection.snapshots.get(one.id) ?? one)),
  );
}

function deleteSnapshots(state: FlashArrayState, call: Call): Answer {
  const found = named(call, listed(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  requireManualEradication(state.context);
  const live = found.find(({ destroyedMs }) => destroyedMs === null);
  if (live !== undefined) {
    throw refused(
      "Protection group snapshot cannot be eradicated: it has not been destroyed.",
      state.protection.nameOf(live),
    );
  }
  for (const one of found) eradicateGroupSnapshot(state, one);
  return {};
}

/** Serves /protection-group-snapshots, one change after the other. */
export function addGroupSnapshotRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const path = "/protection-group-snapshots";
  const since = { since: 1 };
  routes.on(`GET ${path}`, (call) => state.list(call, listed(state, call)), since);
  routes.on(`POST ${path}`, state.changing(POST_MODELLED, postSnapshots), since);
  routes.on(`PATCH ${path}`, state.changing(PATCH_MODELLED, patchSnapshots), since);
  routes.on(
    `DELETE ${path}`,
    (call) => state.turns.take(() => deleteSnapshots(state, call)),
    since,
  );
}
