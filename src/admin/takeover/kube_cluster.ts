import { isKubeStatus, type KubeClient } from "../../kube/client.ts";
import type { TakeoverCluster } from "./cluster.ts";

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
    list: async ({ path, fields }) => {
      const pageItems = path.endsWith("/secrets") ? RECORDS_PAGE_ITEMS : PAGE_ITEMS;
      return await orNone(kube.list({ path, fields, pageItems })) ?? [];
    },
    create: (path, object) => kube.create(path, object),
    update: (path, object) => kube.update(path, object),
    patch: (path, fields) => kube.patch(path, fields),
    remove: async (path, uid) => void await orNone(kube.remove(path, uid)),
  };
}
