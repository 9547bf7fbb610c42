import { requireManualEradication, requireRoom } from "../array_context.ts";
import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv, flag } from "../call.ts";
import { ownExportKey, requireFreeExport } from "./export_table.ts";
import { blank, changed, PATCH_MODELLED, POST_MODELLED } from "./file_system_fields.ts";
import { fileSystemsTotal, renderFileSystem } from "./render.ts";
import {
  type FileSystemRecord,
  type FileSystemSnapshotRecord,
  FLASHBLADE_LIST,
  type FlashBladeState,
  UNLIMITED_BYTES,
} from "./state.ts";
import { items, listAnswer, type Listed, named } from "../list.ts";
import { requireModelled } from "../modelled.ts";
import { onImages, refused } from "../rest_error.ts";

/** Letters, digits, `-` and `_`, as seen on real arrays; the OpenAPI files name no rule. */
const NAME = /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;
/** First version that copies a snapshot to a new file system. */
const CLONE_SINCE = 25;
const DESTROYED = "File system has been destroyed.";

/** The file systems of a list call: how GET and DELETE of /file-systems find and show them. */
export function listedFileSystems(state: FlashBladeState, call: Call): Listed<FileSystemRecord> {
  return {
    what: "File system",
    all: () => state.fileSystems.values(),
    byName: (name) => state.fileSystemNamed(name),
    byId: (id) => state.fileSystems.get(id),
    keyOf: ({ name }) => name,
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (fileSystem) => renderFileSystem(state, call, fileSystem),
    total: { always: true, of: (found) => fileSystemsTotal(state, call, found), asObject: true },
  };
}

/** A list, or with a `stale` fault the list as it was before the last change. */
export function listOf<T>(state: FlashBladeState, call: Call, listed: Listed<T>): Answer {
  const read = () => listAnswer(call, listed, FLASHBLADE_LIST);
  return call.stale ? state.context.store.stale(read) : read();
}

/**
 * The live snapshot that `source` in a body names. Only snapshots can be copied, not file systems.
 */
function sourceOf(state: FlashBladeState, body: Fields): FileSystemSnapshotRecord | undefined {
  const source = body.object("source");
  if (source === undefined) return undefined;
  const [name, id] = [source.text("name"), source.text("id")];
  const found = name === undefined ? state.snapshots.get(id ?? "") : state.snapshotNamed(name);
  if (found === undefined) {
    throw refused("File system snapshot does not exist.", name ?? id ?? null);
  }
  if (state.snapshotDestroyedMs(found) !== null) {
    throw refused("File system snapshot has been destroyed.", state.snapshotName(found));
  }
  return found;
}

/** `blankBytes` after an image has grown: what df counts more than before is XFS's own. */
async function grownBlank(state: FlashBladeState, record: FileSystemRecord): Promise<number> {
  const before = state.images?.usedBytes(record.id) ?? 0;
  await onImages(
    record.name,
    () => state.images?.grow(record.id, record.provisioned ?? UNLIMITED_BYTES),
  );
  return record.blankBytes + (state.images?.usedBytes(record.id) ?? 0) - before;
}

async function restored(
  state: FlashBladeState,
  call: Call,
  at: { name: string; body: Fields },
): Promise<FileSystemRecord> {
  const target = state.fileSystemNamed(at.name);
  const source = sourceOf(state, at.body);
  if (target === undefined) throw refused("File system does not exist.", at.name);
  if (target.destroyedMs !== null) throw refused(DESTROYED, at.name);
  if (source === undefined) throw refused("overwrite requires a source snapshot.", at.name);
  if (source.fileSystemId !== target.id) {
    throw refused("Only a snapshot of the same file system can be restored over it.", at.name);
  }
  if (flag(call.query, "discard_non_snapshotted_data") !== true) {
    throw refused("discard_non_snapshotted_data must be true to overwrite a file system.", at.name);
  }
  await onImages(at.name, () => state.images?.restore(source.id, target.id));
  const reference = { id: source.id, name: state.snapshotName(source) };
  const record = { ...target, source: reference, copiedBytes: undefined };
  state.context.store.change(() => state.fileSystems.set(record.id, record));
  return record;
}

