// What a snapshot holds: what a client asks an array for, and what it takes from the answer.
import { deepEqual, equal, rejects } from "node:assert/strict";
import type { BlockRange, BlocksQuery } from "../../src/arrays/array.ts";
import { KiB, MiB } from "../../src/size.ts";
import { type ArrayBench, versionsUpTo, withArray } from "./array_bench.ts";

const VOLUME = "k8s-pvc-1";
const BLOCK = 64 * KiB;
const SIZE = 128 * MiB;
const never = new AbortController().signal;

/** An array with one volume, into which `write` writes a sector at each place, as a host does. */
async function withVolume(
  restVersions: string[] | undefined,
  test: (bench: ArrayBench, write: (...places: number[]) => void) => Promise<void>,
): Promise<void> {
  await withArray({ kind: "flasharray", restVersions }, async (bench) => {
    await bench.array.createVolume({ name: VOLUME, sizeBytes: SIZE });
    const folder = `${bench.fleet.plane}/${bench.fleet.arrays[0]?.name}/images`;
    const [image] = [...Deno.readDirSync(folder)].map(({ name }) => name);
    await test(bench, (...places) => {
      using file = Deno.openSync(`${folder}/${image}`, { write: true });
      for (const place of places) {
        file.seekSync(place, Deno.SeekMode.Start);
        file.writeSync(new Uint8Array(512).fill(1));
      }
    });
  });
}

async function rangesOf({ array }: ArrayBench, query: BlocksQuery): Promise<BlockRange[]> {
  const { read } = await array.openBlocks(query, never);
  return (await Array.fromAsync(read(0, never))).flat();
}

for (
  const [name, versions] of [
    ["newest", undefined],
    ["2.16", versionsUpTo(16)],
    ["2.4", versionsUpTo(4)],
  ] as const
) {
  Deno.test(`15.7: FlashArray ${name}: openBlocks() tells all ranges, of several answers too`, async () => {
    await withVolume(versions, async (bench, write) => {
      await bench.array.createSnapshot(VOLUME, "empty");
      const places = Array.from({ length: 700 }, (_, at) => 2 * at * BLOCK);
      write(...places);
      await bench.array.createSnapshot(VOLUME, "a");
      const wanted = places.map((offset) => ({ offset, length: BLOCK }));
      const calls = await bench.calls(async () => {
        deepEqual(await rangesOf(bench, { snapshot: `${VOLUME}.a` }), wanted);
      });
      deepEqual(calls.filter((call) => call.endsWith("/volumes/diff")).length, 2);
      const delta = { snapshot: `${VOLUME}.a`, base: `${VOLUME}.empty` };
      deepEqual(await rangesOf(bench, delta), wanted);
      write(BLOCK);
      await bench.array.createSnapshot(VOLUME, "b");
      const later = { snapshot: `${VOLUME}.b`, base: `${VOLUME}.a` };
      deepEqual(await rangesOf(bench, later), [{ offset: BLOCK, length: BLOCK }]);
      const { sizeBytes } = await bench.array.openBlocks(later, never);
      equal(sizeBytes, SIZE);
    });
  });
}

Deno.test("15.7: openBlocks() of a snapshot that is gone is not found, before and while it is read", async () => {
  await withVolume(undefined, async (bench, write) => {
    write(0);
    const snapshot = `${VOLUME}.a`;
    await rejects(bench.array.openBlocks({ snapshot }, never), { code: "not_found" });
    await bench.array.createSnapshot(VOLUME, "a");
    const { read } = await bench.array.openBlocks({ snapshot }, never);
    await bench.array.deleteSnapshot(snapshot);
    await rejects(Array.fromAsync(read(0, never)), {
      code: "not_found",
      message: /^snapshot k8s-pvc-1\.a on array .* was destroyed while its blocks were read$/,
    });
  });
});

Deno.test("15.7: openBlocks() reads on after trouble of the array, and gives up with its caller", async () => {
  await withVolume(undefined, async (bench, write) => {
    write(MiB);
    const snapshot = `${VOLUME}.a`;
    await bench.array.createSnapshot(VOLUME, "a");
    const match = { method: "GET", path: "/volumes/diff" };
    await bench.fault({ action: "status", value: 503, match, times: 1 });
    deepEqual(await rangesOf(bench, { snapshot }), [{ offset: MiB, length: BLOCK }]);
    await bench.fault({ action: "status", value: 503, match, times: 10_000 });
    const { read } = await bench.array.openBlocks({ snapshot }, never);
    await rejects(Array.fromAsync(read(0, AbortSignal.timeout(200))), {
      code: "unavailable",
      message: /^array .* gave no good answer to GET volumes\/diff: /,
    });
  });
});

Deno.test("15.7: openBlocks() of a FlashBlade is refused without a call", async () => {
  await withArray({ kind: "flashblade" }, async ({ array, calls }) => {
    const made = await calls(() =>
      rejects(array.openBlocks({ snapshot: `${VOLUME}.a` }, never), { code: "unsupported" })
    );
    deepEqual(made, []);
  });
});
