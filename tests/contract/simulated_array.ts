import { createRun } from "../../src/host/tools/command.ts";
import { silentLogger } from "../../src/log.ts";
import {
  type ServedFleet,
  serveFleet,
  type SimulateOptions,
} from "../../src/simulator/simulate.ts";
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
    http: true,
    concurrency: 16,
    latencyMs: 0,
    dataPlane: "local",
    ...options,
  }, { run, log: silentLogger, signal: new AbortController().signal, onAnswer: checker.record });
  try {
    await work(fleet, checker);
  } finally {
    await fleet.stop();
  }
  return checker;
}