function requireFree(state: FlashBladeState, call: Call, name: string): void {
  if (!NAME.test(name)) {
    throw refused(
      "Invalid file system name: it must have 1 to 63 letters, digits, '-' and '_', and begin " +
        "and end with a letter or digit.",
      name,
    );
  }
  const holder = state.fileSystemNamed(name);
  if (holder !== undefined) {
    throw refused(holder.destroyedMs === null ? "File system already exists." : DESTROYED, name);
  }
  if (state.fileSystems.size >= state.limits.volumes) {
    throw refused("File system limit reached: maximum number of file systems.", name);
  }
  requireRoom(state, { call, name });
}

function requireCopyable(call: Call, name: string): void {
  if (call.minor < CLONE_SINCE) {
    throw refused(
      `A snapshot cannot be copied to a new file system in REST 2.${call.minor}: ` +
        `2.${CLONE_SINCE} is needed.`,
      name,
    );
  }
  if (flag(call.query, "include_snapshot") !== true) {
    throw refused("include_snapshot must be true to copy a snapshot to a new file system.", name);
  }
}

async function created(
  state: FlashBladeState,
  call: Call,
  at: { name: string; body: Fields },
): Promise<FileSystemRecord> {
  requireFree(state, call, at.name);
  const source = sourceOf(state, at.body);
  if (source !== undefined) requireCopyable(call, at.name);
  const start = blank(state, call, at.name);
  const record = changed(
    state,
    at.body,
    source === undefined ? start : { ...start, provisioned: source.provisioned },
  );
  const size = record.provisioned ?? UNLIMITED_BYTES;
  if (source === undefined) {
    await onImages(at.name, () => state.images?.create(record.id, size));
    record.blankBytes = state.images?.usedBytes(record.id) ?? 0;
  } else {
    if (size < (source.provisioned ?? UNLIMITED_BYTES)) {
      throw refused("provisioned is smaller than that of the source snapshot.", at.name);
    }
    record.source = { id: source.id, name: state.snapshotName(source) };
    await onImages(at.name, () => state.images?.clone(source.id, record.id));
    record.blankBytes = await grownBlank(state, { ...record, blankBytes: source.blankBytes });
    record.copiedBytes = state.writtenBytes(record);
  }
  // After the image: a crash between the two leaves an image without an owner, which the next start
  // removes.
  state.context.store.change(() => state.fileSystems.set(record.id, record));
  await state.showExports([record]);
  return record;
}

function requireShrinkable(
  state: FlashBladeState,
  call: Call,
  at: { old: FileSystemRecord; record: FileSystemRecord },
): void {
  const { old, record } = at;
  if (record.provisioned === null || record.provisioned >= (old.provisioned ?? Infinity)) return;
  const used = state.writtenBytes(old);
  if (record.hardLimit && used > record.provisioned && flag(call.query, "ignore_usage") !== true) {
    throw refused(
      `The new size ${record.provisioned} is below the ${used} bytes in use; ` +
        "ignore_usage is needed.",
      old.name,
    );
  }
}

/**
 * Live → destroyed → live. Protocols must be off before, or go off in the same call.
 */
function destruction(
  state: FlashBladeState,
  body: Fields,
  at: { old: FileSystemRecord; record: FileSystemRecord },
): number | null {
  const { old, record } = at;
  const destroyed = body.boolean("destroyed");
  if (old.destroyedMs !== null && destroyed !== false) throw refused(DESTROYED, old.name);
  if (destroyed !== true) return null;
  if (record.v3 || record.v41 || record.smb || record.http) {
    throw refused("File system cannot be destroyed while a protocol is enabled.", old.name);
  }
  return state.context.clock.now();
}

