import { isKubeStatus, type KubeClient, type KubeObject } from "../kube/client.ts";
import { kubePath } from "../kube/names.ts";
import {
  EPHEMERAL_API,
  type EphemeralSpec,
  type EphemeralStatus,
  type EphemeralVolume,
  NODE_FINALIZER,
  readEphemeral,
} from "./object.ts";
import { PsoError } from "../errors.ts";

/** What is asked of the API server. */
export type EphemeralKube = Pick<KubeClient, "get" | "create" | "patch" | "remove" | "list">;

/** How often a finalizer is taken away again that somebody else changed meanwhile. */
const TRIES = 4;

/** The EphemeralVolumes of one namespace. Each call throws what the client throws. */
export class EphemeralObjects {
  readonly #kube: () => EphemeralKube;
  /** Where they are in the API. */
  readonly path: string;
  readonly namespace: string;

  constructor(kube: () => EphemeralKube, namespace: string) {
    this.#kube = kube;
    this.namespace = namespace;
    this.path = kubePath`/apis/pso.purestorage.com/v1/namespaces/${namespace}/ephemeralvolumes`;
  }

  /** The object as it is now; undefined when there is none. */
  async get(name: string): Promise<EphemeralVolume | undefined> {
    try {
      return required(await this.#kube().get(this.#pathOf(name)), name);
    } catch (error) {
      if (isKubeStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** All of the namespace. */
  async list(): Promise<EphemeralVolume[]> {
    const found = await this.#kube().list({ path: this.path });
    return found.flatMap((object) => readEphemeral(object) ?? []);
  }

  /** Asks for a volume in the name of a node; gives the object that is there already, if one is. */
  async create(name: string, spec: EphemeralSpec): Promise<EphemeralVolume> {
    try {
      const body = {
        apiVersion: EPHEMERAL_API,
        kind: "EphemeralVolume",
        metadata: { name, finalizers: [NODE_FINALIZER] },
        spec: { ...spec },
      };
      return required(await this.#kube().create(this.path, body), name);
    } catch (error) {
      if (!isKubeStatus(error, 409)) throw error;
    }
    const there = await this.get(name);
    if (there) return there;
    throw new PsoError(
      "unavailable",
      `EphemeralVolume ${name} was deleted right after it was made`,
    );
  }

  /** Status 409 when somebody has changed the object since it was read. A null clears its field. */
  async setStatus(
    { name, resourceVersion }: EphemeralVolume,
    status: { [K in keyof EphemeralStatus]?: EphemeralStatus[K] | null },
  ): Promise<EphemeralVolume> {
    const path = `${this.#pathOf(name)}/status`;
    return required(
      await this.#kube().patch(path, { metadata: { resourceVersion }, status }),
      name,
    );
  }

  /** Status 409 as for setStatus(). */
  async setFinalizers(
    { name, resourceVersion }: EphemeralVolume,
    finalizers: readonly string[],
  ): Promise<EphemeralVolume> {
    const metadata = { resourceVersion, finalizers: [...finalizers] };
    return required(await this.#kube().patch(this.#pathOf(name), { metadata }), name);
  }

  /** Asks for the end of this very object; gone already is success, another of its name stays. */
  async remove({ name, uid }: EphemeralVolume): Promise<void> {
    try {
      await this.#kube().remove(this.#pathOf(name), uid);
    } catch (error) {
      if (!isKubeStatus(error, 404, 409)) throw error;
    }
  }

  /**
   * Says that the node does not have the volume any more, and wants none: asks for the end of the
   * object, and takes the node's finalizer away. An object of another node stays as it is.
   */
  async release(name: string, node: string): Promise<void> {
    for (let tries = 1;; tries++) {
      const found = await this.get(name);
      if (!found || found.spec.node !== node) return;
      if (!found.isDeleting) await this.remove(found);
      // What it is by now: the end that was asked for has changed it.
      const ending = found.isDeleting ? found : await this.get(name);
      if (!ending || ending.uid !== found.uid || !ending.finalizers.includes(NODE_FINALIZER)) {
        return;
      }
      const others = ending.finalizers.filter((one) => one !== NODE_FINALIZER);
      try {
        await this.setFinalizers(ending, others);
        return;
      } catch (error) {
        if (isKubeStatus(error, 404)) return;
        if (!isKubeStatus(error, 409) || tries === TRIES) throw error;
      }
    }
  }

  #pathOf(name: string): string {
    return this.path + kubePath`/${name}`;
  }
}

function required(object: KubeObject, name: string): EphemeralVolume {
  const read = readEphemeral(object);
  if (read) return read;
  throw new PsoError(
    "unavailable",
    `EphemeralVolume ${name} has fields that this driver did not write: see who made it, and ` +
      "delete it",
  );
}
