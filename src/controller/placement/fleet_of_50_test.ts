/** What the formula makes of a whole fleet: 50 arrays that show what they hold once a while. */
import { deepEqual, ok } from "node:assert/strict";
import type { ArrayStatus } from "../../arrays/array.ts";
import { GiB, TiB } from "../../size.ts";
import { place, type PlacementArray, type PlacementRequest } from "./placement.ts";
import { RecentPlacements } from "./recent_placements.ts";

const RULES = { headroomPercent: 10, volumesPerArray: 0 };
const CHECK_MS = 30_000;

interface Held {
  status: ArrayStatus;
  /** What it holds really, and not only at its last check. */
  usedBytes: number;
  provisionedBytes: number;
  volumes: number;
}

/** Numbers from 0 to 1 that are the same in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** What a fleet is. */
interface FleetOfTest {
  /** Share of each volume that is written at once. */
  written: number;
  capacityOf: (at: number) => number;
  /** Time between two placements; default 100 ms. */
  pauseMs?: number;
}

/** Arrays that volumes are placed on, each asked every 30 s. */
class Fleet50 {
  readonly arrays: Held[];
  #nowMs = 0;
  #statusMs = 0;
  readonly #written: number;
  readonly #pauseMs: number;
  readonly #recent = new RecentPlacements(() => this.#nowMs);

  constructor(
    { written, capacityOf, pauseMs = 100 }: FleetOfTest,
  ) {
    this.#written = written;
    this.#pauseMs = pauseMs;
    this.arrays = Array.from({ length: 50 }, (_, at) => ({
      status: {
        id: `array-${at}`,
        name: `array-${at}`,
        kind: "block",
        version: "6.6.0",
        restVersion: "2.26",
        capacityBytes: capacityOf(at),
        usedBytes: 0,
        provisionedBytes: 0,
        features: new Set(),
        protocols: new Set(["iscsi"] as const),
      },
      usedBytes: 0,
      provisionedBytes: 0,
      volumes: 0,
    }));
  }

  /** Places one volume; false when no array takes it. */
  place(name: string, sizeBytes: number): boolean {
    this.#nowMs += this.#pauseMs;
    if (this.#nowMs - this.#statusMs >= CHECK_MS) this.#check();
    const [best] = place(requestFor(name, sizeBytes), this.arrays.map((held) => this.#judged(held)))
      .candidates;
    const held = this.arrays.find(({ status }) => status.id === best?.array.key);
    if (!held) return false;
    const { id, usedBytes } = held.status;
    this.#recent.begin(id, { bytes: sizeBytes, usedBytes }).ended("made");
    held.usedBytes += Math.round(sizeBytes * this.#written);
    held.provisionedBytes += sizeBytes;
    held.volumes++;
    return true;
  }

  #judged({ status }: Held): PlacementArray {
    const { id } = status;
    return {
      key: id,
      label: id,
      kind: "block",
      labels: {},
      status,
      recent: this.#recent.on(id, { ...status, statusMs: this.#statusMs }),
    };
  }

  #check(): void {
    this.#statusMs = this.#nowMs;
    for (const held of this.arrays) {
      const { usedBytes, provisionedBytes } = held;
      held.status = { ...held.status, usedBytes, provisionedBytes };
    }
  }
}

function requestFor(volumeName: string, sizeBytes: number): PlacementRequest {
  return {
    volumeName,
    requestName: volumeName,
    sizeBytes,
    kind: "block",
    protocol: "iscsi",
    features: [],
    arraySelector: [],
    rules: RULES,
  };
}

function threeSizes(at: number): number {
  return ([50, 100, 200][at % 3] ?? 0) * TiB;
}

/** How far the array that is farthest from its share is away from it, in percent. */
function awayPercent(shares: { has: number; ideal: number }[]): number {
  return Math.max(...shares.map(({ has, ideal }) => Math.abs(has / ideal - 1) * 100));
}

for (const written of [0, 0.3, 1]) {
  Deno.test(`15.1: 10,000 placements over 50 equal arrays are within 3 % of ideal, volumes being ${written * 100} % full`, () => {
    const fleet = new Fleet50({ written, capacityOf: () => 100 * TiB });
    for (let at = 0; at < 10_000; at++) ok(fleet.place(`k8s-pvc-${at}`, 10 * GiB));
    const has = fleet.arrays.map(({ volumes }) => volumes);
    ok(awayPercent(has.map((one) => ({ has: one, ideal: 200 }))) <= 3, `${has}`);
  });

  Deno.test(`10,000 placements of many sizes are within 3 % of ideal in bytes, volumes being ${written * 100} % full`, () => {
    const fleet = new Fleet50({ written, capacityOf: () => 100 * TiB });
    const next = numbers(7);
    for (let at = 0; at < 10_000; at++) {
      ok(fleet.place(`k8s-pvc-${at}`, Math.ceil(next() * 100) * GiB));
    }
    const has = fleet.arrays.map(({ provisionedBytes }) => provisionedBytes);
    const ideal = has.reduce((sum, one) => sum + one, 0) / has.length;
    ok(awayPercent(has.map((one) => ({ has: one, ideal }))) <= 3, `${has.map((one) => one / GiB)}`);
  });
}

Deno.test("10,000 placements over arrays of three sizes fill each within 3 % of its share", () => {
  const fleet = new Fleet50({ written: 1, capacityOf: threeSizes });
  const next = numbers(11);
  for (let at = 0; at < 10_000; at++) {
    ok(fleet.place(`k8s-pvc-${at}`, Math.ceil(next() * 200) * GiB));
  }
  const total = (pick: (held: Held) => number) =>
    fleet.arrays.reduce((sum, held) => sum + pick(held), 0);
  const ideal = total(({ usedBytes }) => usedBytes) /
    total(({ status }) => status.capacityBytes);
  const shares = fleet.arrays.map(({ usedBytes, status }) => ({
    has: usedBytes / status.capacityBytes,
    ideal,
  }));
  ok(awayPercent(shares) <= 3, `${shares.map(({ has }) => has.toFixed(4))}`);
});

const HEADROOM = 1 - RULES.headroomPercent / 100;

function aboveHeadroom({ arrays }: Fleet50): Held[] {
  return arrays.filter(({ usedBytes, status }) => usedBytes > status.capacityBytes * HEADROOM);
}

Deno.test("15.1: a fleet that is filled up has no array above its headroom, and none with room left", () => {
  const fleet = new Fleet50({ written: 1, capacityOf: threeSizes, pauseMs: CHECK_MS });
  const size = 2 * TiB;
  let placed = 0;
  while (placed < 10_000 && fleet.place(`k8s-pvc-${placed}`, size)) placed++;
  deepEqual(aboveHeadroom(fleet), []);
  const roomy = fleet.arrays.filter(({ usedBytes, status }) =>
    usedBytes + size <= status.capacityBytes * HEADROOM
  );
  deepEqual(roomy, []);
});

Deno.test("10,000 placements at once into nearly all that a fleet has leave no array above its headroom", () => {
  const fleet = new Fleet50({ written: 1, capacityOf: threeSizes, pauseMs: 1 });
  const total = fleet.arrays.reduce((sum, { status }) => sum + status.capacityBytes, 0);
  const size = Math.floor(0.97 * HEADROOM * total / 10_000);
  for (let at = 0; at < 10_000; at++) ok(fleet.place(`k8s-pvc-${at}`, size));
  deepEqual(aboveHeadroom(fleet), []);
});
