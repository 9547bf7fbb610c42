import { testFleet } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet, SimulateOptions } from "../../src/simulator/simulate.ts";
import { OpenApiChecker } from "./openapi.ts";

/** Which array is simulated, and how it differs from one over plain HTTP that answers at once. */
export interface SimulatedArray extends Partial<SimulateOptions> {
  kind: "flasharray" | "flashblade";
}

/**
 * Runs `work` over one simulated array of that kind, and takes it away. Gives back what held all
 * that it answered meanwhile against the OpenAPI file of its version.
 */
export async function withSimulated(
  { kind, ...options }: SimulatedArray,
  work: (fleet: ServedFleet, checker: OpenApiChecker) => Promise<void>,
): Promise<OpenApiChecker> {
  const checker = new OpenApiChecker();
  const isBlock = kind === "flasharray";
  const fleet = await testFleet(
    { flasharrays: isBlock ? 1 : 0, flashblades: isBlock ? 0 : 1, ...options },
    { onAnswer: checker.record },
  );
  try {
    await work(fleet, checker);
  } finally {
    await fleet.stop();
  }
  return checker;
}
