import { type SimulatedArray, withSimulated } from "../simulated_array.ts";
import type { Target } from "./python.ts";

/**
 * Gives `work` one simulated array of that kind over HTTPS, and holds all that it answered meanwhile
 * against the OpenAPI files, as far as they know the version that was spoken. Gives back how many
 * answers that were.
 */
export async function onSimulated(
  options: Pick<SimulatedArray, "kind" | "allPorts">,
  work: (target: Target) => Promise<void>,
): Promise<{ active: boolean; checked: number }> {
  const checker = await withSimulated({ ...options, http: false }, async ({ arrays: [array] }) => {
    if (array?.ca === undefined) throw new Error("the simulated array has no certificate");
    await work({ address: array.address, token: array.token, ca: array.ca });
  });
  checker.assertClean();
  return { active: checker.active, checked: checker.checked.size };
}
