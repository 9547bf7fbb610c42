import type { ReadinessCheck } from "../readiness.ts";
import type { Fleet } from "./fleet.ts";

/**
 * One check per array, in the order of the configuration. An array is ready when its last check
 * went well and all its volumes were listed.
 */
export function arrayReadiness({ members }: Pick<Fleet, "members">): ReadinessCheck[] {
  return members.map(({ array, problem, status, warm }) => {
    const name = array.label;
    if (problem) return { name, ok: false, reason: problem.message };
    if (!status) return { name, ok: false, reason: "has not answered yet" };
    return warm ? { name, ok: true } : { name, ok: false, reason: "its volumes are being listed" };
  });
}
