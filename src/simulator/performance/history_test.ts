import assert from "node:assert/strict";
import type { Call } from "../call.ts";
import { Clock } from "../clock.ts";
import { ARRAY_RESOLUTIONS, OBJECT_RESOLUTIONS, PerformanceHistory } from "./history.ts";
import { WriteMeter } from "./write_meter.ts";

const MINUTE = 60_000;

function asked(query: string): Call {
  return {
    minor: 26,
    query: new URLSearchParams(query),
    body: undefined,
    stale: false,
    full: false,
  };
}

/** An array that wrote 1 MB/s from 60 to 62 seconds, looked at then, and nothing else. */
function written(): PerformanceHistory {
  let now = 0;
  const history = new PerformanceHistory(new Clock({ real: () => now }), new WriteMeter(() => now));
  for (const [at, bytes] of [[MINUTE, 0], [MINUTE + 2000, 2_000_000], [3 * MINUTE, 2_000_000]]) {
    now = at ?? 0;
    history.rates({ key: "a", bytes: bytes ?? 0 });
  }
  return history;
}

Deno.test("moments() gives one sample of now, or one for each step of the window", () => {
  const history = written();
  const bytes = (query: string, resolutions = OBJECT_RESOLUTIONS) =>
    history.moments(asked(query), { key: "a", bytes: 2_000_000 }, resolutions)
      .map(({ time, rates }) => [time, rates.writeBytesPerSec]);
  assert.deepEqual(bytes(""), [[3 * MINUTE, 0]]);
  const steps = `start_time=${MINUTE}&end_time=${2 * MINUTE}&resolution=30000`;
  assert.deepEqual(bytes(steps), [[MINUTE, 0], [90_000, 1_000_000], [2 * MINUTE, 0]]);
  // Without a start: the last ones before the end. An end in the future is now.
  assert.deepEqual(bytes("end_time=99999999&resolution=30000"), [[150_000, 0], [180_000, 0]]);
  assert.equal(bytes("start_time=170000&resolution=1000", ARRAY_RESOLUTIONS).length, 11);
});

Deno.test("moments() refuses windows that no array has", () => {
  const history = written();
  const refusal = (query: string) => {
    try {
      history.moments(asked(query), { key: "a", bytes: 0 }, OBJECT_RESOLUTIONS);
      return "taken";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  assert.match(refusal("resolution=1000"), /Invalid value for resolution: expected 30000, /);
  assert.equal(
    refusal("start_time=170000&end_time=160000"),
    "start_time must not be after end_time.",
  );
  assert.match(refusal("start_time=now"), /Invalid value for start_time/);
});
