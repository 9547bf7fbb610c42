import assert from "node:assert/strict";
import { PsoError } from "../errors.ts";
import type { ArrayStatus, StorageArray } from "./array.ts";
import type { FleetMember } from "./fleet.ts";
import { IdentityError } from "./fleet_member.ts";
import { arrayReadiness } from "./readiness.ts";

const status: ArrayStatus = Object.assign(Object.create(null));
const problem = new PsoError("unavailable", "fa-2 cannot be reached");

function member(label: string, facts: Omit<Partial<FleetMember>, "array">): FleetMember {
  const array: StorageArray = Object.assign(Object.create(null), {
    configuredName: label,
    label: `own name of ${label}`,
  });
  return { array, labels: {}, warm: false, twin: false, suspended: false, ...facts };
}

Deno.test("while one array is served, the faults of others are shown and do not count", () => {
  const members = [
    member("fa-1", { status, warm: true }),
    member("fa-2", { status, warm: true, problem }),
    member("fa-3", {}),
    member("fa-4", { status }),
    member("fa-5", { status, warm: true, suspended: true }),
  ];
  const faulty = (name: string, state: string, reason: string) =>
    Object({ name, ok: false, state, reason, optional: true });
  assert.deepEqual(arrayReadiness({ members }), [
    { name: "fa-1", ok: true, state: "ok" },
    faulty("fa-2", "unreachable", "fa-2 cannot be reached"),
    faulty("fa-3", "waiting", "has not answered yet"),
    faulty("fa-4", "listing", "its volumes are being listed"),
    { name: "fa-5", ok: true, state: "suspended", reason: "suspended: it gets no new volumes" },
  ]);
});

Deno.test("while no array is served, each one's fault counts", () => {
  const members = [member("fa-2", { status, warm: true, problem }), member("fa-4", { status })];
  assert.deepEqual(arrayReadiness({ members }), [
    { name: "fa-2", ok: false, state: "unreachable", reason: "fa-2 cannot be reached" },
    { name: "fa-4", ok: false, state: "listing", reason: "its volumes are being listed" },
  ]);
});

Deno.test("the state of an array is a word of ours, whatever the array says", () => {
  const served = member("fa-1", { status, warm: true });
  const refusal = new PsoError("denied", "role too low");
  const problems = [
    new PsoError("denied", "certificate"),
    new PsoError("timeout", "silent"),
    new IdentityError("another array"),
    new PsoError("invalid", "odd"),
  ];
  const members = [
    served,
    member("fa-2", { status, warm: true, refusal }),
    ...problems.map((problem) => member("fa-3", { problem })),
  ];
  assert.deepEqual(arrayReadiness({ members }).map(({ state }) => state), [
    "ok",
    "refusing",
    "denied",
    "unreachable",
    "wrong",
    "failed",
  ]);
});

Deno.test("without any array a controller is ready, and says so", () => {
  const [check, ...others] = arrayReadiness({ members: [] });
  assert.deepEqual([check?.name, check?.ok, check?.state, others], [
    "arrays",
    true,
    "no arrays",
    [],
  ]);
  assert.match(check?.reason ?? "", /^no arrays are configured: add one/);
});
