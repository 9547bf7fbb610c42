import { BoundedMap } from "./bounded_map.ts";

/**
 * Published volumes that are remembered, to notice a publish that contradicts the one before, and
 * to count.
 */
const MAX_REMEMBERED = 50_000;

/** How a volume was published to a node. */
export interface Publication {
  readOnly: boolean;
  access: "block" | "mount";
}

/**
 * What this process published where. A restart forgets it: it may forbid, and nothing may depend on
 * its being whole.
 */
export class Publications {
  /** Volume → node → how. */
  readonly #volumes = new BoundedMap<string, Map<string, Publication>>(MAX_REMEMBERED);
  /** Node → volumes. */
  readonly #nodes = new Map<string, Set<string>>();

  of(volume: string, node: string): Publication | undefined {
    return this.#volumes.get(volume)?.get(node);
  }

  /** How many volumes the node holds. */
  countOf(node: string): number {
    return this.#nodes.get(node)?.size ?? 0;
  }

  /** A volume for one node alone (`exclusive`) has been taken from all others. */
  add(
    volume: string,
    node: string,
    { publication, exclusive }: { publication: Publication; exclusive: boolean },
  ): void {
    if (exclusive) this.removeAll(volume);
    this.#volumes.set(volume, new Map([...this.#volumes.get(volume) ?? [], [node, publication]]));
    const held = this.#nodes.get(node) ?? new Set();
    this.#nodes.set(node, held.add(volume));
  }

  remove(volume: string, node: string): void {
    const nodes = this.#volumes.get(volume);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#volumes.delete(volume);
    const held = this.#nodes.get(node);
    held?.delete(volume);
    if (held?.size === 0) this.#nodes.delete(node);
  }

  removeAll(volume: string): void {
    for (const node of this.#volumes.get(volume)?.keys() ?? []) this.remove(volume, node);
  }
}
