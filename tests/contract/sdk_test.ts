import { ok } from "node:assert/strict";
import { findPython, runScript, SDK } from "./clients/python.ts";
import { onSimulated } from "./clients/simulated.ts";

const python = await findPython({
  folder: "sdk-venv-1.90.0",
  what: "the vendor's SDK against the simulator",
  packages: [SDK],
});

/** The least number of checks of a script that ended well: fewer means that it lost some. */
const LEAST_CHECKS = 18;
/** Different calls of the SDK, without the lists that are only read at the newest version. */
const LEAST_CALLS = 20;
/** Different calls at the newest version, lists included. */
const WANTED_CALLS = 200;

const cases: { kind: "flasharray" | "flashblade"; version?: string }[] = [
  { kind: "flasharray" },
  { kind: "flasharray", version: "2.16" },
  { kind: "flasharray", version: "2.26" },
  { kind: "flashblade" },
  { kind: "flashblade", version: "2.12" },
];

for (const { kind, version } of cases) {
  Deno.test({
    name: `15.13: the vendor's SDK drives a simulated ${kind}, REST ${
      version ?? "as it negotiates"
    }, and each answer fits the OpenAPI file`,
    ignore: python === undefined,
    fn: async (test) => {
      const { active, checked } = await onSimulated({ kind }, async (target) => {
        const more = version === undefined ? [] : [version];
        const options = { python: python ?? "", more, ...target };
        const { checks, calls } = await runScript(`sdk/${kind}.py`, options);
        ok(checks.length >= LEAST_CHECKS, `only ${checks.length} checks: ${checks.join(", ")}`);
        const least = version === undefined ? WANTED_CALLS : LEAST_CALLS;
        await test.step(`${calls} different calls of the SDK, ${least} are wanted`, () => {
          ok(calls >= least);
        });
      });
      if (active) ok(checked > LEAST_CHECKS);
    },
  });
}
