import { deepEqual } from "node:assert/strict";
import type { HostObject, StorageArray } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { arrayFindings, pathFindings } from "./array_health.ts";

const NO_PATHS: ReadonlyMap<string, HostObject> = new Map();
const WELL = { alerts: [], paths: NO_PATHS };

function member(change: { used?: number; problem?: PsoError } = {}): FleetMember {
  const status = {
    id: "0",
    name: "fa-1",
    kind: "block" as const,
    version: "6.8.2",
    restVersion: "2.38",
    capacityBytes: 1000,
    usedBytes: change.used ?? 0,
    features: new Set<never>(),
    protocols: new Set<never>(),
  };
  // Only these fields are read.
  const found = { array: { label: "fa-1" } as StorageArray, status, problem: change.problem };
  return found as unknown as FleetMember;
}

Deno.test("15.9: arrayFindings() finds nothing on an array that is well", () => {
  deepEqual(arrayFindings(member({ used: 899 }), WELL), []);
});

Deno.test("15.9: arrayFindings() tells what is wrong with every volume of the array, each reason once", () => {
  const problem = new PsoError("timeout", "did not answer in time");
  const alerts = ["CT0: failed", "b", "c", "d", "e"];
  deepEqual(arrayFindings(member({ used: 950, problem }), { ...WELL, alerts }), [
    {
      status: "degraded",
      reason: "ArrayUnreachable",
      message: "array fa-1 cannot be managed now: did not answer in time",
    },
    {
      status: "degraded",
      reason: "ArrayAlert",
      message: "array fa-1 has critical alerts: CT0: failed; b; c and 2 more",
    },
    {
      status: "degraded",
      reason: "ArrayNearlyFull",
      message: "array fa-1 is 95 % full: free or add space before writes fail",
    },
  ]);
});

Deno.test("15.9: pathFindings() tells hosts without paths from those with too few, of the volume's alone", () => {
  const host = (name: string, paths: HostObject["paths"]): [string, HostObject] => [
    name.toLowerCase(),
    { name, initiators: [], paths },
  ];
  const paths = new Map([host("n-1", "none"), host("N-2", "few"), host("n-3", "none")]);
  const volume = {
    name: "k8s-pvc-1",
    sizeBytes: 1,
    createdMs: 0,
    everWritten: false,
    usedBytes: 0,
  };
  const findings = pathFindings({ ...volume, hosts: ["n-1", "n-2", "n-4"] }, { ...WELL, paths });
  deepEqual(findings.map(({ status, reason }) => [status, reason]), [
    ["inaccessible", "NoPaths"],
    ["degraded", "FewPaths"],
  ]);
  deepEqual(findings.map(({ message }) => /path(?:s)? to ([^,]+),/.exec(message)?.[1]), [
    "n-1",
    "N-2",
  ]);
  deepEqual(pathFindings({ ...volume, hosts: ["n-4"] }, { ...WELL, paths }), []);
});
