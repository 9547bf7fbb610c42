import assert from "node:assert/strict";
import type { Bench } from "../fixture_test.ts";
import { MiB, withVolume } from "./fixture_test.ts";

const KiB = 1024;

/** Writes into the image of the volume `v1`, as a host does. */
async function writer({ array, root }: Bench) {
  const [{ id }] = (await array.ok("GET /volumes?names=v1")).items;
  return async (at: number, bytes: number, value: number) => {
    using image = await Deno.open(`${root}/images/${id}`, { write: true });
    await image.seek(at, Deno.SeekMode.Start);
    await image.write(new Uint8Array(bytes).fill(value));
  };
}

/** The extents of the answer, each as its offset and length in KiB. */
async function diff({ array }: Bench, query: string): Promise<number[][]> {
  const { items } = await array.ok(`GET /volumes/diff?${query}`);
  return items.map(({ offset, length }: { offset: number; length: number }) => [
    offset / KiB,
    length / KiB,
  ]);
}

const WHOLE = `block_size=${4 * KiB}&segment_length=${8 * MiB}`;

withVolume(
  "volumes/diff tells what holds data, and what changed since a snapshot",
  async (bench) => {
    const write = await writer(bench);
    assert.deepEqual(await diff(bench, `names=v1&${WHOLE}`), []);
    await write(64 * KiB, 8 * KiB, 1);
    await write(MiB - 4 * KiB, 8 * KiB, 1);
    await write(8 * MiB - 512, 512, 1);
    const data = [[64, 8], [1020, 8], [8188, 4]];
    assert.deepEqual(await diff(bench, `names=v1&${WHOLE}`), data);
    await bench.array.ok("POST /volume-snapshots?source_names=v1", { suffix: "a" });
    assert.deepEqual(await diff(bench, `names=v1&base_name=v1.a&${WHOLE}`), []);
    await write(64 * KiB, 4 * KiB, 2);
    await write(1020 * KiB, 8 * KiB, 0);
    await bench.array.ok("POST /volume-snapshots?source_names=v1", { suffix: "b" });
    const changed = [[64, 4], [1020, 8]];
    assert.deepEqual(await diff(bench, `names=v1.b&base_name=v1.a&${WHOLE}`), changed);
    assert.deepEqual(await diff(bench, `names=v1.a&base_name=v1.b&${WHOLE}`), changed);
    assert.deepEqual(await diff(bench, `names=v1.a&${WHOLE}`), data);
  },
);

withVolume(
  "volumes/diff looks at the segment alone, in blocks as asked, page by page",
  async (bench) => {
    const write = await writer(bench);
    for (const at of [0, 128, 256, 4096]) await write(at * KiB, 512, 1);
    const at = (offset: number, length: number, block = 4) =>
      diff(
        bench,
        `names=v1&block_size=${block * KiB}&segment_offset=${offset * KiB}` +
          `&segment_length=${length * KiB}`,
      );
    assert.deepEqual(await at(128, 129), [[128, 4], [256, 1]]);
    assert.deepEqual(await at(128, 256, 64), [[128, 64], [256, 64]]);
    assert.deepEqual(await at(4096, 1024 * KiB), [[4096, 4]]);
    assert.deepEqual(await at(8192, 4), []);
    const { array } = bench;
    const page = await array.ok(`GET /volumes/diff?names=v1&${WHOLE}&limit=3`);
    assert.deepEqual([page.items.length, page.more_items_remaining], [3, true]);
    const token = encodeURIComponent(page.continuation_token);
    assert.deepEqual(await diff(bench, `names=v1&${WHOLE}&continuation_token=${token}`), [[
      4096,
      4,
    ]]);
  },
);

withVolume(
  "volumes/diff of a volume that grew takes what its base lacks for zeroes",
  async (bench) => {
    const write = await writer(bench);
    const { array } = bench;
    await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "a" });
    await array.ok("PATCH /volumes?names=v1", { provisioned: 16 * MiB });
    await write(12 * MiB, 4 * KiB, 1);
    const query = `block_size=${4 * KiB}&segment_length=${16 * MiB}`;
    assert.deepEqual(await diff(bench, `names=v1&base_name=v1.a&${query}`), [[12 * KiB, 4]]);
    assert.deepEqual(await diff(bench, `names=v1.a&base_name=v1&${query}`), []);
  },
);

withVolume("what volumes/diff refuses", async ({ array }) => {
  await array.ok("POST /volumes?names=v2", {});
  await array.ok("PATCH /volumes?names=v2", { destroyed: true });
  const refused: [query: string, error: string][] = [
    [WHOLE, "400 names or ids is required."],
    [`names=v1,v2&${WHOLE}`, "400 Only one volume can be compared at a time. (v2)"],
    [`names=none&${WHOLE}`, "400 No such volume or snapshot. (none)"],
    [`names=v1&base_name=v1.none&${WHOLE}`, "400 No such volume or snapshot. (v1.none)"],
    [`names=v2&${WHOLE}`, "400 Volume has been destroyed. (v2)"],
    ["names=v1&block_size=512", "400 segment_length is required."],
    [
      `names=v1&block_size=1000&segment_length=1000`,
      "400 Invalid value for block_size: a multiple of 512 is wanted, 1048576 at most. (1000)",
    ],
    [
      `names=v1&${WHOLE}&segment_offset=512`,
      "400 Invalid value for segment_offset: it is no multiple of block_size.",
    ],
    [
      `names=v1&${WHOLE}&next_allocated_block_hint=true`,
      "400 Parameter next_allocated_block_hint is not supported by this array.",
    ],
  ];
  for (const [query, error] of refused) {
    assert.equal(await array.refused(`GET /volumes/diff?${query}`), error, query);
  }
});
