import assert from "node:assert/strict";
import { PsoError } from "../errors.ts";
import type { ArrayStatus, StorageArray } from "./array.ts";
import type { FleetMember } from "./fleet.ts";
import { arrayReadiness } from "./readiness.ts";

const status: ArrayStatus = Object.assign(Object.create(null));
const problem = new PsoError("unavailable", "fa-2 cannot be reached");

function member(label: string, facts: Omit<Partial<FleetMember>, "array">): FleetMember {
  const array: StorageArray = Object.assign(Object.create(null), { label });
  return { array, labels: {}, warm: false, suspended: false, ...facts };
}

Deno.test("while one array is served, the faults of others are shown and do not count", () => {
  const members = [
    member("fa-1", { status, warm: true }),
    member("fa-2", { status, warm: true, problem }),
    member("fa-3", {}),
    member("fa-4", { status }),
    member("fa-5", { status, warm: true, suspended: true }),
  ];
  assert.deepEqual(arrayReadiness({ members }), [
    { name: "fa-1", ok: true },
    { name: "fa-2", ok: false, reason: "fa-2 cannot be reached", optional: true },
    { name: "fa-3", ok: false, reason: "has not answered yet", optional: true },
    { name: "fa-4", ok: false, reason: "its volumes are being listed", optional: true },
    { name: "fa-5", ok: true, reason: "suspended: it gets no new volumes" },
  ]);
});

Deno.test("while no array is served, each one's fault counts; no array at all is no fault", () => {
  const members = [member("fa-2", { status, warm: true, problem }), member("fa-4", { status })];
  assert.deepEqual(arrayReadiness({ members }), [
    { name: "fa-2", ok: false, reason: "fa-2 cannot be reached" },
    { name: "fa-4", ok: false, reason: "its volumes are being listed" },
  ]);
  assert.deepEqual(arrayReadiness({ members: [] }), []);
});
