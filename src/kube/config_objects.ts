import { Buffer } from "node:buffer";
import { abortError, pause } from "../async/wait.ts";
import { PsoError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { isObject, type KubeClient, type KubeObject } from "./client.ts";
import { KubeWatch } from "./watch.ts";
import { kubePath } from "./names.ts";

/** A kind of object that may hold the configuration. */
export type ConfigKind = "Secret" | "ConfigMap";

/** An object that holds a part of the configuration, and the key where it stands. */
export interface ConfigObject {
  kind: ConfigKind;
  namespace: string;
  name: string;
  key: string;
}

/** What the API knows of each kind. */
const KINDS: Record<ConfigKind, { plural: string; decode: (text: string) => string }> = {
  Secret: { plural: "secrets", decode: (text) => Buffer.from(text, "base64").toString("utf8") },
  ConfigMap: { plural: "configmaps", decode: (text) => text },
};

/** Changes that come within this time are told as one. */
const GATHER_MS = 200;

/** The part of an object that stands in `path` for messages and for `readTextFile`. */
export function configPathOf({ kind, namespace, name, key }: ConfigObject): string {
  return `${kind} ${namespace}/${name} key ${key}`;
}

/** What the objects are read with. */
interface ConfigObjectsSetup {
  kube: KubeClient;
  objects: readonly ConfigObject[];
  /**
   * The folder as which a pod would have the Secret mounted: files of that folder are the Secret's
   * other keys.
   */
  secretFolder: string;
  /** For all other files. */
  readTextFile: (path: string) => Promise<string>;
  /** For all other files that the configuration names. */
  readNamedFile: (path: string) => Promise<string>;
  log: Logger;
}

/** One object, as it was seen last. */
interface Seen {
  object: ConfigObject;
  /** Absent: there is no such object. */
  data?: Record<string, unknown>;
  isListed: boolean;
  problem?: string;
}

/**
 * The parts of the configuration that are objects of the API, watched by their names. While the API
 * is silent they are as they were seen last.
 */
export class ConfigObjects {
  readonly #setup: ConfigObjectsSetup;
  readonly #seen: Seen[];
  /** Wakes who waits for a change. */
  #wake: () => void = () => {};
  /** Whether something changed that changed() has not told yet. */
  #isTold = true;

  constructor(setup: ConfigObjectsSetup) {
    this.#setup = setup;
    this.#seen = setup.objects.map((object) => ({ object, isListed: false }));
  }

  /** Watches until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#seen.map((seen) => this.#watchOf(seen).run(signal)));
  }

  /**
   * The text of a file of the configuration: of `configPathOf()` the object's. NotFound when the
   * object or its key does not exist, `unavailable` before it was ever read.
   */
  readonly readTextFile = async (path: string): Promise<string> => {
    const named = this.#seen.find(({ object }) => configPathOf(object) === path);
    return named ? textOf(named, named.object.key) : await this.#setup.readTextFile(path);
  };

  /**
   * The text of a file that the configuration names: of the Secret's folder that of another key.
   * Throws as readTextFile.
   */
  readonly readNamedFile = async (path: string): Promise<string> => {
    const { readNamedFile, secretFolder } = this.#setup;
    const secret = this.#seen.find(({ object }) => object.kind === "Secret");
    const [, folder, file = ""] = /^(.*)\/([^/]+)$/.exec(path) ?? [];
    if (secret && folder === secretFolder) return textOf(secret, file);
    return await readNamedFile(path);
  };

  /**
   * Waits until one of the objects has changed since this was called last, or `ms` are over.
   * Changes that come together, as by an upgrade of the chart, are told together.
   */
  async changed(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#isTold) await this.#nextChange(ms, signal);
    if (!this.#isTold) await pause(GATHER_MS, signal);
    this.#isTold = true;
  }

  async #nextChange(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#wake = wake;
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
    await pause(ms, woken.signal).catch(() => {});
    signal.removeEventListener("abort", wake);
    this.#wake = () => {};
    if (signal.aborted) throw abortError(signal);
  }

  /** Why what was seen last may be old; absent while all objects are watched. */
  get problem(): string | undefined {
    return this.#seen.find(({ problem }) => problem !== undefined)?.problem;
  }

  #watchOf(seen: Seen): KubeWatch {
    const { kube, log } = this.#setup;
    const { kind, namespace, name } = seen.object;
    let listed: Record<string, unknown> | undefined;
    let isListing = false;
    const isOurs = ({ metadata }: KubeObject) =>
      isObject(metadata) && metadata.name === name && metadata.namespace === namespace;
    const take = (data: Record<string, unknown> | undefined) => {
      seen.data = data;
      seen.isListed = true;
      this.#notify();
    };
    return new KubeWatch({
      kube,
      collection: { path: kubePath`/api/v1/namespaces/${namespace}/${KINDS[kind].plural}`, name },
      handlers: {
        begin: () => {
          listed = undefined;
          isListing = true;
        },
        put: (object) => {
          if (!isOurs(object)) return;
          if (isListing) listed = dataOf(object);
          else take(dataOf(object));
        },
        remove: (object) => isOurs(object) && take(undefined),
        listed: () => {
          isListing = false;
          take(listed);
        },
        trouble: (problem) => {
          const object = `${kind} ${namespace}/${name}`;
          if (problem === undefined) log.info("configuration is watched", { object });
          else log.warn("configuration is not watched", { object, problem });
          seen.problem = problem;
          this.#notify();
        },
      },
    });
  }

  #notify(): void {
    this.#isTold = false;
    this.#wake();
  }
}

function dataOf({ data }: KubeObject): Record<string, unknown> {
  return isObject(data) ? data : {};
}

function textOf({ object, data, isListed, problem }: Seen, key: string): string {
  if (!isListed) {
    throw new PsoError("unavailable", problem ?? "the Kubernetes API has not answered yet");
  }
  const text = data?.[key];
  if (typeof text === "string") return KINDS[object.kind].decode(text);
  throw new Deno.errors.NotFound(configPathOf({ ...object, key }));
}
