import { requireManualEradication, requireRoom } from "../array_context.ts";
import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv } from "../call.ts";
import { requireDistinct, requireSuffix } from "./names.ts";
import { renderSnapshot } from "./render.ts";
import type { FlashArrayState, SnapshotRecord, VolumeRecord } from "./state.ts";
import { INVALID_COMBINATION, VOLUME_DESTROYED } from "./volume_fields.ts";
import { items, type Listed, named } from "../list.ts";
import type { Modelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";

const POST_MODELLED: Modelled = {
  fields: ["suffix"],
  query: ["source_names", "source_ids", "suffix", "allow_throttle"],
};
const PATCH_MODELLED: Modelled = { fields: ["name", "destroyed"], query: ["names", "ids"] };
const MISSING = "No such volume or snapshot.";
const SNAPSHOT_DESTROYED =
  "Volume snapshot has been destroyed. It can be recovered by purevol recover and eradicated " +
  "by purevol eradicate.";

/**
 * The volumes of source_names or source_ids; `undefined` when neither is given. Only destroyed ones
 * that the caller allows.
 */
function sources(state: FlashArrayState, call: Call): VolumeRecord[] | undefined {
  const [names, ids] = [csv(call.query, "source_names"), csv(call.query, "source_ids")];
  if (names !== undefined && ids !== undefined) {
    throw refused("source_names and source_ids cannot be used together.");
  }
  return (names ?? ids)?.map((text) => {
    const volume = names === undefined ? state.volumes.get(text) : state.volumeNamed(text);
    if (volume === undefined) throw refused(MISSING, text);
    return volume;
  });
}

function listedSnapshots(state: FlashArrayState, call: Call): Listed<SnapshotRecord> {
  return {
    what: "Volume snapshot",
    missing: MISSING,
    all: () =>
      sources(state, call)?.flatMap(({ id }) => state.snapshotsOf(id)) ?? state.snapshots.values(),
    byName: (name) => state.snapshotNamed(name),
    byId: (id) => state.snapshots.get(id),
    keyOf: (snapshot) => state.snapshotName(snapshot),
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (snapshot) => renderSnapshot(state, call, snapshot),
    total: {
      always: false,
      of: (snapshots) => ({
        id: null,
        name: null,
        provisioned: snapshots.reduce((sum, { provisioned }) => sum + provisioned, 0),
        space: {
          total_physical: snapshots.reduce(
            (sum, { id }) => sum + (state.context.plane?.images.allocatedBytes(id) ?? 0),
            0,
          ),
        },
      }),
    },
  };
}

function newSnapshot(
  state: FlashArrayState,
  volume: VolumeRecord,
  suffix: string | undefined,
): SnapshotRecord {
  const chosen = suffix ?? String(volume.nextSnapshot);
  const holder = state.snapshotNamed(`${volume.name}.${chosen}`);
  if (holder !== undefined) {
    const name = `${volume.name}.${chosen}`;
    throw refused(
      holder.destroyedMs === null
        ? "Snapshot already exists."
        : "Snapshot already exists (destroyed, pending eradication).",
      name,
    );
  }
  return {
    id: crypto.randomUUID(),
    suffix: chosen,
    volumeId: volume.id,
    createdMs: state.context.clock.now(),
    provisioned: volume.provisioned,
    serial: "",
    destroyedMs: null,
    withVolume: false,
  };
}

async function postSnapshots(state: FlashArrayState, call: Call): Promise<Answer> {
  const volumes = sources(state, call);
  if (volumes === undefined) throw refused("source_names or source_ids is required.");
  requireDistinct(volumes.map(({ name }) => name));
  const suffix = new Fields(call.body).text("suffix");
  if (suffix !== undefined) requireSuffix(suffix);
  for (const volume of volumes) {
    if (volume.destroyedMs !== null) throw refused(VOLUME_DESTROYED, volume.name);
    requireRoom(state, { call, name: volume.name });
  }
  if (state.snapshots.size + volumes.length > state.limits.snapshots) {
    throw refused("Maximum number of snapshots: limit reached.", volumes[0]?.name);
  }
  const prepared = volumes.map((volume) => newSnapshot(state, volume, suffix));
  for (const snapshot of prepared) {
    await state.context.plane?.images.copyImage(snapshot.volumeId, snapshot.id);
  }
  const made = state.context.store.change(() =>
    prepared.map((snapshot) => {
      const whole = { ...snapshot, serial: state.nextSerial() };
      state.snapshots.set(whole.id, whole);
      const volume = state.volumes.get(whole.volumeId);
      if (volume !== undefined && suffix === undefined) {
        state.volumes.set(volume.id, { ...volume, nextSnapshot: volume.nextSnapshot + 1 });
      }
      return whole;
    })
  );
  state.context.plane?.images.remeasure();
  return items(made.map((snapshot) => renderSnapshot(state, call, snapshot)));
}

/** A part of a protection group's snapshot goes with it and never alone. */
function requireAlone(state: FlashArrayState, snapshot: SnapshotRecord): void {
  if (snapshot.groupSnapshotId === undefined) return;
  throw refused(
    "Volume snapshot is part of a protection group snapshot.",
    state.snapshotName(snapshot),
  );
}

function setDestroyed(state: FlashArrayState, snapshot: SnapshotRecord, destroyed: boolean): void {
  const name = state.snapshotName(snapshot);
  if (destroyed && snapshot.destroyedMs !== null) throw refused(SNAPSHOT_DESTROYED, name);
  if (!destroyed && snapshot.destroyedMs === null) {
    throw refused("Volume snapshot has not been destroyed.", name);
  }
  const volume = state.volumes.get(snapshot.volumeId);
  if (!destroyed && volume?.destroyedMs !== null) throw refused(VOLUME_DESTROYED, volume?.name);
  state.snapshots.set(snapshot.id, {
    ...snapshot,
    destroyedMs: destroyed ? state.context.clock.now() : null,
    withVolume: false,
  });
}

/** `name` in the body is the new suffix alone, or the whole name with the same volume's. */
function renameSnapshot(state: FlashArrayState, snapshot: SnapshotRecord, name: string): void {
  const dot = name.lastIndexOf(".");
  const owner = state.volumes.get(snapshot.volumeId)?.name ?? "";
  if (dot >= 0 && name.slice(0, dot).toLowerCase() !== owner.toLowerCase()) {
    throw refused("A snapshot cannot be moved to another volume.", name);
  }
  const suffix = name.slice(dot + 1);
  requireSuffix(suffix);
  if (snapshot.destroyedMs !== null) {
    throw refused(SNAPSHOT_DESTROYED, state.snapshotName(snapshot));
  }
  const taken = `${state.volumes.get(snapshot.volumeId)?.name}.${suffix}`;
  const holder = state.snapshotNamed(taken);
  if (holder !== undefined && holder.id !== snapshot.id) {
    throw refused("Snapshot already exists.", taken);
  }
  state.snapshots.set(snapshot.id, { ...snapshot, suffix });
}

function patchSnapshots(state: FlashArrayState, call: Call): Answer {
  const snapshots = named(call, listedSnapshots(state, call));
  if (snapshots === undefined) throw refused("names or ids is required.");
  const body = new Fields(call.body);
  const [destroyed, suffix] = [body.boolean("destroyed"), body.text("name")];
  if (destroyed !== undefined && suffix !== undefined) {
    throw refused(INVALID_COMBINATION);
  }
  if (suffix !== undefined && snapshots.length !== 1) {
    throw refused("Only one snapshot can be renamed at a time.");
  }
  for (const snapshot of snapshots) requireAlone(state, snapshot);
  state.context.store.change(() => {
    for (const snapshot of snapshots) {
      if (destroyed !== undefined) setDestroyed(state, snapshot, destroyed);
      if (suffix !== undefined) renameSnapshot(state, snapshot, suffix);
    }
  });
  return items(
    snapshots.map((snapshot) =>
      renderSnapshot(state, call, state.snapshots.get(snapshot.id) ?? snapshot)
    ),
  );
}

function deleteSnapshots(state: FlashArrayState, call: Call): Answer {
  const snapshots = named(call, listedSnapshots(state, call));
  if (snapshots === undefined) throw refused("names or ids is required.");
  requireManualEradication(state.context);
  const live = snapshots.find(({ destroyedMs }) => destroyedMs === null);
  if (live !== undefined) {
    throw refused(
      "Volume snapshot cannot be eradicated: it has not been destroyed.",
      state.snapshotName(live),
    );
  }
  for (const snapshot of snapshots) requireAlone(state, snapshot);
  for (const snapshot of snapshots) state.eradicateSnapshot(snapshot);
  return {};
}

/** Serves /volume-snapshots, one change after the other. */
export function addSnapshotRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /volume-snapshots", (call) => state.list(call, listedSnapshots(state, call)));
  routes.on("POST /volume-snapshots", state.changing(POST_MODELLED, postSnapshots));
  routes.on("PATCH /volume-snapshots", state.changing(PATCH_MODELLED, patchSnapshots));
  routes.on(
    "DELETE /volume-snapshots",
    (call) => state.turns.take(() => deleteSnapshots(state, call)),
  );
}
