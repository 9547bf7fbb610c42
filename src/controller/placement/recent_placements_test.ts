import { deepEqual } from "node:assert/strict";
import { RecentPlacements } from "./recent_placements.ts";

/** A create that ends at once. */
function add(recent: RecentPlacements, of: { bytes: number; usedBytes: number }): void {
  recent.begin("fa-1", of).ended("made");
}

const MINUTE_MS = 60 * 1000;

Deno.test("RecentPlacements sums per array and forgets after five minutes", () => {
  let now = 1_000_000;
  const recent = new RecentPlacements(() => now);
  const unwritten = (array: string) =>
    recent.on(array, { usedBytes: 0, statusMs: now }).unwrittenBytes;
  add(recent, { bytes: 10, usedBytes: 0 });
  add(recent, { bytes: 5, usedBytes: 0 });
  now += 2 * MINUTE_MS;
  add(recent, { bytes: 7, usedBytes: 0 });
  deepEqual([unwritten("fa-1"), unwritten("fa-2")], [22, 0]);
  now += 2.5 * MINUTE_MS;
  deepEqual(unwritten("fa-1"), 22);
  now += 1.5 * MINUTE_MS;
  deepEqual(unwritten("fa-1"), 7);
  now += 2 * MINUTE_MS;
  deepEqual(unwritten("fa-1"), 0);
});

Deno.test("RecentPlacements takes what the array uses since for written, but for what it cannot show yet", () => {
  let now = 1_000_000;
  const recent = new RecentPlacements(() => now);
  add(recent, { bytes: 100, usedBytes: 50 });
  const never = { unwrittenBytes: 100, unseenBytes: 100 };
  deepEqual(recent.on("fa-1", { usedBytes: 50 }), never);
  deepEqual(recent.on("fa-1", { usedBytes: 90, statusMs: now - MINUTE_MS }), never);
  now += MINUTE_MS;
  const statusMs = now;
  deepEqual(recent.on("fa-1", { usedBytes: 90, statusMs }), { unwrittenBytes: 60, unseenBytes: 0 });
  now += 10_000;
  add(recent, { bytes: 20, usedBytes: 500 });
  deepEqual(recent.on("fa-1", { usedBytes: 500, statusMs }), {
    unwrittenBytes: 20,
    unseenBytes: 20,
  });
  deepEqual(recent.on("fa-1", { usedBytes: 10, statusMs }).unwrittenBytes, 120);
});

Deno.test("RecentPlacements counts next to nothing twice when an array is looked at amid a storm", () => {
  let now = 1_000_000;
  const recent = new RecentPlacements(() => now);
  for (let placed = 0; placed < 100; placed++) {
    add(recent, { bytes: 1, usedBytes: 0 });
    now += 100;
  }
  const { unwrittenBytes, unseenBytes } = recent.on("fa-1", { usedBytes: 0, statusMs: now });
  deepEqual([unwrittenBytes, unseenBytes <= 5], [100, true]);
});

Deno.test("RecentPlacements counts a create without answer as unseen, and none of which nothing came", () => {
  let now = 1_000_000;
  const recent = new RecentPlacements(() => now);
  const [slow, refused] = [7, 3].map((bytes) => recent.begin("fa-1", { bytes, usedBytes: 0 }));
  now += 4_000;
  const on = () => recent.on("fa-1", { usedBytes: 0, statusMs: now });
  deepEqual(on(), { unwrittenBytes: 10, unseenBytes: 10 });
  refused?.ended("nothing");
  deepEqual(on(), { unwrittenBytes: 7, unseenBytes: 7 });
  slow?.ended("unclear");
  now += 1_000;
  deepEqual(on(), { unwrittenBytes: 7, unseenBytes: 0 });
});

Deno.test("RecentPlacements takes a look amid a storm for what was reckoned, and not for a fuller array", () => {
  let now = 1_000_000;
  const recent = new RecentPlacements(() => now);
  const unseen = (shown: { provisionedBytes: number; statusMs: number }) =>
    recent.on("fa-1", { usedBytes: 0, ...shown }).unseenBytes;
  const before = { provisionedBytes: 1000, statusMs: now };
  now += 10_000;
  for (let made = 0; made < 5; made++) add(recent, { bytes: 10, usedBytes: 0 });
  const underWay = Array.from(
    { length: 3 },
    () => recent.begin("fa-1", { bytes: 10, usedBytes: 0 }),
  );
  deepEqual(unseen(before), 80);
  // The look has all that ended and one of those under way.
  const amid = { provisionedBytes: 1060, statusMs: now };
  deepEqual(unseen(amid), 20);
  for (const one of underWay) one.ended("made");
  recent.begin("fa-1", { bytes: 10, usedBytes: 0 }).ended("nothing");
  deepEqual(unseen(amid), 20);
  now += 10_000;
  // Somebody else made 500 there, and later all but 100 was deleted.
  deepEqual(unseen({ provisionedBytes: 1580, statusMs: now }), 0);
  add(recent, { bytes: 10, usedBytes: 0 });
  deepEqual(unseen({ provisionedBytes: 1580, statusMs: now }), 10);
  now += 10_000;
  deepEqual(unseen({ provisionedBytes: 100, statusMs: now }), 0);
});
