import { allEnded } from "../../../async/all_ended.ts";
import { Slots } from "../../../async/slots.ts";
import { withDeadline } from "../../../async/wait.ts";
import { PsoError } from "../../../errors.ts";
import { nameKey } from "../../../names.ts";
import { GiB, KiB } from "../../../size.ts";
import type { BlockRange, BlocksQuery, SnapshotBlocks } from "../../array.ts";
import type { RestBody } from "../../rest/answer.ts";
import { REST_LIMITS } from "../../rest/limits.ts";
import { type ArrayContext, NamedObjects } from "../../rest/named_objects.ts";
import { isRefusal } from "../../rest/refusals.ts";
import { count, type Reader, record } from "../../rest/shape.ts";
import { SNAPSHOT_RESOURCE } from "../snapshots.ts";
import { type SnapshotItem, snapshotOf } from "../wire.ts";
import { OrderedRanges } from "./ordered_ranges.ts";

/** What is compared as a whole. What backups read at once is seldom less. */
export const BLOCK_BYTES = 64 * KiB;
/** How much of a snapshot one call is about, so that an array answers it soon. */
export const WINDOW_BYTES = 8 * GiB;
/** Ranges of one answer. */
const PAGE_RANGES = REST_LIMITS.pageItems.value;
/** Calls at once on one array: a backup must not hold creates up. */
const CALLS_AT_ONCE = 2;
/** Longest wait for one page, with repetitions. */
const PAGE_MS = 60_000;

/** An item of /volumes/diff. */
interface DiffItem {
  offset: number;
  length: number;
}

const diffItem: Reader<DiffItem> = record<DiffItem>({ offset: count, length: count }, [
  "offset",
  "length",
]);

/** A live snapshot, by what the array knows it by. */
interface OpenedSnapshot {
  name: string;
  id: string;
  item: SnapshotItem;
}

/** What is compared. */
interface Comparison {
  target: OpenedSnapshot;
  base?: OpenedSnapshot;
  sizeBytes: number;
}

/** A part of a snapshot. */
interface Window {
  offset: number;
  end: number;
}

/** What the snapshots of one FlashArray hold, by /volumes/diff. */
export class Blocks {
  readonly #context: ArrayContext;
  readonly #snapshots: NamedObjects<SnapshotItem>;
  readonly #slots = new Slots(CALLS_AT_ONCE);

  constructor(context: ArrayContext) {
    this.#context = context;
    this.#snapshots = new NamedObjects(context, SNAPSHOT_RESOURCE);
  }

  /** As StorageArray.openBlocks. */
  async open({ snapshot, base }: BlocksQuery, signal: AbortSignal): Promise<SnapshotBlocks> {
    const [target, from] = await allEnded([
      this.#look(snapshot, signal),
      base === undefined ? undefined : this.#look(base, signal),
    ]);
    const { provisioned: sizeBytes } = target.item;
    if (sizeBytes === undefined) throw this.#saysNo("size", snapshot);
    if (from && !areOfOneVolume(target.item, from.item)) {
      throw new PsoError(
        "invalid",
        `snapshots ${base} and ${snapshot} on array ${this.#context.label()} are of different ` +
          "volumes: name two snapshots of one volume, or take all of the second",
      );
    }
    const compared = { target, base: from, sizeBytes };
    return { sizeBytes, read: (offset, signal) => this.#read(compared, offset, signal) };
  }

  async #look(name: string, signal: AbortSignal): Promise<OpenedSnapshot> {
    const item = await this.#snapshots.need(name, { signal });
    if (!item.id) throw this.#saysNo("id", name);
    return { name, id: item.id, item };
  }

  #saysNo(what: string, name: string): PsoError {
    return new PsoError(
      "unavailable",
      `array ${this.#context.label()} says no ${what} of snapshot ${name}; try again`,
    );
  }

  /**
   * What an answer has no room for is asked for anew from the end of its last range on: not all
   * releases take a continuation token here.
   */
  async *#read(
    compared: Comparison,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<BlockRange[]> {
    const { sizeBytes } = compared;
    const order = new OrderedRanges(offset);
    for (let at = offset; at < sizeBytes;) {
      const window = { offset: at, end: Math.min(wholeBlocks(at) + WINDOW_BYTES, sizeBytes) };
      const { items, moreItemsRemaining } = await this.#page(compared, window, signal);
      const isCut = moreItemsRemaining ?? items.length >= PAGE_RANGES;
      const ranges = order.take(items, window);
      if (!ranges || (isCut && order.end <= at)) throw this.#isDisordered(compared);
      at = isCut ? order.end : window.end;
      if (ranges.length > 0) yield ranges;
    }
  }

  async #page(
    { target, base }: Comparison,
    { offset, end }: Window,
    signal: AbortSignal,
  ): Promise<RestBody<DiffItem>> {
    const aligned = wholeBlocks(offset);
    const query = {
      ids: target.id,
      base_id: base?.id,
      block_size: BLOCK_BYTES,
      segment_offset: aligned,
      segment_length: end - aligned,
      sort: "offset",
      limit: PAGE_RANGES,
    };
    const call = { method: "GET", path: "volumes/diff", query, item: diffItem } as const;
    const { rest } = this.#context;
    const what = `the blocks of snapshot ${target.name}`;
    const ask = () =>
      withDeadline(
        what,
        { timeoutMs: PAGE_MS, signal },
        (within) => rest.call<DiffItem>({ ...call, signal: within }),
      );
    try {
      return await this.#slots.run(ask, signal);
    } catch (error) {
      if (!isRefusal(error, "missing", "destroyed")) throw error;
      const names = [target, base].flatMap((one) => one?.name ?? []).join(" or ");
      throw new PsoError(
        "not_found",
        `snapshot ${names} on array ${this.#context.label()} was destroyed while its blocks were ` +
          "read",
        { cause: error },
      );
    }
  }

  /** A range that was left out would be missing in a backup. */
  #isDisordered({ target }: Comparison): PsoError {
    return new PsoError(
      "unavailable",
      `array ${this.#context.label()} tells the blocks of snapshot ${target.name} not in order or ` +
        "not to their end, so that none can be relied on: take all of the snapshot",
    );
  }
}

/** Where the block begins that the offset is in. */
function wholeBlocks(offset: number): number {
  return offset - offset % BLOCK_BYTES;
}

/** By the volume's id where both tell it. */
function areOfOneVolume(one: SnapshotItem, other: SnapshotItem): boolean {
  const [id, otherId] = [one.source?.id, other.source?.id];
  if (id && otherId) return id === otherId;
  return nameKey(snapshotOf(one).volume) === nameKey(snapshotOf(other).volume);
}
