import { requireManualEradication, requireRoom } from "../array_context.ts";
import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv, flag } from "../call.ts";
import { listOf } from "./file_systems.ts";
import { renderSnapshot } from "./render.ts";
import type { FileSystemRecord, FileSystemSnapshotRecord, FlashBladeState } from "./state.ts";
import { items, type Listed, named } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { onImages, refused } from "../rest_error.ts";

/** Letters, digits and `-`, as seen on real arrays; the OpenAPI files name no rule. */
const SUFFIX = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

const POST_MODELLED: Modelled = {
  fields: ["suffix"],
  // The last two are refused in words of their own.
  query: ["source_names", "source_ids", "send", "targets"],
};

function listedSnapshots(state: FlashBladeState, call: Call): Listed<FileSystemSnapshotRecord> {
  return {
    what: "File system snapshot",
    all: () => state.snapshots.values(),
    byName: (name) => state.snapshotNamed(name),
    byId: (id) => state.snapshots.get(id),
    keyOf: (snapshot) => state.snapshotName(snapshot),
    destroyed: (snapshot) => state.snapshotDestroyedMs(snapshot) !== null,
    render: (snapshot) => renderSnapshot(state, call, snapshot),
  };
}

/**
 * The snapshots that `names_or_owner_names` and `owner_ids` mean; `undefined` when the call has
 * neither (GET has no parameter `names`).
 */
function selected(state: FlashBladeState, call: Call): FileSystemSnapshotRecord[] | undefined {
  const names = csv(call.query, "names_or_owner_names");
  const owners = csv(call.query, "owner_ids");
  if (names === undefined && owners === undefined) return undefined;
  const byName = (names ?? []).flatMap((name) => {
    const snapshot = state.snapshotNamed(name);
    const owner = state.fileSystemNamed(name);
    if (snapshot === undefined && owner === undefined) {
      throw refused("File system snapshot does not exist.", name);
    }
    return snapshot !== undefined ? [snapshot] : state.snapshotsOf(owner?.id ?? "");
  });
  const byOwner = (owners ?? []).flatMap((id) => {
    if (state.fileSystems.get(id) === undefined) throw refused("File system does not exist.", id);
    return state.snapshotsOf(id);
  });
  return [...new Set([...byName, ...byOwner])];
}

function list(state: FlashBladeState, call: Call): Answer {
  const listed = listedSnapshots(state, call);
  return listOf(state, call, {
    ...listed,
    byName: undefined,
    all: () => selected(state, call) ?? state.snapshots.values(),
  });
}

function sources(state: FlashBladeState, call: Call): FileSystemRecord[] {
  const [names, ids] = [csv(call.query, "source_names"), csv(call.query, "source_ids")];
  // No source at all means every file system of the array.
  if (names === undefined && ids === undefined) {
    return [...state.fileSystems.values()].filter(({ destroyedMs }) => destroyedMs === null);
  }
  return [...(names ?? []), ...(ids ?? [])].map((text) => {
    const found = names === undefined ? state.fileSystems.get(text) : state.fileSystemNamed(text);
    if (found === undefined) throw refused("File system does not exist.", text);
    if (found.destroyedMs !== null) throw refused("File system has been destroyed.", text);
    return found;
  });
}

/** All or none: each snapshot is checked before the first is made. */
function requireNew(
  state: FlashBladeState,
  owners: readonly FileSystemRecord[],
  suffix: string | undefined,
): void {
  const doubled = owners.find((owner, at) => owners.indexOf(owner) !== at);
  if (doubled !== undefined) throw refused("Duplicate names are not allowed.", doubled.name);
  for (const { name, nextSnapshot } of owners) {
    const wanted = `${name}.${suffix ?? nextSnapshot}`;
    if (state.snapshotNamed(wanted) !== undefined) {
      throw refused("File system snapshot already exists.", wanted);
    }
  }
}

async function post(state: FlashBladeState, call: Call): Promise<Answer> {
  if (flag(call.query, "send") === true || csv(call.query, "targets") !== undefined) {
    throw refused("No file system replica link exists to send a snapshot over.");
  }
  const suffix = new Fields(call.body).text("suffix");
  if (suffix !== undefined && !SUFFIX.test(suffix)) {
    throw refused("Invalid snapshot suffix: it must have 1 to 63 letters, digits and '-'.", suffix);
  }
  const owners = sources(state, call);
  requireNew(state, owners, suffix);
  const made: FileSystemSnapshotRecord[] = [];
  for (const owner of owners) {
    const used = suffix ?? String(owner.nextSnapshot);
    const name = `${owner.name}.${used}`;
    if (state.snapshots.size >= state.limits.snapshots) {
      throw refused("Snapshot limit reached: maximum number of snapshots.", name);
    }
    requireRoom(state, { call, name });
    const snapshot: FileSystemSnapshotRecord = {
      id: crypto.randomUUID(),
      fileSystemId: owner.id,
      suffix: used,
      createdMs: state.context.clock.now(),
      provisioned: owner.provisioned,
      destroyedMs: null,
      blankBytes: owner.blankBytes,
    };
    await onImages(name, () => state.images?.snapshot(owner.id, snapshot.id));
    state.context.store.change(() => {
      state.snapshots.set(snapshot.id, snapshot);
      if (suffix === undefined) {
        state.fileSystems.set(owner.id, { ...owner, nextSnapshot: owner.nextSnapshot + 1 });
      }
    });
    made.push(snapshot);
  }
  return items(made.map((snapshot) => renderSnapshot(state, call, snapshot)));
}

function wanted(state: FlashBladeState, call: Call): FileSystemSnapshotRecord[] {
  const found = named(call, listedSnapshots(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  return found;
}

function patch(state: FlashBladeState, call: Call): Answer {
  const destroyed = new Fields(call.body).boolean("destroyed");
  const records = wanted(state, call).map((old) => {
    const name = state.snapshotName(old);
    if (destroyed === undefined) throw refused("No attribute specified.", name);
    if (state.ownerOf(old).destroyedMs !== null) {
      throw refused("The snapshot's file system has been destroyed.", name);
    }
    if (destroyed && old.destroyedMs !== null) {
      throw refused("File system snapshot has been destroyed.", name);
    }
    return { ...old, destroyedMs: destroyed ? state.context.clock.now() : null };
  });
  state.context.store.change(() =>
    records.forEach((record) => state.snapshots.set(record.id, record))
  );
  return items(records.map((record) => renderSnapshot(state, call, record)));
}

async function eradicate(state: FlashBladeState, call: Call): Promise<Answer> {
  const found = wanted(state, call);
  requireManualEradication(state.context);
  const live = found.find((snapshot) => state.snapshotDestroyedMs(snapshot) === null);
  if (live !== undefined) {
    throw refused(
      "File system snapshot must be destroyed before it is eradicated.",
      state.snapshotName(live),
    );
  }
  for (const snapshot of found) await state.eradicateSnapshot(snapshot);
  return {};
}

/** Serves /file-system-snapshots, one change after the other. */
export function addFileSystemSnapshotRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  routes.on("GET /file-system-snapshots", (call) => list(state, call));
  routes.on("POST /file-system-snapshots", (call) => {
    requireModelled(call, POST_MODELLED, state.context.name);
    return state.turns.take(() => post(state, call));
  });
  routes.on("PATCH /file-system-snapshots", (call) => state.turns.take(() => patch(state, call)));
  routes.on(
    "DELETE /file-system-snapshots",
    (call) => state.turns.take(() => eradicate(state, call)),
  );
}
