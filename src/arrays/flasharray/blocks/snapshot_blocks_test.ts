import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { isPsoError } from "../../../errors.ts";
import type { Fetch } from "../../../net/https.ts";
import { GiB, KiB, MiB, TiB } from "../../../size.ts";
import { clientOf } from "../../../../tests/support/rest_client.ts";
import type { BlockRange, BlocksQuery } from "../../array.ts";
import { BLOCK_BYTES, Blocks, WINDOW_BYTES } from "./snapshot_blocks.ts";

const never = new AbortController().signal;

/** A call of /volumes/diff. */
interface DiffCall {
  ids: string;
  base_id?: string;
  block_size: number;
  segment_offset: number;
  segment_length: number;
  limit: number;
  sort: string;
}

/** What the array answers to such a call: ranges, and whether more of them follow. */
type Diff = (call: DiffCall) => { ranges: BlockRange[]; isCut?: boolean } | Refusal;
interface Refusal {
  status: number;
  message: string;
}

interface Item {
  id?: string;
  name: string;
  provisioned?: number;
  destroyed?: boolean;
  source?: { id?: string; name: string };
}

/** A snapshot `v.SUFFIX` of so many bytes. */
function snapshotNamed(suffix: string, provisioned: number | undefined = GiB): Item {
  return { id: `id-${suffix}`, name: `v.${suffix}`, provisioned, source: { id: "v1", name: "v" } };
}

/** An array with these snapshots, and what it was asked for. */
function arrayWith(snapshots: Item[], diff: Diff) {
  const calls: DiffCall[] = [];
  const fetch: Fetch = ({ path }) => {
    const { pathname, searchParams } = new URL(path, "http://array");
    const answer = (status: number, body: unknown) =>
      Promise.resolve({ status, headers: {}, text: JSON.stringify(body) });
    if (pathname.endsWith("/volume-snapshots")) {
      const names = searchParams.get("names")?.split(",") ?? [];
      return answer(200, { items: snapshots.filter(({ name }) => names.includes(name)) });
    }
    const query = Object.fromEntries(
      [...searchParams].map(([key, text]) => [key, /^\d+$/.test(text) ? Number(text) : text]),
    );
    const call = query as unknown as DiffCall;
    calls.push(call);
    const said = diff(call);
    if ("status" in said) return answer(said.status, { errors: [{ message: said.message }] });
    // A list that is sorted has no token.
    return answer(200, { items: said.ranges, more_items_remaining: said.isCut ?? false });
  };
  return { blocks: new Blocks({ rest: clientOf(fetch), label: () => "fa-1" }), calls };
}

async function readAll(blocks: Blocks, query: BlocksQuery, offset = 0): Promise<BlockRange[][]> {
  const opened = await blocks.open(query, never);
  return await Array.fromAsync(opened.read(offset, never));
}

function range(offset: number, length: number): BlockRange {
  return { offset, length };
}

Deno.test("15.7: a snapshot is read window by window, by its id and in whole blocks", async () => {
  const size = 2 * WINDOW_BYTES + MiB;
  const { blocks, calls } = arrayWith([snapshotNamed("a", size)], ({ segment_offset }) => ({
    ranges: segment_offset === WINDOW_BYTES ? [] : [range(segment_offset, 512 * KiB)],
  }));
  const opened = await blocks.open({ snapshot: "v.a" }, never);
  equal(opened.sizeBytes, size);
  deepEqual(await Array.fromAsync(opened.read(0, never)), [
    [range(0, 512 * KiB)],
    [range(2 * WINDOW_BYTES, 512 * KiB)],
  ]);
  deepEqual(calls.map(({ segment_offset, segment_length }) => [segment_offset, segment_length]), [
    [0, WINDOW_BYTES],
    [WINDOW_BYTES, WINDOW_BYTES],
    [2 * WINDOW_BYTES, MiB],
  ]);
  for (const { ids, base_id, block_size } of calls) {
    deepEqual([ids, base_id, block_size], ["id-a", undefined, BLOCK_BYTES]);
  }
});

Deno.test("15.7: the last range ends with the snapshot, whatever the array's blocks are", async () => {
  const size = 3 * BLOCK_BYTES + 512;
  const { blocks } = arrayWith([snapshotNamed("a", size)], () => ({
    ranges: [range(0, BLOCK_BYTES), range(3 * BLOCK_BYTES, BLOCK_BYTES)],
  }));
  deepEqual(await readAll(blocks, { snapshot: "v.a" }), [
    [range(0, BLOCK_BYTES), range(3 * BLOCK_BYTES, 512)],
  ]);
});

