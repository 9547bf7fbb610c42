import { bodyList, type Fields } from "../body.ts";
import { type Answer, type ArrayRoutes, type Call, csv, flag } from "../call.ts";
import type { FlashArrayState, Tag, VolumeRecord } from "./state.ts";
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

function renderTag(volume: VolumeRecord, tag: Tag) {
  return { ...tag, resource: { id: volume.id, name: volume.name } };
}

/** The volumes that resource_names or resource_ids name; all when neither is given. */
function resources(state: FlashArrayState, call: Call): VolumeRecord[] {
  const [names, ids] = [csv(call.query, "resource_names"), csv(call.query, "resource_ids")];
  const found = names?.map((name) => ({ name, volume: state.volumeNamed(name) })) ??
    ids?.map((id) => ({ name: id, volume: state.volumes.get(id) }));
  const destroyed = flag(call.query, "resource_destroyed");
  const volumes = found?.map(({ name, volume }) => {
    if (volume === undefined) throw refused("Volume does not exist.", name);
    return volume;
  }) ?? [...state.volumes.values()];
  return destroyed === undefined
    ? volumes
    : volumes.filter(({ destroyedMs }) => (destroyedMs !== null) === destroyed);
}

function getTags(state: FlashArrayState, call: Call): Answer {
  const namespaces = csv(call.query, "namespaces");
  return state.list(call, {
    what: "Tag",
    all: () =>
      resources(state, call).flatMap((volume) =>
        volume.tags.filter(({ namespace }) => namespaces?.includes(namespace) ?? true).map((
          tag,
        ) => ({ volume, tag }))
      ),
    keyOf: ({ volume, tag }) => `${volume.name}/${tag.namespace}/${tag.key}`,
    render: ({ volume, tag }) => renderTag(volume, tag),
  });
}

function putTags(state: FlashArrayState, call: Call): Answer {
  const volumes = resources(state, call);
  if (!call.query.has("resource_names") && !call.query.has("resource_ids")) {
    throw refused("resource_names or resource_ids is required.");
  }
  const tags = parseTags(bodyList(call.body));
  state.context.store.change(() => {
    for (const volume of volumes) {
      const kept = volume.tags.filter((old) => !tags.some((tag) => sameTag(tag, old)));
      state.volumes.set(volume.id, { ...volume, tags: [...kept, ...tags] });
    }
  });
  return items(volumes.flatMap((volume) => tags.map((tag) => renderTag(volume, tag))));
}

function deleteTags(state: FlashArrayState, call: Call): Answer {
  const volumes = resources(state, call);
  const keys = csv(call.query, "keys");
  const namespaces = csv(call.query, "namespaces") ?? [DEFAULT_NAMESPACE];
  if (namespaces.length > 1) throw refused("Only one namespace is allowed.", namespaces.join(","));
  const gone = (tag: Tag) =>
    namespaces.includes(tag.namespace) && (keys?.includes(tag.key) ?? true);
  const bare = volumes.find(({ tags }) => !tags.some(gone));
  if (bare !== undefined && keys !== undefined) {
    throw refused("Tag does not exist.", keys.join(","));
  }
  state.context.store.change(() => {
    for (const volume of volumes) {
      state.volumes.set(volume.id, {
        ...volume,
        tags: volume.tags.filter((tag) => !gone(tag)),
      });
    }
  });
  return {};
}

/** Serves /volumes/tags (from REST 2.2 on), one change after the other. */
export function addTagRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("GET /volumes/tags", (call) => getTags(state, call), { since: 2 });
  routes.on("PUT /volumes/tags/batch", (call) => state.turns.take(() => putTags(state, call)), {
    since: 2,
  });
  routes.on("DELETE /volumes/tags", (call) => state.turns.take(() => deleteTags(state, call)), {
    since: 2,
  });
}
