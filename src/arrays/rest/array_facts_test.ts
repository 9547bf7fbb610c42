import assert from "node:assert/strict";
import { latencyOf } from "./array_facts.ts";

Deno.test("latencyOf() weighs the newest sample's operations", () => {
  const old = { time: 1, reads_per_sec: 1, usec_per_read_op: 9999 };
  const newest = {
    time: 2,
    reads_per_sec: 100,
    usec_per_read_op: 200,
    writes_per_sec: 300,
    usec_per_write_op: 400,
    others_per_sec: null,
  };
  assert.deepEqual(latencyOf([old, newest]), { usecPerOp: 350, opsPerSecond: 400 });
  assert.deepEqual(latencyOf([{ time: 1 }]), { usecPerOp: 0, opsPerSecond: 0 });
  assert.equal(latencyOf([]), undefined);
});
