import { bodyList, type Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv, flag } from "../call.ts";
import type { FlashArrayState, SnapshotRecord, Tag, VolumeRecord } from "./state.ts";
import { items } from "../list.ts";
import { refused } from "../rest_error.ts";

const MAX_KEY = 64;
const MAX_VALUE = 256;
const DEFAULT_NAMESPACE = "default";

/** Reads tags of a request; RestError 400 for a missing or too long key or value. */
export function parseTags(sent: Fields[]): Tag[] {
  return sent.map((fields) => {
    const [key, value] = [fields.text("key"), fields.text("value") ?? ""];
    if (key === undefined || key === "" || [...key].length > MAX_KEY) {
      throw refused(`Invalid tag key: 1 to ${MAX_KEY} characters.`, key ?? null);
    }
    if ([...value].length > MAX_VALUE) {
      throw refused(`Invalid tag value: at most ${MAX_VALUE} characters.`, key);
    }
    return {
      namespace: fields.text("namespace") ?? DEFAULT_NAMESPACE,
      key,
      value,
      copyable: fields.boolean("copyable") ?? true,
    };
  });
}

function sameTag(left: Tag, right: Tag): boolean {
  return left.key === right.key && left.namespace === right.namespace;
}

/** One sort of objects that carry tags. */
interface Tagged<T> {
  state: FlashArrayState;
  path: `/${string}`;
  /** What the array says when there is no such object. */
  missing: string;
  all: () => Iterable<T>;
  byName: (name: string) => T | undefined;
  byId: (id: string) => T | undefined;
  nameOf: (object: T) => string;
  tagsOf: (object: T) => Tag[];
  keep: (object: T, tags: Tag[]) => void;
}

/** What the calls need of an object that carries tags. */
interface Carrier {
  id: string;
  destroyedMs: number | null;
}

function renderTag<T extends Carrier>({ nameOf }: Tagged<T>, { of, tag }: { of: T; tag: Tag }) {
  return { ...tag, resource: { id: of.id, name: nameOf(of) } };
}

/** The objects that resource_names or resource_ids name; all when neither is given. */
function resources<T extends Carrier>(tagged: Tagged<T>, call: Call): T[] {
  const [names, ids] = [csv(call.query, "resource_names"), csv(call.query, "resource_ids")];
  const found = names?.map((name) => ({ name, of: tagged.byName(name) })) ??
    ids?.map((id) => ({ name: id, of: tagged.byId(id) }));
  const destroyed = flag(call.query, "resource_destroyed");
  const objects = found?.map(({ name, of }) => {
    if (of === undefined) throw refused(tagged.missing, name);
    return of;
  }) ?? [...tagged.all()];
  return destroyed === undefined
    ? objects
    : objects.filter(({ destroyedMs }) => (destroyedMs !== null) === destroyed);
}

function getTags<T extends Carrier>(tagged: Tagged<T>, call: Call): Answer {
  const { state } = tagged;
  const namespaces = csv(call.query, "namespaces");
  const isWanted = ({ namespace }: Tag) => namespaces?.includes(namespace) ?? true;
  return state.list(call, {
    what: "Tag",
    all: () =>
      resources(tagged, call).flatMap((of) =>
        tagged.tagsOf(of).filter(isWanted).map((tag) => ({ of, tag }))
      ),
    keyOf: ({ of, tag }) => `${tagged.nameOf(of)}/${tag.namespace}/${tag.key}`,
    render: (one) => renderTag(tagged, one),
  });
}

function putTags<T extends Carrier>(tagged: Tagged<T>, call: Call): Answer {
  const objects = resources(tagged, call);
  if (!call.query.has("resource_names") && !call.query.has("resource_ids")) {
    throw refused("resource_names or resource_ids is required.");
  }
  const tags = parseTags(bodyList(call.body));
  tagged.state.context.store.change(() => {
    for (const of of objects) {
      const kept = tagged.tagsOf(of).filter((old) => !tags.some((tag) => sameTag(tag, old)));
      tagged.keep(of, [...kept, ...tags]);
    }
  });
  return items(objects.flatMap((of) => tags.map((tag) => renderTag(tagged, { of, tag }))));
}

function deleteTags<T extends Carrier>(tagged: Tagged<T>, call: Call): Answer {
  const objects = resources(tagged, call);
  const keys = csv(call.query, "keys");
  const namespaces = csv(call.query, "namespaces") ?? [DEFAULT_NAMESPACE];
  if (namespaces.length > 1) throw refused("Only one namespace is allowed.", namespaces.join(","));
  const gone = (tag: Tag) =>
    namespaces.includes(tag.namespace) && (keys?.includes(tag.key) ?? true);
  const bare = objects.find((of) => !tagged.tagsOf(of).some(gone));
  if (bare !== undefined && keys !== undefined) {
    throw refused("Tag does not exist.", keys.join(","));
  }
  tagged.state.context.store.change(() => {
    for (const of of objects) tagged.keep(of, tagged.tagsOf(of).filter((tag) => !gone(tag)));
  });
  return {};
}

function taggedVolumes(state: FlashArrayState): Tagged<VolumeRecord> {
  return {
    state,
    path: "/volumes/tags",
    missing: "Volume does not exist.",
    all: () => state.volumes.values(),
    byName: (name) => state.volumeNamed(name),
    byId: (id) => state.volumes.get(id),
    nameOf: ({ name }) => name,
    tagsOf: ({ tags }) => tags,
    keep: (volume, tags) => state.volumes.set(volume.id, { ...volume, tags }),
  };
}

function taggedSnapshots(state: FlashArrayState): Tagged<SnapshotRecord> {
  return {
    state,
    path: "/volume-snapshots/tags",
    missing: "No such volume or snapshot.",
    all: () => state.snapshots.values(),
    byName: (name) => state.snapshotNamed(name),
    byId: (id) => state.snapshots.get(id),
    nameOf: (snapshot) => state.snapshotName(snapshot),
    tagsOf: ({ tags = [] }) => tags,
    keep: (snapshot, tags) => state.snapshots.set(snapshot.id, { ...snapshot, tags }),
  };
}

function addRoutesOf<T extends Carrier>(routes: ArrayRoutes, tagged: Tagged<T>): void {
  const since = { since: 2 };
  const changing = (change: typeof putTags<T>) => (call: Call) =>
    tagged.state.turns.take(() => change(tagged, call));
  routes.on(`GET ${tagged.path}`, (call) => getTags(tagged, call), since);
  routes.on(`PUT ${tagged.path}/batch`, changing(putTags), since);
  routes.on(`DELETE ${tagged.path}`, changing(deleteTags), since);
}

/** Serves the tags of volumes and of snapshots (from REST 2.2 on), one change after the other. */
export function addTagRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  addRoutesOf(routes, taggedVolumes(state));
  addRoutesOf(routes, taggedSnapshots(state));
}
