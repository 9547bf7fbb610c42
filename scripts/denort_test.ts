import assert from "node:assert/strict";
import { skip } from "../tests/skips.ts";
import { runtimeInside } from "./denort.ts";
import { DENO, DENO_VERSION, ROOT } from "./program.ts";
import { runTool } from "./shell.ts";

const KEPT = `${ROOT}/.tools/denort-${DENO_VERSION}/x86_64/denort`;

/** Whether a build has fetched a runtime before; a unit test fetches none. */
function hasRuntime(): boolean {
  try {
    return Deno.statSync(KEPT).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: "runtimeInside() gives back, byte for byte, the runtime that deno compile was given",
  ignore: !hasRuntime() &&
    skip(
      "runtimeInside() on a compiled program",
      "no build has been made here: run ./scripts/build first",
    ),
  fn: async () => {
    const work = await Deno.makeTempDir({ prefix: "pso-denort-" });
    try {
      await Deno.writeTextFile(`${work}/one.ts`, "Deno.exit(0);\n");
      const args = [
        "compile",
        "--quiet",
        "--no-config",
        "--no-check",
        "--output",
        `${work}/one`,
        `${work}/one.ts`,
      ];
      await runTool(DENO, args, { cwd: work, env: { DENORT_BIN: KEPT } });
      const [program, runtime] = await Promise.all([
        Deno.readFile(`${work}/one`),
        Deno.readFile(KEPT),
      ]);
      assert.notEqual(program.length, runtime.length);
      assert.ok(hasSameBytes(runtimeInside(program), runtime), "the runtime is not what went in");
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  },
});

/** Compares large arrays without the report that deepEqual would make of a difference. */
function hasSameBytes(found: Uint8Array, want: Uint8Array): boolean {
  return found.length === want.length && found.every((byte, at) => byte === want[at]);
}

Deno.test("runtimeInside() refuses a program that deno compile did not make", async () => {
  const program = await Deno.readFile(await Deno.realPath("/proc/self/exe"));
  assert.throws(() => runtimeInside(program), /was not made by deno compile/);
});