Deno.test("15.7: reading from an offset asks for whole blocks and gives nothing before it", async () => {
  const { blocks, calls } = arrayWith([snapshotNamed("a")], ({ segment_offset }) => ({
    ranges: [range(segment_offset, 2 * BLOCK_BYTES)],
  }));
  const offset = 5 * BLOCK_BYTES + 512;
  deepEqual(await readAll(blocks, { snapshot: "v.a" }, offset), [
    [range(offset, 2 * BLOCK_BYTES - 512)],
  ]);
  equal(calls[0]?.segment_offset, 5 * BLOCK_BYTES);
  deepEqual(await readAll(blocks, { snapshot: "v.a" }, GiB), []);
  equal(calls.length, 1);
});

Deno.test("15.7: windows are of whole blocks, wherever reading begins", async () => {
  const { blocks, calls } = arrayWith([snapshotNamed("a", 2 * WINDOW_BYTES)], (call) => ({
    ranges: [range(call.segment_offset, call.segment_length)],
  }));
  const ranges = await readAll(blocks, { snapshot: "v.a" }, BLOCK_BYTES + 512);
  deepEqual(calls.map(({ segment_offset, segment_length }) => [segment_offset, segment_length]), [
    [BLOCK_BYTES, WINDOW_BYTES],
    [BLOCK_BYTES + WINDOW_BYTES, WINDOW_BYTES - BLOCK_BYTES],
  ]);
  deepEqual(ranges.flat(), [
    range(BLOCK_BYTES + 512, WINDOW_BYTES - 512),
    range(BLOCK_BYTES + WINDOW_BYTES, WINDOW_BYTES - BLOCK_BYTES),
  ]);
});

Deno.test("15.7: what one answer has no room for is asked for from the end of its last range on", async () => {
  const all = [range(0, BLOCK_BYTES), range(MiB, 2 * BLOCK_BYTES), range(5 * MiB, BLOCK_BYTES)];
  const { blocks, calls } = arrayWith([snapshotNamed("a")], ({ segment_offset: from }) => {
    const left = all.filter(({ offset }) => offset >= from);
    return { ranges: left.slice(0, 1), isCut: left.length > 1 };
  });
  deepEqual(await readAll(blocks, { snapshot: "v.a" }), all.map((one) => [one]));
  deepEqual(calls.map(({ segment_offset, segment_length }) => [segment_offset, segment_length]), [
    [0, GiB],
    [BLOCK_BYTES, GiB - BLOCK_BYTES],
    [MiB + 2 * BLOCK_BYTES, GiB - MiB - 2 * BLOCK_BYTES],
  ]);
  ok(calls.every(({ sort, limit }) => sort === "offset" && limit === 500));
});

Deno.test("15.7: an answer that is cut and leads no further is refused", async () => {
  for (const ranges of [[], [range(2 * GiB, BLOCK_BYTES)]]) {
    const { blocks, calls } = arrayWith([snapshotNamed("a")], () => ({ ranges, isCut: true }));
    await rejects(readAll(blocks, { snapshot: "v.a" }), /not in order or not to their end/);
    equal(calls.length, 1);
  }
});

Deno.test("15.7: ranges in no order are refused: one that was left out would be missing in a backup", async () => {
  const disordered = [
    [range(MiB, BLOCK_BYTES), range(0, BLOCK_BYTES)],
    [range(0, MiB), range(BLOCK_BYTES, BLOCK_BYTES)],
  ];
  for (const ranges of disordered) {
    const { blocks } = arrayWith([snapshotNamed("a")], () => ({ ranges }));
    await rejects(readAll(blocks, { snapshot: "v.a" }), (error: Error) => {
      ok(isPsoError(error, "unavailable"));
      equal(
        error.message,
        "array fa-1 tells the blocks of snapshot v.a not in order or not to their end, so that " +
          "none can be relied on: take all of the snapshot",
      );
      return true;
    });
  }
});

Deno.test("15.7: a delta names both snapshots by their ids, and is of one volume only", async () => {
  const other = { ...snapshotNamed("o"), name: "w.o", source: { id: "w1", name: "w" } };
  // A volume of the same name: the id tells that it is another one.
  const namesake = { ...snapshotNamed("n"), source: { id: "v2", name: "v" } };
  const withoutId = { ...snapshotNamed("s"), source: { name: "V" } };
  const snapshots = [snapshotNamed("a"), snapshotNamed("b"), other, namesake, withoutId];
  const { blocks, calls } = arrayWith(snapshots, () => ({ ranges: [range(0, BLOCK_BYTES)] }));
  deepEqual(await readAll(blocks, { snapshot: "v.b", base: "v.a" }), [[range(0, BLOCK_BYTES)]]);
  deepEqual([calls[0]?.ids, calls[0]?.base_id], ["id-b", "id-a"]);
  await readAll(blocks, { snapshot: "v.b", base: "v.s" });
  for (const base of ["w.o", "v.n"]) {
    const refused = blocks.open({ snapshot: "v.b", base }, never);
    await rejects(refused, (error: Error) => {
      ok(isPsoError(error, "invalid"));
      equal(
        error.message,
        `snapshots ${base} and v.b on array fa-1 are of different volumes: name two snapshots of ` +
          "one volume, or take all of the second",
      );
      return true;
    });
  }
});

