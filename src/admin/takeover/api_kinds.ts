import { objectsAt, textAt } from "../check/kube_object.ts";
import type { TakeoverCluster } from "./cluster.ts";
import { kubePath } from "../../kube/names.ts";

/** A kind as a cluster serves it. */
export interface ServedKind {
  /** `/apis/apps/v1` */
  base: string;
  /** `statefulsets` */
  plural: string;
  isNamespaced: boolean;
}

type NamedKind = ServedKind & { kind: string };

/** Where an object stands, as a manifest says it. */
export interface ManifestObject {
  apiVersion: string;
  kind: string;
  name: string;
  /** Of the release, where the manifest says none. */
  namespace: string;
}

/** Which kinds the API of one cluster has; each version is asked for once. */
export class ApiKinds {
  readonly #cluster: Pick<TakeoverCluster, "find">;
  readonly #versions = new Map<string, Promise<NamedKind[]>>();

  constructor(cluster: Pick<TakeoverCluster, "find">) {
    this.#cluster = cluster;
  }

  /** How the cluster serves this kind; undefined when it does not. */
  async served(apiVersion: string, kind: string): Promise<ServedKind | undefined> {
    let kinds = this.#versions.get(apiVersion);
    if (kinds === undefined) {
      kinds = this.#ask(apiVersion);
      this.#versions.set(apiVersion, kinds);
    }
    return (await kinds).find((one) => one.kind === kind);
  }

  /** The path of the object; undefined when the API has no such kind. */
  async pathOf({ apiVersion, kind, name, namespace }: ManifestObject): Promise<string | undefined> {
    const found = await this.served(apiVersion, kind);
    if (found === undefined) return undefined;
    const { base, plural, isNamespaced } = found;
    return base + (isNamespaced ? kubePath`/namespaces/${namespace}` : "") +
      kubePath`/${plural}/${name}`;
  }

  async #ask(apiVersion: string): Promise<NamedKind[]> {
    const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const list = await this.#cluster.find(base);
    return objectsAt(list, "resources").map((one) => ({
      base,
      kind: textAt(one, "kind"),
      plural: textAt(one, "name"),
      isNamespaced: one.namespaced === true,
    })).filter(({ plural }) => !plural.includes("/")); // a part of an object, such as `pods/log`
  }
}
