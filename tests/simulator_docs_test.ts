// docs/simulator.md says what the simulator offers: its flags, its faults, and what it does not
// model.
import assert from "node:assert/strict";
import { ROOT } from "../scripts/program.ts";
import { helpText } from "../src/cli/flags.ts";
import { FAULT_ACTIONS } from "../src/simulator/faults.ts";
import { LIMITS } from "../src/simulator/limits.ts";

const page = await Deno.readTextFile(`${ROOT}/docs/simulator.md`);

Deno.test("docs/simulator.md lists what is not modelled, word for word and no more", () => {
  const [, list = ""] = page.split("## What is not modelled");
  assert.deepEqual([...list.matchAll(/^- (.+)$/gm)].map(([, limit]) => limit), [...LIMITS]);
});

Deno.test("docs/simulator.md has a row for each flag and each fault", () => {
  const flags = [...helpText("simulate").matchAll(/^ {2}(--[a-z-]+ ?[A-Z:]*)(?: |$)/gm)].map((
    [, flag = ""],
  ) => flag.trim());
  assert.ok(flags.includes("--state DIR"), flags.join(", "));
  const rows = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, first]) => first);
  for (const flag of flags.filter((one) => !["--help", "--version"].includes(one))) {
    assert.ok(rows.includes(flag), flag);
  }
  for (const action of FAULT_ACTIONS) assert.ok(rows.includes(action), action);
});