Deno.test("15.7: what is missing, destroyed or without a size is not opened", async () => {
  const unsized: Item = { id: "id-u", name: "v.u", source: { name: "v" } };
  const unnamed: Item = { name: "v.x", provisioned: GiB, source: { name: "v" } };
  const destroyed = { ...snapshotNamed("d"), destroyed: true };
  const { blocks, calls } = arrayWith([snapshotNamed("a"), destroyed, unsized, unnamed], () => {
    throw new Error("not asked for");
  });
  const cases: [BlocksQuery, string, RegExp][] = [
    [{ snapshot: "v.none" }, "not_found", /snapshot v\.none is not on array fa-1/],
    [{ snapshot: "v.d" }, "not_found", /snapshot v\.d is not on array fa-1/],
    [{ snapshot: "v.a", base: "v.d" }, "not_found", /snapshot v\.d is not on array fa-1/],
    [{ snapshot: "v.u" }, "unavailable", /array fa-1 says no size of snapshot v\.u/],
    [{ snapshot: "v.x" }, "unavailable", /array fa-1 says no id of snapshot v\.x/],
  ];
  for (const [query, code, message] of cases) {
    await rejects(blocks.open(query, never), (error: Error) => {
      ok(isPsoError(error) && error.code === code && message.test(error.message), String(error));
      return true;
    });
  }
  equal(calls.length, 0);
});

Deno.test("15.7: a snapshot that is destroyed while it is read is not found any more", async () => {
  for (const message of ["Volume snapshot has been destroyed.", "No such volume or snapshot."]) {
    const { blocks } = arrayWith([snapshotNamed("a")], () => ({ status: 400, message }));
    await rejects(readAll(blocks, { snapshot: "v.a" }), (error: Error) => {
      ok(isPsoError(error, "not_found"), String(error));
      equal(
        error.message,
        "snapshot v.a on array fa-1 was destroyed while its blocks were read",
      );
      return true;
    });
  }
});

Deno.test("15.7: two calls for blocks run on an array at once, and one that is given up ends at once", async () => {
  let [running, most] = [0, 0];
  const gates: (() => void)[] = [];
  const rest = clientOf(async ({ path }) => {
    if (path.includes("volume-snapshots")) {
      return { status: 200, headers: {}, text: JSON.stringify({ items: [snapshotNamed("a")] }) };
    }
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => gates.push(resolve));
    running--;
    return { status: 200, headers: {}, text: JSON.stringify({ items: [] }) };
  });
  const blocks = new Blocks({ rest, label: () => "fa-1" });
  const opened = await blocks.open({ snapshot: "v.a" }, never);
  const readings = [1, 2, 3].map(() => Array.fromAsync(opened.read(0, never)));
  while (gates.length < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  const caller = new AbortController();
  const givenUp = rejects(Array.fromAsync(opened.read(0, caller.signal)));
  caller.abort();
  await givenUp;
  for (let ended = 0; ended < 3; ended++) {
    while (gates.length === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    gates.shift()?.();
  }
  await Promise.all(readings);
  equal(most, 2);
});

Deno.test("15.7: 10 TiB with 640,000 ranges are read with one page in hand", async () => {
  const [size, perWindow] = [10 * TiB, 500];
  const step = WINDOW_BYTES / perWindow - (WINDOW_BYTES / perWindow) % BLOCK_BYTES;
  const { blocks, calls } = arrayWith([snapshotNamed("a", size)], ({ segment_offset }) => ({
    ranges: Array.from(
      { length: perWindow },
      (_, at) => range(segment_offset + at * step, BLOCK_BYTES),
    ),
  }));
  const opened = await blocks.open({ snapshot: "v.a" }, never);
  let [taken, most, last] = [0, 0, -1];
  for await (const part of opened.read(0, never)) {
    // All that was told and is not given: what the reader holds.
    most = Math.max(most, calls.length * perWindow - taken);
    for (const { offset, length } of part) {
      ok(offset > last, "ascending");
      last = offset + length;
    }
    taken += part.length;
  }
  equal(taken, (size / WINDOW_BYTES) * perWindow);
  ok(taken >= 640_000, `${taken} ranges`);
  equal(most, perWindow);
});
