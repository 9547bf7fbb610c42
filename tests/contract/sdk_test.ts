import { ok } from "node:assert/strict";
import { createRun } from "../../src/host/tools/command.ts";
import { silentLogger } from "../../src/log.ts";
import { serveFleet } from "../../src/simulator/simulate.ts";
import { OpenApiChecker } from "./openapi.ts";
import { findSdkPython, runSdk } from "./sdk/sdk.ts";

const python = await findSdkPython();

/** The least number of checks of a script that ended well: fewer means that it lost some. */
const LEAST_CHECKS = 16;

const cases: { kind: "flasharray" | "flashblade"; version?: string }[] = [
  { kind: "flasharray" },
  { kind: "flasharray", version: "2.16" },
  { kind: "flasharray", version: "2.26" },
  { kind: "flashblade" },
  { kind: "flashblade", version: "2.12" },
];

for (const { kind, version } of cases) {
  Deno.test({
    name: `the vendor's SDK drives a simulated ${kind}, REST ${
      version ?? "as it negotiates"
    }, and each answer fits the OpenAPI file`,
    ignore: python === undefined,
    fn: async () => {
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
      }, {
        run,
        log: silentLogger,
        signal: new AbortController().signal,
        onAnswer: checker.record,
      });
      try {
        const [array] = fleet.arrays;
        ok(array?.ca && python);
        const checks = await runSdk(python, kind, {
          address: array.address,
          token: array.token,
          ca: array.ca,
          version,
        });
        ok(checks.length >= LEAST_CHECKS, `only ${checks.length} checks: ${checks.join(", ")}`);
      } finally {
        await fleet.stop();
      }
      checker.assertClean();
      if (checker.active) ok(checker.checked.size > LEAST_CHECKS);
    },
  });
}
