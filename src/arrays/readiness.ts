import type { ReadinessCheck } from "../readiness.ts";
import type { Fleet, FleetMember } from "./fleet.ts";

/**
 * One check per array, in the order of the configuration. An array is served when its last check
 * went well and all its volumes were listed; that it refuses changes is shown. While one array is served, the faults of others are
 * shown and do not count: a controller that serves the rest is ready.
 */
export function arrayReadiness({ members }: Pick<Fleet, "members">): ReadinessCheck[] {
  const isReady = members.some((member) => unservedReason(member) === undefined);
  return members.map((member) => {
    const name = member.array.label;
    const reason = unservedReason(member);
    if (reason !== undefined) return { name, ok: false, reason, ...isReady && { optional: true } };
    if (member.refusal) return { name, ok: false, reason: member.refusal.message, optional: true };
    return member.suspended
      ? { name, ok: true, reason: "suspended: it gets no new volumes" }
      : { name, ok: true };
  });
}

function unservedReason({ problem, status, warm }: FleetMember): string | undefined {
  if (problem) return problem.message;
  if (!status) return "has not answered yet";
  return warm ? undefined : "its volumes are being listed";
}
