import { ok } from "node:assert/strict";
import { findPython, runScript, SDK } from "./clients/python.ts";
import { onSimulated } from "./clients/simulated.ts";

const python = await findPython({
  folder: "cinder-venv-29.0.0",
  what: "OpenStack Cinder's Pure driver against the simulator",
  packages: [SDK, "cinder==29.0.0"],
});

/** The least number of checks of the script when it ended well. */
const LEAST_CHECKS = 18;

Deno.test({
  name: "15.13: OpenStack Cinder's Pure driver runs the life of a volume on a simulated flasharray",
  ignore: python === undefined,
  fn: async () => {
    await onSimulated({ kind: "flasharray", allPorts: true }, async (target) => {
      const { checks } = await runScript("cinder/flasharray.py", {
        python: python ?? "",
        ...target,
      });
      ok(checks.length >= LEAST_CHECKS, `only ${checks.length} checks: ${checks.join(", ")}`);
    });
  },
});
