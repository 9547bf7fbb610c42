import { requireManualEradication, requireRoom } from "../array_context.ts";
import { Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv, flag } from "../call.ts";
import type { Row } from "../filter.ts";
import { partsOf } from "./containers/containers.ts";
import { defaultGroupsFor } from "./containers/default_protection.ts";
import { namesAfter } from "./containers/moves.ts";
import { DEFAULT_VOLUME_BYTES, requireBaseName, requireDistinct, requireSize } from "./names.ts";
import {
  joinGroups,
  protectionGroupsIn,
  requireOutsidePods,
} from "./protection/protection_groups.ts";
import { renderVolume, volumeSpace, volumesTotal } from "./render.ts";
import { neighboursOf } from "./replication/neighbours.ts";
import type { FlashArrayState, VolumeRecord } from "./state.ts";
import { parseTags } from "./tags.ts";
import {
  type CopySource,
  copySource,
  INVALID_COMBINATION,
  priorityOf,
  qosOf,
  VOLUME_DESTROYED,
} from "./volume_fields.ts";
import { items, type Listed, named } from "../list.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { onImages, refused } from "../rest_error.ts";

/** The volumes of a list call: how GET and DELETE of /volumes find and show them. */
export function listedVolumes(state: FlashArrayState, call: Call): Listed<VolumeRecord> {
  return {
    what: "Volume",
    all: () => state.volumes.values(),
    byName: (name) => state.volumeNamed(name),
    byId: (id) => state.volumes.get(id),
    keyOf: ({ name }) => name,
    destroyed: ({ destroyedMs }) => destroyedMs !== null,
    render: (volume) => renderVolume(state, call, volume),
    searched: ({ tags }) => ({ tags }),
    total: { always: true, of: (volumes) => volumesTotal(state, call, volumes) },
  };
}

/** The live volume of that name, or the error that the array gives for it. */
export function liveVolume(state: FlashArrayState, name: string): VolumeRecord {
  const volume = state.volumeNamed(name);
  if (volume === undefined) throw refused("Volume does not exist.", name);
  if (volume.destroyedMs !== null) throw refused(VOLUME_DESTROYED, name);
  return volume;
}

function newVolume(
  state: FlashArrayState,
  name: string,
  body: Fields,
  source: CopySource | undefined,
): VolumeRecord {
  const provisioned = source?.provisioned ?? body.integer("provisioned") ?? DEFAULT_VOLUME_BYTES;
  requireSize(provisioned, name);
  return {
    id: crypto.randomUUID(),
    name,
    createdMs: state.context.clock.now(),
    provisioned,
    serial: "",
    destroyedMs: null,
    source: source?.origin ?? null,
    ...(source === undefined ? {} : { copiedFrom: source.imageId }),
    qos: qosOf(body, { bandwidthLimit: null, iopsLimit: null }),
    priority: priorityOf(body, { operator: "+", value: 0 }),
    tags: [
      ...(source?.tags.filter(({ copyable }) => copyable) ?? []),
      ...parseTags(body.objects("tags") ?? []),
    ],
    nextSnapshot: 1,
  };
}

/** Those that have the volume attached see its new size. */
function showSize(state: FlashArrayState, { id, serial, provisioned }: VolumeRecord): void {
  state.context.plane?.block.resized({ id, serial, sizeBytes: provisioned });
}

async function overwriteVolume(
  state: FlashArrayState,
  target: VolumeRecord,
  source: CopySource,
): Promise<VolumeRecord> {
  const { plane, store } = state.context;
  if (source.imageId === target.id) {
    throw refused("Volume cannot be copied onto itself.", target.name);
  }
  await onImages(target.name, () => plane?.images.overwriteImage(source.imageId, target.id));
  // Name, id and serial stay.
  const { provisioned, origin, imageId } = source;
  const overwritten = { ...target, provisioned, source: origin, copiedFrom: imageId };
  store.change(() => state.volumes.set(target.id, overwritten));
  if (overwritten.provisioned !== target.provisioned) showSize(state, overwritten);
  return overwritten;
}

async function createVolume(
  state: FlashArrayState,
  volume: VolumeRecord,
  source: CopySource | undefined,
): Promise<VolumeRecord> {
  const { plane, store } = state.context;
  await onImages(
    volume.name,
    () =>
      source === undefined
        ? plane?.images.createImage(volume.id, volume.provisioned)
        : plane?.images.copyImage(source.imageId, volume.id),
  );
  return store.change(() => {
    const created = { ...volume, serial: state.nextSerial() };
    state.volumes.set(created.id, created);
    return created;
  });
}

