// The objects of a fake API server: versions, lists in pages, and watches that can be ended, cut or
// told that they are too old.
import type { KubeObject } from "../../src/kube/client.ts";

/** Where an object stands; without a namespace it is the cluster's. */
export interface ObjectKey {
  /** Default: `leases` in a namespace, else `csidrivers`. */
  collection?: string;
  namespace?: string;
  name: string;
}

/** An object with what the server adds. */
export interface Stored {
  metadata: Omit<ObjectKey, "collection"> & { uid: string; resourceVersion: string };
  [field: string]: unknown;
}

/** What an answer is; a watch goes on until `ended`. */
export interface KubeAnswer {
  status: number;
  text: string;
}

/** Which objects a list or a watch is about. */
export interface Selection {
  collection: string;
  /** Absent: all namespaces. */
  namespace?: string;
  /** Absent: all names. */
  name?: string;
}

interface Watcher {
  selection: Selection;
  send: (line: string) => void;
  end: () => void;
}

interface Happening {
  version: number;
  type: "ADDED" | "MODIFIED" | "DELETED";
  collection: string;
  object: Stored;
}

/** Objects by collection, namespace and name. */
export class FakeKubeStore {
  readonly #objects = new Map<string, { collection: string; object: Stored }>();
  readonly #watchers = new Set<Watcher>();
  #history: Happening[] = [];
  #version = 0;
  #oldest = 0;

  get watches(): number {
    return this.#watchers.size;
  }

  get version(): number {
    return this.#version;
  }

  /** What was told before this version is forgotten. */
  get oldest(): number {
    return this.#oldest;
  }

  find(key: ObjectKey): Stored | undefined {
    return this.#objects.get(idOf(key))?.object;
  }

  /** Makes the object, or puts it in the place of the one of its name. */
  put(key: ObjectKey, fields: KubeObject, uid: string = crypto.randomUUID()): Stored {
    const { collection, namespace, name } = whole(key);
    const isThere = this.find(key) !== undefined;
    const metadata = {
      ...(fields.metadata ?? {}),
      ...(namespace === undefined ? {} : { namespace }),
      name,
      uid,
      resourceVersion: String(++this.#version),
    };
    const object = { ...fields, metadata };
    this.#objects.set(idOf(key), { collection, object });
    this.#tell({
      version: this.#version,
      type: isThere ? "MODIFIED" : "ADDED",
      collection,
      object,
    });
    return object;
  }

  remove(key: ObjectKey): void {
    const found = this.#objects.get(idOf(key));
    if (!found) return;
    this.#objects.delete(idOf(key));
    const metadata = { ...found.object.metadata, resourceVersion: String(++this.#version) };
    const object = { ...found.object, metadata };
    this.#tell({ ...found, version: this.#version, type: "DELETED", object });
  }

  select(selection: Selection): Stored[] {
    return [...this.#objects.values()]
      .filter(({ collection, object }) => isSelected(selection, collection, object))
      .map(({ object }) => object);
  }

  /** What happened since that version, then what happens; the function returned ends it. */
  watch(
    { selection, since }: { selection: Selection; since: number },
    to: Pick<Watcher, "send" | "end">,
  ): () => void {
    const watcher: Watcher = { selection, ...to };
    if (since < this.#oldest) {
      to.send(errorLine(410, "too old resource version"));
      to.end();
      return () => {};
    }
    this.#watchers.add(watcher);
    for (const happening of this.#history) {
      if (happening.version > since) tellOne(watcher, happening);
    }
    return () => void this.#watchers.delete(watcher);
  }

  /** Every watch is told the state so far, as by a server that wants them to keep up. */
  bookmark(): void {
    for (const { send } of this.#watchers) {
      const metadata = { resourceVersion: String(this.#version) };
      send(JSON.stringify({ type: "BOOKMARK", object: { kind: "Any", metadata } }));
    }
  }

  /** A line of the test's own to every watch. */
  sendLine(line: string): void {
    for (const { send } of this.#watchers) send(line);
  }

  /** Forgets what happened, and every watch is told so. */
  expire(): void {
    this.#version++;
    this.#oldest = this.#version;
    this.#history = [];
    this.sendLine(errorLine(410, "too old resource version"));
    this.endWatches();
  }

  /** Ends every watch, as a server does after a while. */
  endWatches(): void {
    for (const watcher of [...this.#watchers]) {
      this.#watchers.delete(watcher);
      watcher.end();
    }
  }

  #tell(happening: Happening): void {
    this.#history.push(happening);
    for (const watcher of this.#watchers) tellOne(watcher, happening);
  }
}

function tellOne({ selection, send }: Watcher, { type, collection, object }: Happening): void {
  if (isSelected(selection, collection, object)) send(JSON.stringify({ type, object }));
}

function errorLine(code: number, message: string): string {
  return JSON.stringify({ type: "ERROR", object: { kind: "Status", code, message } });
}

function isSelected(selection: Selection, collection: string, { metadata }: Stored): boolean {
  const { namespace = metadata.namespace, name = metadata.name } = selection;
  return selection.collection === collection && metadata.namespace === namespace &&
    metadata.name === name;
}

function whole({ namespace, collection, name }: ObjectKey) {
  return { namespace, name, collection: collection ?? (namespace ? "leases" : "csidrivers") };
}

function idOf(key: ObjectKey): string {
  const { collection, namespace = "", name } = whole(key);
  return `${collection}/${namespace}/${name}`;
}
