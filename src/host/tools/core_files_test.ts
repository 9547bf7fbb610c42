import { deepEqual, equal, match } from "node:assert/strict";
import { createLogger } from "../../log.ts";
import { PsoError } from "../../errors.ts";
import { forbidCoreFiles } from "./core_files.ts";
import { testRun } from "../../../tests/support/test_node.ts";

Deno.test("neither this process nor a tool of it may leave a core file, or raise its limit again", async () => {
  const lines: string[] = [];
  await forbidCoreFiles(testRun, createLogger({ write: (line) => lines.push(line) }));
  const { stdout } = await testRun("sh", ["-c", "ulimit -Sc; ulimit -Hc"]);
  equal(stdout.trim(), "0\n0");
  deepEqual(lines, []);
});

Deno.test("a system without prlimit is told, and the program goes on", async () => {
  const lines: string[] = [];
  const missing = () => Promise.reject(new PsoError("unavailable", "prlimit is not installed"));
  await forbidCoreFiles(missing, createLogger({ write: (line) => lines.push(line) }));
  match(lines.join(), /core files of this process are not forbidden.*prlimit is not installed/);
});
