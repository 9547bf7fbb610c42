import assert from "node:assert/strict";
import { WriteMeter } from "./write_meter.ts";

Deno.test("WriteMeter.rates() gives bytes and writes per second since the last look", () => {
  let now = 0;
  const meter = new WriteMeter(() => now);
  assert.deepEqual(meter.rates("a", 1_000_000), { writesPerSec: 0, writeBytesPerSec: 0 });
  now = 2000;
  assert.deepEqual(meter.rates("a", 1_000_000 + 2 * 40_960), {
    writesPerSec: 10,
    writeBytesPerSec: 40_960,
  });
  now = 2500;
  assert.deepEqual(meter.rates("a", 9_000_000), { writesPerSec: 10, writeBytesPerSec: 40_960 });
  now = 4000;
  assert.deepEqual(meter.rates("a", 0), { writesPerSec: 0, writeBytesPerSec: 0 });
});
