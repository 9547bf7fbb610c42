import { PsoError } from "../../errors.ts";

/** What is said wherever an array is needed and the configuration lists none. */
export const NO_ARRAYS = "no arrays are configured: add one to `arrays` of the configuration, " +
  "and it is taken up without a restart";

/**
 * `unavailable` when the fleet is empty. An empty fleet proves nothing: "gone" would let the cluster
 * forget volumes that still exist, and every call must be made again once arrays are there.
 */
export function refuseEmptyFleet({ members }: { members: readonly unknown[] }): void {
  if (members.length === 0) throw new PsoError("unavailable", NO_ARRAYS);
}