/** Makes volumes of one size, or copies of one source; inside a turn. */
export async function postVolumes(state: FlashArrayState, call: Call): Promise<Answer> {
  const names = csv(call.query, "names");
  if (names === undefined) throw refused("names is required.");
  requireDistinct(names);
  const body = new Fields(call.body);
  const overwrite = flag(call.query, "overwrite") === true;
  const byDefault = flag(call.query, "with_default_protection");
  const protects = byDefault !== undefined;
  const sent = body.object("source");
  const source = sent === undefined ? undefined : copySource(state, sent);
  if (overwrite && source === undefined) throw refused("overwrite needs a source.");
  const groups = ADD_TO_GROUPS.flatMap((parameter) => protectionGroupsIn(state, call, parameter));
  if (groups.length > 0) requireOutsidePods(names);
  if (overwrite && (protects || groups.length > 0)) {
    throw refused(
      `${protects ? "with_default_protection" : "add_to_protection_group_names"} cannot be used ` +
        "with overwrite.",
    );
  }
  for (const name of names) {
    const existing = state.volumeNamed(name);
    const placed = state.containers.requirePlace(name);
    if (existing === undefined) requireBaseName(partsOf(placed).base, name);
    else if (existing.destroyedMs !== null) {
      throw refused("Volume already exists (destroyed, pending eradication).", name);
    } else if (!overwrite) throw refused("Volume already exists.", name);
    requireRoom(state, { call, name });
  }
  if (state.volumes.size + names.length > state.limits.volumes) {
    throw refused("Maximum number of volumes: limit reached.", names[0]);
  }
  const prepared = names.map((name) =>
    state.volumeNamed(name) ??
      newVolume(state, state.containers.requirePlace(name), body, source)
  );
  const sizeOf = ({ provisioned }: VolumeRecord) => source?.provisioned ?? provisioned;
  state.containers.requireQuota(prepared.map((one) => ({ ...one, provisioned: sizeOf(one) })));
  const rows: Row[] = [];
  for (const volume of prepared) {
    const existing = state.volumes.get(volume.id);
    const done = existing !== undefined && source !== undefined
      ? await overwriteVolume(state, existing, source)
      : await createVolume(state, volume, source);
    rows.push(renderVolume(state, call, done));
  }
  joinGroups(state, groups, prepared.map(({ id }) => id));
  for (const { id, name } of overwrite || byDefault === false ? [] : prepared) {
    joinGroups(state, defaultGroupsFor(state, name), [id]);
  }
  // Blank volumes store nothing; only copies change the sums.
  if (source !== undefined) state.context.plane?.images.remeasure();
  return items(rows);
}

/** Destroys or recovers, with the snapshots that go and come with the volume; inside of a change. */
export function setDestroyed(
  state: FlashArrayState,
  volume: VolumeRecord,
  destroyed: boolean,
): void {
  if (destroyed && volume.destroyedMs !== null) {
    throw refused("Volume has been deleted.", volume.name);
  }
  if (!destroyed && volume.destroyedMs === null) {
    throw refused("Volume has not been destroyed.", volume.name);
  }
  const isElsewhere = neighboursOf(state)?.isConnectedElsewhere(state, volume) === true;
  if (destroyed && (isElsewhere || state.connectionsOfVolume(volume.id).length > 0)) {
    throw refused("Volume cannot be destroyed due to existing connections.", volume.name);
  }
  const destroyedMs = destroyed ? state.context.clock.now() : null;
  if (!destroyed) {
    state.containers.requirePlace(volume.name);
    state.containers.requireQuota([{ ...volume, destroyedMs: null }]);
  }
  state.volumes.set(volume.id, { ...volume, destroyedMs });
  for (const snapshot of state.snapshotsOf(volume.id)) {
    if (destroyed && snapshot.destroyedMs === null) {
      state.snapshots.set(snapshot.id, { ...snapshot, destroyedMs, withVolume: true });
    }
    if (!destroyed && snapshot.withVolume) {
      state.snapshots.set(snapshot.id, { ...snapshot, destroyedMs: null, withVolume: false });
    }
  }
}

function newSize(volume: VolumeRecord, body: Fields, truncate: boolean): number {
  const provisioned = body.integer("provisioned") ?? volume.provisioned;
  requireSize(provisioned, volume.name);
  if (provisioned < volume.provisioned && !truncate) {
    throw refused(
      "Volume size cannot be reduced without truncate: the new size is smaller than the " +
        "current one.",
      volume.name,
    );
  }
  return provisioned;
}