function renamed(
  state: FlashBladeState,
  body: Fields,
  at: { old: FileSystemRecord; alone: boolean },
): string {
  const name = body.text("name");
  if (name === undefined || name === at.old.name) return at.old.name;
  if (!at.alone) throw refused("Only one file system can be renamed at a time.", name);
  if (body.has("destroyed")) {
    throw refused("name and destroyed cannot be changed together.", at.old.name);
  }
  if (!NAME.test(name)) throw refused("Invalid file system name.", name);
  const holder = state.fileSystemNamed(name);
  if (holder !== undefined && holder.id !== at.old.id) {
    throw refused("File system already exists.", name);
  }
  requireFreeExport(state, ownExportKey(state, { ...at.old, name }));
  return name;
}

async function patch(state: FlashBladeState, call: Call): Promise<Answer> {
  const body = new Fields(call.body);
  const olds = named(call, listedFileSystems(state, call));
  if (olds === undefined) throw refused("names or ids is required.");
  const records = olds.map((old) => {
    const record = {
      ...changed(state, body, old),
      name: renamed(state, body, { old, alone: olds.length === 1 }),
    };
    const destroyedMs = destruction(state, body, { old, record });
    requireShrinkable(state, call, { old, record });
    if ((record.provisioned ?? Infinity) > (old.provisioned ?? Infinity)) {
      requireRoom(state, { call, name: old.name });
    }
    return { ...record, destroyedMs };
  });
  // The image first: a file system that says it is larger must be.
  for (const record of records) {
    if (record.destroyedMs === null) record.blankBytes = await grownBlank(state, record);
  }
  state.context.store.change(() =>
    records.forEach((record) => state.fileSystems.set(record.id, record))
  );
  await state.showExports(records);
  return items(records.map((record) => renderFileSystem(state, call, record)));
}

function isSame(name: string): (other: string) => boolean {
  return (other) => other.toLowerCase() === name.toLowerCase();
}

async function post(state: FlashBladeState, call: Call): Promise<Answer> {
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  const body = new Fields(call.body);
  const records: FileSystemRecord[] = [];
  const overwrites = flag(call.query, "overwrite") === true;
  const doubled = names.find((name, at) => names.findIndex(isSame(name)) !== at);
  if (doubled !== undefined) throw refused("Duplicate names are not allowed.", doubled);
  // All or none: each is checked before the first is made.
  if (!overwrites) { for (const name of names) requireFree(state, call, name); }
  for (const name of names) {
    records.push(
      await (overwrites
        ? restored(state, call, { name, body })
        : created(state, call, { name, body })),
    );
  }
  return items(records.map((record) => renderFileSystem(state, call, record)));
}

async function eradicate(state: FlashBladeState, call: Call): Promise<Answer> {
  const found = named(call, listedFileSystems(state, call));
  if (found === undefined) throw refused("names or ids is required.");
  requireManualEradication(state.context);
  const live = found.find(({ destroyedMs }) => destroyedMs === null);
  if (live !== undefined) {
    throw refused("File system must be destroyed before it is eradicated.", live.name);
  }
  for (const fileSystem of found) await state.eradicateFileSystem(fileSystem);
  return {};
}

/** Serves /file-systems, one change after the other. */
export function addFileSystemRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  routes.on("GET /file-systems", (call) => listOf(state, call, listedFileSystems(state, call)));
  routes.on("POST /file-systems", (call) => {
    requireModelled(call, POST_MODELLED, state.context.name);
    return state.turns.take(() => post(state, call));
  });
  routes.on("PATCH /file-systems", (call) => {
    requireModelled(call, PATCH_MODELLED, state.context.name);
    return state.turns.take(() => patch(state, call));
  });
  routes.on("DELETE /file-systems", (call) => state.turns.take(() => eradicate(state, call)));
}
