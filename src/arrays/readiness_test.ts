import assert from "node:assert/strict";
import { PsoError } from "../errors.ts";
import type { ArrayStatus, StorageArray } from "./array.ts";
import type { FleetMember } from "./fleet.ts";
import { arrayReadiness } from "./readiness.ts";

const status: ArrayStatus = Object.assign(Object.create(null));

function member(label: string, facts: Omit<Partial<FleetMember>, "array">): FleetMember {
  const array: StorageArray = Object.assign(Object.create(null), { label });
  return { array, labels: {}, warm: false, ...facts };
}

Deno.test("an array is ready when it answers and all its volumes were listed", () => {
  const problem = new PsoError("unavailable", "fa-2 cannot be reached");
  const members = [
    member("fa-1", { status, warm: true }),
    member("fa-2", { status, warm: true, problem }),
    member("fa-3", {}),
    member("fa-4", { status }),
  ];
  assert.deepEqual(arrayReadiness({ members }), [
    { name: "fa-1", ok: true },
    { name: "fa-2", ok: false, reason: "fa-2 cannot be reached" },
    { name: "fa-3", ok: false, reason: "has not answered yet" },
    { name: "fa-4", ok: false, reason: "its volumes are being listed" },
  ]);
});
