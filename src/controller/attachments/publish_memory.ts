import { BoundedMap } from "../bounded_map.ts";

/** Volumes that are remembered; the one that was not used for longest is forgotten first. */
const MAX_REMEMBERED = 50_000;

/** In which way a volume is published to a node. */
export interface PublishMode {
  readOnly: boolean;
  access: "block" | "mount";
}

/** A publish that was done. */
interface DonePublish extends PublishMode {
  /** The volume is for one node alone: it was taken from all others. */
  exclusive: boolean;
  /** The handle by which the cluster called the volume. */
  handle: string;
}

/** A publish that is remembered. */
interface KnownPublish extends DonePublish {
  /** Another process may have ended it since. */
  isDoubted?: boolean;
}

/**
 * What this process published where: to notice a publish that contradicts the one before, to count
 * a node's volumes, and to tell who uses a volume where the array cannot (an administrator's export
 * rules name no nodes). A restart forgets it, so it may forbid a publish or a delete, and nothing
 * may depend on its being whole.
 */
export class PublishMemory {
  /** Volume → node → mode. */
  readonly #volumes: BoundedMap<string, Map<string, KnownPublish>>;
  /** How many publishes and unpublishes of a volume are under way. */
  readonly #changes = new Map<string, number>();
  /** Volumes that this process made: no process before it can have published them. */
  readonly #made: BoundedMap<string, true>;
  /** Node → volumes. */
  readonly #nodes = new Map<string, Set<string>>();

  /** `limit` is the number of volumes that are remembered. */
  constructor(limit: number = MAX_REMEMBERED) {
    this.#volumes = new BoundedMap(limit, (volume, nodes) => {
      for (const node of nodes.keys()) this.#letGo(volume, node);
      this.#made.delete(volume);
    });
    this.#made = new BoundedMap(limit);
  }

  /** To be noted when a volume came to be by this process's own create. */
  made(volume: string): void {
    this.#made.set(volume, true);
  }

  /**
   * Whether this process made the volume, and so knows of every publish there was; false when that
   * is forgotten.
   */
  sawAllOf(volume: string): boolean {
    return this.#made.get(volume) !== undefined;
  }

  /** How the volume was published to the node; undefined when it was not, or that is forgotten. */
  modeOf(volume: string, node: string): PublishMode | undefined {
    return this.#volumes.get(volume)?.get(node);
  }

  /**
   * The handle by which the volume was last published: to the node, or to each if none is given.
   */
  handlesOf(volume: string, node?: string): string[] {
    const nodes = this.#volumes.get(volume);
    if (node === undefined) return [...nodes?.values() ?? []].map(({ handle }) => handle);
    const handle = nodes?.get(node)?.handle;
    return handle === undefined ? [] : [handle];
  }

  /** Whether the volume was published to the node alone, and to no other since. */
  isExclusive(volume: string, node: string): boolean {
    const nodes = this.#volumes.get(volume);
    return nodes?.size === 1 && nodes.get(node)?.exclusive === true;
  }

  /** Names of the nodes that the volume is published to. */
  nodesOf(volume: string): string[] {
    return [...this.#volumes.get(volume)?.keys() ?? []];
  }

  /**
   * Names of the nodes that surely have the volume by our own publish: none while a publish or an
   * unpublish of it is under way, and none that another process may have taken it from.
   */
  surelyOn(volume: string): string[] {
    if (this.isChanging(volume)) return [];
    return [...this.#volumes.get(volume) ?? []].flatMap(([node, { isDoubted }]) =>
      isDoubted ? [] : [node]
    );
  }

  /** Whether a publish or an unpublish of the volume is under way. */
  isChanging(volume: string): boolean {
    return this.#changes.has(volume);
  }

  /** Runs a publish or an unpublish of the volume, its note in this memory included. */
  async changing<T>(volume: string, work: () => Promise<T>): Promise<T> {
    this.#changes.set(volume, (this.#changes.get(volume) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (this.#changes.get(volume) ?? 1) - 1;
      if (left === 0) this.#changes.delete(volume);
      else this.#changes.set(volume, left);
    }
  }

  /** Every volume that is published to some node. */
  volumes(): string[] {
    return this.#volumes.keys();
  }

  /** The handle of each volume that the node holds, as it was last published. */
  handlesOn(node: string): string[] {
    return [...this.#nodes.get(node) ?? []].flatMap((volume) => this.handlesOf(volume, node));
  }

  /**
   * To be noted before a publish to the node is sent, because its answer may be lost: the array may
   * have let the node in, so that from now on no other node is known to have the volume alone.
   */
  trying(volume: string, node: string): void {
    for (const [other, publish] of this.#volumes.get(volume) ?? []) {
      if (other !== node) publish.exclusive = false;
    }
  }

  /**
   * To be noted when another process may have let nodes in meanwhile: what is remembered was done,
   * but no volume is known any more to be a node's alone, or to be known from its beginning.
   */
  doubt(): void {
    for (const volume of this.#volumes.keys()) {
      for (const publish of this.#volumes.get(volume)?.values() ?? []) {
        publish.exclusive = false;
        publish.isDoubted = true;
      }
    }
    for (const volume of this.#made.keys()) this.#made.delete(volume);
  }

  /** Notes a publish to the node; an exclusive one ends what other nodes had. */
  add(volume: string, node: string, mode: DonePublish): void {
    if (mode.exclusive) this.removeAll(volume);
    this.#volumes.set(volume, new Map([...this.#volumes.get(volume) ?? [], [node, { ...mode }]]));
    const held = this.#nodes.get(node) ?? new Set();
    this.#nodes.set(node, held.add(volume));
  }

  /** Notes that the node no longer has the volume. */
  remove(volume: string, node: string): void {
    const nodes = this.#volumes.get(volume);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#volumes.delete(volume);
    this.#letGo(volume, node);
  }

  #letGo(volume: string, node: string): void {
    const held = this.#nodes.get(node);
    held?.delete(volume);
    if (held?.size === 0) this.#nodes.delete(node);
  }

  /** Notes that no node has the volume. */
  removeAll(volume: string): void {
    for (const node of this.#volumes.get(volume)?.keys() ?? []) this.remove(volume, node);
  }
}
