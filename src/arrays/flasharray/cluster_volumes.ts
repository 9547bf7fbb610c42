import { isNamedBy } from "../node_knowledge.ts";
import { isRefusal } from "../rest/refusals.ts";
import type { ArrayContext } from "../rest/named_objects.ts";

/** The tag that a volume gets at its creation, with the cluster's prefix as its value. */
const CLUSTER_TAG = "cluster";
/**
 * Names per call: 100 names of 63 characters stay below the 8 KiB that web servers take as a URL.
 */
const NAMES_PER_CALL = 100;

interface TagItem {
  key?: string;
  value?: string;
  resource?: { name?: string | null } | null;
}

/** Whose volumes a question is about. */
export interface ClusterQuestion {
  /** The cluster's prefix; absent: no volume is known to be its own. */
  cluster: string | undefined;
  signal?: AbortSignal;
}

/**
 * Whether every one of these volumes is the cluster's: by its name, else by its tag (a volume keeps
 * its tags when an administrator renames it). No call as long as the names say so. What cannot be
 * read is not the cluster's.
 */
export async function areAllOfCluster(
  { rest }: ArrayContext,
  volumes: readonly string[],
  { cluster, signal }: ClusterQuestion,
): Promise<boolean> {
  if (cluster === undefined) return false;
  const others = volumes.filter((volume) => !isNamedBy(cluster, volume));
  for (let start = 0; start < others.length; start += NAMES_PER_CALL) {
    const names = others.slice(start, start + NAMES_PER_CALL);
    const query = { resource_names: names };
    const tagged = new Set<string>();
    try {
      const call = { path: "volumes/tags", query, lane: "attach", signal } as const;
      for await (const { key, value, resource } of rest.all<TagItem>(call)) {
        if (key === CLUSTER_TAG && value === cluster) tagged.add(resource?.name ?? "");
      }
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
    }
    if (!names.every((name) => tagged.has(name))) return false;
  }
  return true;
}
