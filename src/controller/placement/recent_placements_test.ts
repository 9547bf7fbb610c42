import { equal } from "node:assert/strict";
import { RecentPlacements } from "./recent_placements.ts";

Deno.test("RecentPlacements sums per array and forgets after five minutes", () => {
  let now = 1_000_000;
  const recent = new RecentPlacements(() => now);
  recent.add("fa-1", 10);
  recent.add("fa-1", 5);
  now += 2 * 60 * 1000;
  recent.add("fa-1", 7);
  equal(recent.bytesOn("fa-1"), 22);
  equal(recent.bytesOn("fa-2"), 0);
  now += 2.5 * 60 * 1000;
  equal(recent.bytesOn("fa-1"), 22);
  now += 1.5 * 60 * 1000;
  equal(recent.bytesOn("fa-1"), 7);
  now += 2 * 60 * 1000;
  equal(recent.bytesOn("fa-1"), 0);
});
