import { isKubeStatus, isObject, type KubeClient, type KubeObject } from "../../kube/client.ts";
import { textAt } from "../check/kube_object.ts";
import type { Collection, TakeoverCluster } from "./cluster.ts";

/** Objects of one page. A page of Helm's records, of up to 1.4 MiB each, has only a few. */
const PAGE_ITEMS = 50;
const RECORDS_PAGE_ITEMS = 2;

/** A cluster by its API; `name` is what messages call it. */
export function kubeCluster(kube: KubeClient, name: string): TakeoverCluster {
  const orNone = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (isKubeStatus(error, 404)) return undefined;
      throw error;
    }
  };
  return {
    name,
    find: (path) => orNone(kube.get(path)),
    list: async (collection) => await orNone(listAll(kube, collection)) ?? [],
    create: (path, object) => kube.create(path, object),
    update: (path, object) => kube.update(path, object),
    patch: (path, fields) => kube.patch(path, fields),
    remove: async (path, uid) => void await orNone(kube.remove(path, uid)),
  };
}

async function listAll(kube: KubeClient, { path, fields = {} }: Collection): Promise<KubeObject[]> {
  const limit = path.endsWith("/secrets") ? RECORDS_PAGE_ITEMS : PAGE_ITEMS;
  const query = new URLSearchParams({ limit: `${limit}` });
  const selector = Object.entries(fields).map(([key, value]) => `${key}=${value}`).join();
  if (selector !== "") query.set("fieldSelector", selector);
  const found: KubeObject[] = [];
  for (;;) {
    const page = await kube.get(`${path}?${query}`);
    if (Array.isArray(page.items)) found.push(...page.items.filter(isObject));
    const next = textAt(page, "metadata", "continue");
    if (next === "") return found;
    query.set("continue", next);
  }
}
