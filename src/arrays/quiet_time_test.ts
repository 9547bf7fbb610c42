import { equal } from "node:assert/strict";
import { QuietTime } from "./quiet_time.ts";

const HOUR_MS = 60 * 60 * 1000;
const at = (usecPerOp: number, opsPerSecond = 1000) => ({ usecPerOp, opsPerSecond });

Deno.test("QuietTime compares an array with its own fastest sample", () => {
  const quiet = new QuietTime();
  equal(quiet.slowdown(at(800), 0), 1);
  equal(quiet.slowdown(at(500), HOUR_MS), 1);
  equal(quiet.slowdown(at(2000), 2 * HOUR_MS), 4);
});

Deno.test("QuietTime takes nothing from an idle array, and takes it for quiet", () => {
  const quiet = new QuietTime();
  equal(quiet.slowdown(at(0, 0), 0), 1);
  equal(quiet.slowdown(at(9_000_000, 9), 0), 1);
  equal(quiet.slowdown(at(1000), 0), 1);
  equal(quiet.slowdown(at(300, 9), 0), 1);
  equal(quiet.slowdown(at(1000), 0), 1);
});

Deno.test("QuietTime takes no array for faster than 250 microseconds", () => {
  const quiet = new QuietTime();
  equal(quiet.slowdown(at(5), 0), 1);
  equal(quiet.slowdown(at(250), 0), 1);
  equal(quiet.slowdown(at(500), 0), 2);
});

Deno.test("QuietTime forgets a sample after seven days", () => {
  const quiet = new QuietTime();
  equal(quiet.slowdown(at(500), 0), 1);
  equal(quiet.slowdown(at(2000), 6 * 24 * HOUR_MS), 4);
  equal(quiet.slowdown(at(2000), 8 * 24 * HOUR_MS), 1);
});

Deno.test("QuietTime knows nothing of an array that gives no sample", () => {
  equal(new QuietTime().slowdown(undefined, 0), undefined);
});