const PATCHABLE = [
  "name",
  "destroyed",
  "provisioned",
  "qos",
  "priority_adjustment",
  "requested_promotion_state",
  "pod",
  "volume_group",
];
const ADD_TO_GROUPS = ["add_to_protection_group_names", "add_to_protection_group_ids"];
const POST_MODELLED: Modelled = {
  fields: ["provisioned", "qos", "priority_adjustment", "source", "tags"],
  fixed: { subtype: "regular" },
  query: [
    "names",
    "overwrite",
    "with_default_protection",
    "allow_throttle",
    "provisioned",
    ...ADD_TO_GROUPS,
  ],
};
const PATCH_MODELLED: Modelled = {
  fields: PATCHABLE.filter((field) => field !== "requested_promotion_state"),
  fixed: { requested_promotion_state: "promoted" },
  query: ["names", "ids", "truncate"],
};

/** Whether a change takes something of a pod's quota. */
function needsMore(state: FlashArrayState, after: VolumeRecord, before?: VolumeRecord): boolean {
  return before === undefined || after.provisioned > before.provisioned ||
    state.containers.podOf(after.name) !== state.containers.podOf(before.name);
}

function checkPatch(body: Fields, volumes: VolumeRecord[]): void {
  if (body.has("destroyed") && ["name", "pod", "volume_group"].some((field) => body.has(field))) {
    throw refused(INVALID_COMBINATION, volumes[0]?.name);
  }
}

async function patchVolumes(state: FlashArrayState, call: Call): Promise<Answer> {
  const volumes = named(call, listedVolumes(state, call));
  if (volumes === undefined) throw refused("names or ids is required.");
  const body = new Fields(call.body);
  const context = volumes[0]?.name ?? null;
  if (!PATCHABLE.some((field) => body.has(field))) {
    // Seen on real arrays: 200, the message, and nothing done.
    const rows = volumes.map((volume) => renderVolume(state, call, volume));
    return { body: { items: rows, errors: [{ context, message: "No attribute specified." }] } };
  }
  requireModelled(call, PATCH_MODELLED, state.context.name);
  checkPatch(body, volumes);
  const destroyed = body.boolean("destroyed");
  const truncate = flag(call.query, "truncate") === true;
  if (destroyed === undefined) {
    for (const volume of volumes) {
      if (volume.destroyedMs !== null) throw refused(VOLUME_DESTROYED, volume.name);
    }
  }
  const names = namesAfter(state, volumes, body);
  const sized = volumes.map((volume, at) => {
    const provisioned = newSize(volume, body, truncate);
    if (provisioned > volume.provisioned) requireRoom(state, { call, name: volume.name });
    return {
      ...volume,
      name: names[at] ?? volume.name,
      provisioned,
      qos: qosOf(body, volume.qos),
      priority: priorityOf(body, volume.priority),
    };
  });
  state.containers.requireQuota(
    sized.filter((volume, at) => needsMore(state, volume, volumes[at])),
  );
  for (const volume of sized) {
    if (volume.provisioned === state.volumes.get(volume.id)?.provisioned) continue;
    await onImages(
      volume.name,
      () => state.context.plane?.images.sizeImage(volume.id, volume.provisioned),
    );
    showSize(state, volume);
  }
  state.context.store.change(() => {
    for (const volume of sized) {
      if (destroyed === undefined) state.volumes.set(volume.id, volume);
      else setDestroyed(state, volume, destroyed);
    }
  });
  return items(
    volumes.map(({ id }) => renderVolume(state, call, state.volumes.get(id) ?? refusedGone(id))),
  );
}

/** A volume that was changed in this call and is not there: a fault of the simulator. */
function refusedGone(id: string): never {
  throw new Error(`volume ${id} vanished during a change`);
}

function deleteVolumes(state: FlashArrayState, call: Call): Answer {
  const volumes = named(call, listedVolumes(state, call));
  if (volumes === undefined) throw refused("names or ids is required.");
  requireManualEradication(state.context);
  const live = volumes.find(({ destroyedMs }) => destroyedMs === null);
  if (live !== undefined) {
    throw refused("Volume cannot be eradicated: it has not been destroyed.", live.name);
  }
  for (const volume of volumes) state.eradicateVolume(volume);
  return {};
}

/** /volumes and /volumes/space. */
export function addVolumeRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /volumes", (call) => state.list(call, listedVolumes(state, call)));
  routes.on("POST /volumes", state.changing(POST_MODELLED, postVolumes));
  routes.on("PATCH /volumes", (call) => state.turns.take(() => patchVolumes(state, call)));
  routes.on("DELETE /volumes", (call) => state.turns.take(() => deleteVolumes(state, call)));
  routes.on("GET /volumes/space", (call) =>
    state.list(call, {
      ...listedVolumes(state, call),
      total: {
        always: true,
        of: (volumes) => ({
          id: null,
          name: null,
          space: volumesTotal(state, call, volumes).space,
        }),
      },
      render: (volume) => ({
        id: volume.id,
        name: volume.name,
        space: volumeSpace(state, call, volume),
        time: state.context.clock.now(),
      }),
    }));
}
