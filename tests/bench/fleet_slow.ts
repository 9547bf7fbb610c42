// One array that takes calls in and never answers, beside seven that do: what calls of the seven
// take, with it and without it.
import { pause } from "../../src/async/wait.ts";
import { median, note, quantile, withStand } from "./bench.ts";
import { FleetBed } from "./fleet_bed.ts";

/** p99 of every call that had to do with the seven alone, in ms. */
export interface Slow {
  withoutMs: number;
  besideMs: number;
}

const ARRAYS = 8;
/** The array that hangs. */
const HUNG = `fa-${ARRAYS}`;
const RUNS = 3;
const AT_ONCE = 16;
/** Callers of the array that hangs, for as long as it does. */
const HUNG_CALLERS = 16;
/** Longer than anybody waits for an answer. */
const FOR_EVER_MS = 600_000;

/** Whole lives on the seven, and how long each call of them took. */
async function run(bed: FleetBed, { lives, name }: { lives: number; name: string }) {
  const took: number[] = [];
  const timed = async <T>(call: Promise<T>): Promise<T> => {
    const started = performance.now();
    const answer = await call;
    took.push(performance.now() - started);
    return answer;
  };
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < lives) {
      const number = next++;
      const id = await timed(bed.create(`${name}-${number}`));
      await timed(bed.publish(id, number));
      await timed(bed.unpublish(id, number));
      await timed(bed.delete(id));
    }
  }));
  return quantile(took, 0.99);
}

async function p99(bed: FleetBed, { lives, name }: { lives: number; name: string }) {
  const runs: number[] = [];
  for (let at = 0; at < RUNS; at++) {
    runs.push(await run(bed, { lives, name: `${name}-${at}` }));
    note(`${name}: p99 ${runs.at(-1)?.toFixed(0)} ms`);
  }
  return median(runs);
}

/** Volumes of the array that is to hang, by their handles. */
async function volumesOn(bed: FleetBed, array: string, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let number = 0; number < count * ARRAYS * 2; number++) {
    all.push(await bed.create(`hung-${number}`));
  }
  const held = new Set((await bed.volumesByArray()).get(array)?.map(({ name }) => name));
  const [there, others] = [true, false].map((isThere) =>
    all.filter((id) => held.has(id.split("/").slice(1).join("/")) === isThere)
  ) as [string[], string[]];
  await Promise.all(others.map((id) => bed.delete(id)));
  if (there.length < count) throw new Error(`${there.length} of ${count} volumes are on ${array}`);
  return there.slice(0, count);
}

/** The p99 of the seven, without and beside the array that hangs. */
export async function slow(lives: number): Promise<Slow> {
  return await withStand(
    { flasharrays: ARRAYS, flashblades: 0, nodes: 1, latencyMs: 20, inMemory: true },
    async (stand, controller) => {
      const bed = new FleetBed(stand, controller);
      await bed.showNodes();
      const volumes = await volumesOn(bed, HUNG, HUNG_CALLERS);
      await run(bed, { lives, name: "warm" });
      const withoutMs = await p99(bed, { lives, name: "without" });
      const body = JSON.stringify({ array: HUNG, action: "delay", value: FOR_EVER_MS });
      await (await fetch(`${stand.facts.simulator}/faults`, { method: "POST", body })).text();
      const end = new AbortController();
      const callers = volumes.map(async (id, number) => {
        while (!end.signal.aborted) {
          await bed.publish(id, number).catch(() => {});
          await pause(100, end.signal).catch(() => {});
        }
      });
      await noticed(bed);
      const besideMs = await p99(bed, { lives, name: "beside" });
      end.abort();
      // Their calls end when the stand does.
      void Promise.allSettled(callers);
      return { withoutMs, besideMs };
    },
  );
}

/**
 * Waits until placement knows: a create that was sent to the array before waits for it, and nobody
 * else may make its volume.
 */
async function noticed({ stand }: FleetBed): Promise<void> {
  for (;; await pause(500)) {
    const answer = await fetch(`${stand.facts.admin}/readyz`).catch(() => undefined);
    const body: { checks?: { ok: boolean }[] } | undefined = await answer?.json();
    if (body?.checks?.some(({ ok }) => !ok)) return;
  }
}
