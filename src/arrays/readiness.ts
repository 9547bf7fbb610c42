import type { ReadinessCheck, ReadyState } from "../readiness.ts";
import { type Fleet, type FleetMember } from "./fleet.ts";
import { nameInFleet, unusableState } from "./fleet_member.ts";
import { NO_ARRAYS } from "../config/arrays/no_arrays.ts";

/**
 * One check per array, in the order of the configuration. An array is served when its last check
 * went well and all its volumes were listed; that it refuses changes is shown. While one array is
 * served, the faults of others are shown and do not count: a controller that serves the rest is
 * ready. Without any array it is ready too, and says so: arrays may be added later. Arrays that
 * were taken out of the configuration stand behind the others and decide nothing.
 */
export function arrayReadiness(
  fleet: Pick<Fleet, "members"> & Partial<Pick<Fleet, "keptBy">>,
): ReadinessCheck[] {
  const { members } = fleet;
  const configured = members.filter(({ draining }) => !draining);
  const checks = configuredReadiness(fleet, configured);
  for (const member of members.filter(({ draining }) => draining)) {
    const name = nameInFleet(fleet, member.array);
    const left = fleet.keptBy?.(member) ?? 0;
    const reason = "was taken out of the configuration: it gets no new volumes, and is served " +
      `until its last volume is gone (${left} known now)`;
    const fault = unserved(member);
    checks.push(
      fault
        ? {
          name,
          ok: false,
          state: "draining",
          optional: true,
          reason: `${reason}; ${fault.reason}`,
        }
        : { name, ok: true, state: "draining", reason },
    );
  }
  return checks;
}

function configuredReadiness(
  fleet: Pick<Fleet, "members">,
  members: readonly FleetMember[],
): ReadinessCheck[] {
  if (members.length === 0) {
    return [{ name: "arrays", ok: true, state: "no arrays", reason: NO_ARRAYS }];
  }
  const isReady = members.some((member) => unserved(member) === undefined);
  return members.map((member) => {
    const name = nameInFleet(fleet, member.array);
    const fault = unserved(member);
    if (fault !== undefined) return { name, ok: false, ...fault, ...isReady && { optional: true } };
    if (member.entryProblem) {
      const reason =
        `its changed entry is not in use, the last good one stays: ${member.entryProblem.message}`;
      return { name, ok: false, state: "kept", reason, optional: true };
    }
    if (member.refusal) {
      const reason = member.refusal.message;
      return { name, ok: false, state: "refusing", reason, optional: true };
    }
    return member.suspended
      ? { name, ok: true, state: "suspended", reason: "suspended: it gets no new volumes" }
      : { name, ok: true, state: "ok" };
  });
}

function unserved(member: FleetMember): { state: ReadyState; reason: string } | undefined {
  const { problem, status, warm } = member;
  if (problem) return { state: unusableState(member), reason: problem.message };
  if (!status) return { state: "waiting", reason: "has not answered yet" };
  return warm ? undefined : { state: "listing", reason: "its volumes are being listed" };
}
