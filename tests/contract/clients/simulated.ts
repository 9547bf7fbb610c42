import { createRun } from "../../../src/host/tools/command.ts";
import { silentLogger } from "../../../src/log.ts";
import { serveFleet } from "../../../src/simulator/simulate.ts";
import { OpenApiChecker } from "../openapi.ts";
import type { Target } from "./python.ts";

/**
 * Gives `work` one simulated array of that kind over HTTPS, and holds all that it answered meanwhile
 * against the OpenAPI files, as far as they know the version that was spoken. Gives back how many
 * answers that were.
 */
export async function onSimulated(
  { kind, allPorts }: { kind: "flasharray" | "flashblade"; allPorts?: boolean },
  work: (target: Target) => Promise<void>,
): Promise<{ active: boolean; checked: number }> {
  const checker = new OpenApiChecker();
  const run = createRun({
    namespaces: "direct",
    hostRoot: "/",
    log: silentLogger,
    path: Deno.env.get("PATH"),
  });
  const fleet = await serveFleet({
    flasharrays: kind === "flasharray" ? 1 : 0,
    flashblades: kind === "flashblade" ? 1 : 0,
    listen: { hostname: "127.0.0.1", port: 0 },
    http: false,
    concurrency: 16,
    latencyMs: 0,
    dataPlane: "local",
    allPorts,
  }, {
    run,
    log: silentLogger,
    signal: new AbortController().signal,
    onAnswer: checker.record,
  });
  try {
    const [array] = fleet.arrays;
    if (array?.ca === undefined) throw new Error("the simulated array has no certificate");
    await work({ address: array.address, token: array.token, ca: array.ca });
  } finally {
    await fleet.stop();
  }
  checker.assertClean();
  return { active: checker.active, checked: checker.checked.size };
}
