import type { BlockRange } from "../../array.ts";

/** Holds what an array tells in parts to one ascending order, and remembers only where it ended. */
export class OrderedRanges {
  #end: number;

  constructor(start: number) {
    this.#end = start;
  }

  /** Where the last range that was taken ended. */
  get end(): number {
    return this.#end;
  }

  /**
   * The part of `told` that lies in the window, ranges beside each other joined. Undefined when one
   * lies before the end of another: then nothing of it can be relied on.
   */
  take(
    told: readonly BlockRange[],
    window: { offset: number; end: number },
  ): BlockRange[] | undefined {
    const taken: BlockRange[] = [];
    for (const { offset, length } of told) {
      const [from, to] = [Math.max(offset, window.offset), Math.min(offset + length, window.end)];
      if (from >= to) continue;
      if (from < this.#end) return undefined;
      const last = taken.at(-1);
      if (last && last.offset + last.length === from) last.length += to - from;
      else taken.push({ offset: from, length: to - from });
      this.#end = to;
    }
    return taken;
  }
}
