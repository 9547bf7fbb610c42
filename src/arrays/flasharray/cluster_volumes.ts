import { isOwnVolumeName, nameKey } from "../../names.ts";
import type { OwnerTags } from "../ownership.ts";
import { isRefusal, RestError } from "../rest/refusals.ts";
import { type ArrayContext, type Reference, reference } from "../rest/named_objects.ts";
import { type Reader, record, text } from "../rest/shape.ts";

/** The tag that a volume gets at its creation, with the cluster's prefix as its value. */
const CLUSTER_TAG = "cluster";
/** The tag that a volume gets when it is imported, with the time as its value. */
const IMPORTED_TAG = "imported";
/**
 * Names per call: 100 names of 63 characters stay below the 8 KiB that web servers take as a URL.
 */
const NAMES_PER_CALL = 100;

interface TagItem {
  key?: string;
  value?: string;
  resource?: Reference | null;
}

const tagItem: Reader<TagItem> = record<TagItem>({
  key: text(),
  value: text(),
  resource: reference,
});

/** Whose volumes a question is about. */
export interface ClusterQuestion {
  /** The cluster's prefix; absent: no volume is known to be its own. */
  cluster: string | undefined;
  signal?: AbortSignal;
}

/**
 * Whether every one of these volumes is the cluster's, so that a host object that serves them may be
 * changed. The tag decides, because a volume keeps it when an administrator renames it; a volume
 * without one is the cluster's by its name. What cannot be read is not the cluster's.
 */
export async function areAllOfCluster(
  context: ArrayContext,
  volumes: readonly string[],
  { cluster, signal }: ClusterQuestion,
): Promise<boolean> {
  if (cluster === undefined) return false;
  for (let start = 0; start < volumes.length; start += NAMES_PER_CALL) {
    const names = volumes.slice(start, start + NAMES_PER_CALL);
    const tags = await clusterTagsOf(context, names, signal);
    const isOwn = (name: string) => {
      const tag = tags?.get(nameKey(name));
      return tag === undefined ? isOwnVolumeName(cluster, name) : tag === cluster;
    };
    if (tags === undefined || !names.every(isOwn)) return false;
  }
  return true;
}

/** Whether the volume is the cluster's: by its name, without a call, else by its tag. */
export async function isOfCluster(
  context: ArrayContext,
  volume: string,
  { cluster, signal }: ClusterQuestion,
): Promise<boolean> {
  if (isOwnVolumeName(cluster, volume)) return true;
  return cluster !== undefined && (await ownerOf(context, volume, signal)).cluster === cluster;
}

/** Whose the volume is by its tags; nobody's without one, or when it is gone. */
export async function ownerOf(
  context: ArrayContext,
  volume: string,
  signal?: AbortSignal,
): Promise<OwnerTags> {
  const tags = await tagsOf(context, volume, signal);
  const cluster = tags.get(CLUSTER_TAG);
  return { isImported: tags.has(IMPORTED_TAG), ...(cluster === undefined ? {} : { cluster }) };
}

/** As StorageArray.tagsOf. */
export async function tagsOf(
  context: ArrayContext,
  volume: string,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const rows = await tagRowsOf(context, { resource_names: [volume] }, signal);
  const own = rows?.filter(({ resource }) => nameKey(resource?.name ?? "") === nameKey(volume));
  return new Map(
    own?.flatMap(({ key, value }) =>
      key === undefined || value === undefined ? [] : [[key, value]]
    ),
  );
}

/**
 * As StorageArray.clustersOf. Volumes that are gone when they are asked about have no tag, and
 * neither have those that are asked about in the same call.
 */
export async function clustersOf(
  context: ArrayContext,
  volumes: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (let start = 0; start < volumes.length; start += NAMES_PER_CALL) {
    const names = volumes.slice(start, start + NAMES_PER_CALL);
    const tags = await clusterTagsOf(context, names, signal);
    for (const [name, value] of tags ?? []) all.set(name, value);
  }
  return all;
}

/** As AdminArray.destroyedTags. */
export async function destroyedTags(
  { rest }: ArrayContext,
  volumes: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Map<string, string>>> {
  const all = new Map<string, Map<string, string>>();
  const read = async (names: readonly string[]) => {
    const query = { resource_names: [...names], resource_destroyed: true };
    const call = { path: "volumes/tags", query, item: tagItem, signal };
    for await (const { key, value, resource } of rest.all<TagItem>(call)) {
      if (key === undefined || value === undefined) continue;
      const name = nameKey(resource?.name ?? "");
      all.set(name, (all.get(name) ?? new Map<string, string>()).set(key, value));
    }
  };
  for (let start = 0; start < volumes.length; start += NAMES_PER_CALL) {
    const names = volumes.slice(start, start + NAMES_PER_CALL);
    try {
      await read(names);
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      // One that is eradicated or recovered by now makes the array refuse them all.
      for (const name of names) await read([name]).catch(unlessGone);
    }
  }
  return all;
}

function unlessGone(error: unknown): void {
  if (!isRefusal(error, "missing", "destroyed")) throw error;
}

/**
 * Volume in lower case → value of its tag `cluster`, where it has one; `undefined` when one of them
 * is gone.
 */
async function clusterTagsOf(
  context: ArrayContext,
  volumes: string[],
  signal?: AbortSignal,
): Promise<Map<string, string> | undefined> {
  // A volume has a dozen tags: without the filter 100 volumes would be more than one page.
  const query = { resource_names: volumes, filter: `key='${CLUSTER_TAG}'` };
  const rows = await tagRowsOf(context, query, signal);
  return rows && new Map(
    rows.flatMap(({ key, value, resource }) =>
      key === CLUSTER_TAG && value !== undefined ? [[nameKey(resource?.name ?? ""), value]] : []
    ),
  );
}

/** Which tags are asked for. */
interface TagQuery {
  resource_names: string[];
  /** Absent: all. */
  filter?: string;
}

/** The tags of these volumes; `undefined` when one of them is gone. */
async function tagRowsOf(
  { rest }: ArrayContext,
  { ...query }: TagQuery,
  signal?: AbortSignal,
): Promise<TagItem[] | undefined> {
  try {
    const path = "volumes/tags";
    const call = { path, query, item: tagItem, lane: "attach", signal } as const;
    return await Array.fromAsync(rest.all<TagItem>(call));
  } catch (error) {
    if (isRefusal(error, "missing", "destroyed")) return undefined;
    throw error;
  }
}

/** The tag that keeps the group of volumes that a volume is spread with. */
const GROUP_TAG = "spread-group";

/** As StorageArray.groupsOf. */
export async function groupsOf(
  { rest }: ArrayContext,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const groups = new Map<string, string>();
  try {
    const query = { filter: `key='${GROUP_TAG}'` };
    const call = { path: "volumes/tags", query, item: tagItem, signal } as const;
    for await (const { key, value, resource } of rest.all<TagItem>(call)) {
      if (key === GROUP_TAG && value && resource?.name) groups.set(resource.name, value);
    }
  } catch (error) {
    // Only where volumes go depends on it: an array that does not tell is used all the same.
    if (!(error instanceof RestError) || error.refusal === "trouble") throw error;
  }
  return groups;
}
