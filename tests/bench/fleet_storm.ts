// Storms of claims: what a life costs in REST calls, whether the arrays are used to their limit, and
// whether each claim has its volume once.
import { claimNameOf } from "../../scripts/claim.ts";
import type { Volume } from "../../src/arrays/array.ts";
import { pause } from "../../src/async/wait.ts";
import { note, runMany, withStand } from "./bench.ts";
import { AT_ONCE, FleetBed, type Spent } from "./fleet_bed.ts";

/** What is on the arrays and should not be, or is not and should be. */
export interface Faults {
  leaked: number;
  duplicates: number;
  /** The farthest that an array is from the mean, in percent of it. */
  spreadPercent: number;
}

/** What a storm of whole lives cost. */
export interface Lives extends Faults {
  callsPerLife: number;
  cpuMsPerLife: number;
  refused: number;
  idleCallsPerSecondAndArray: number;
}

/** How long a storm of creates and publishes took, and how long it must take. */
export interface Wall extends Faults, Spent {
  /** All calls at the arrays' own speed. */
  arraySeconds: number;
  refused: number;
}

/** Between two checks of an array are 30 seconds. */
const IDLE_MS = 45_000;
const LIVES = { flasharrays: 8, latencyMs: 200, inMemory: true };
/** So few arrays that they are what 100 callers wait for, and not the length of one claim's way. */
const WALL = { flasharrays: 2, latencyMs: 200, concurrency: 16, inMemory: true };

/**
 * Compares what the arrays hold with the claims that should be there. Volumes of nobody, and
 * connections of volumes that no claim uses, are leaked.
 */
function faultsOf(
  held: Map<string, Volume[]>,
  claims: readonly string[],
  { connected }: { connected: boolean },
): Faults {
  const wanted = claims.map(claimNameOf);
  const all = [...held.values()].flat();
  const isClaimed = ({ name }: Volume) => wanted.some((one) => name.endsWith(one));
  const claimed = all.filter(isClaimed);
  const names = new Set(claimed.map(({ name }) => name));
  const missing = wanted.length - names.size;
  const wrong = claimed.filter(({ hosts = [] }) => hosts.length !== (connected ? 1 : 0));
  const counts = [...held.values()].map((volumes) => volumes.filter(isClaimed).length);
  const mean = claimed.length / counts.length;
  const far = Math.max(...counts.map((count) => Math.abs(count - mean)));
  return {
    leaked: all.length - claimed.length + missing + wrong.length,
    duplicates: claimed.length - names.size,
    spreadPercent: mean === 0 ? 0 : far / mean * 100,
  };
}

/** All claims come up, as when a cluster starts, and all go again. */
export async function lives(claims: number): Promise<Lives> {
  const names = Array.from({ length: claims }, (_, number) => `life-${number}`);
  return await withStand(
    { ...LIVES, flashblades: 0, nodes: 1 },
    async (stand, controller) => {
      const bed = new FleetBed(stand, controller);
      await bed.showNodes();
      const ids: string[] = [];
      const up = await bed.spent(() =>
        runMany(claims, AT_ONCE, async (number) => {
          const id = ids[number] = await bed.create(names[number] ?? "");
          await bed.publish(id, number);
        })
      );
      note(`${claims} claims are up: ${up.calls} calls in ${up.seconds.toFixed(1)} s`);
      const held = faultsOf(await bed.volumesByArray(), names, { connected: true });
      const down = await bed.spent(() =>
        runMany(claims, AT_ONCE, async (number) => {
          await bed.unpublish(ids[number] ?? "", number);
          await bed.delete(ids[number] ?? "");
        })
      );
      note(`${claims} claims are gone: ${down.calls} calls in ${down.seconds.toFixed(1)} s`);
      const left = faultsOf(await bed.volumesByArray(), [], { connected: false });
      const idle = await bed.spent(() => pause(IDLE_MS));
      return {
        callsPerLife: (up.calls + down.calls) / claims,
        cpuMsPerLife: (up.cpuSeconds + down.cpuSeconds) * 1000 / claims,
        refused: bed.refused,
        idleCallsPerSecondAndArray: idle.calls / idle.seconds / LIVES.flasharrays,
        leaked: held.leaked + left.leaked,
        duplicates: held.duplicates,
        spreadPercent: held.spreadPercent,
      };
    },
  );
}

/** Claims that come up on arrays that take long for each call, and take few at once. */
export async function wall(claims: number): Promise<Wall> {
  const names = Array.from({ length: claims }, (_, number) => `wall-${number}`);
  return await withStand(
    { ...WALL, flashblades: 0, nodes: 1 },
    async (stand, controller) => {
      const bed = new FleetBed(stand, controller);
      await bed.showNodes();
      bed.refused = 0;
      const up = await bed.spent(() =>
        runMany(claims, AT_ONCE, async (number) => {
          await bed.publish(await bed.create(names[number] ?? ""), number);
        })
      );
      note(`${claims} claims are up on slow arrays: ${up.seconds.toFixed(1)} s`);
      const held = faultsOf(await bed.volumesByArray(), names, { connected: true });
      const { flasharrays, latencyMs, concurrency } = WALL;
      const arraySeconds = up.calls * latencyMs / 1000 / (flasharrays * concurrency);
      return { ...up, ...held, arraySeconds, refused: bed.refused };
    },
  );
}

/** Processor time of the controller for each CreateVolume, in ms, with arrays that answer at once. */
export async function createCpuMs(creates: number): Promise<number> {
  return await withStand(
    { flasharrays: 2, flashblades: 0, nodes: 0, inMemory: true },
    async (stand, controller) => {
      const bed = new FleetBed(stand, controller);
      await runMany(100, 16, (number) => bed.create(`warm-${number}`));
      const { cpuSeconds } = await bed.spent(() =>
        runMany(creates, 16, (number) => bed.create(`cpu-${number}`))
      );
      return cpuSeconds * 1000 / creates;
    },
  );
}
