import assert from "node:assert/strict";
import { silentLogger } from "../../log.ts";
import { createRun } from "./command.ts";

const path = Deno.env.get("PATH");
const run = createRun({ namespaces: "direct", hostRoot: "/", log: silentLogger, path });

/**
 * A program that starts a tool, waits for it for 100 ms, tells how that ended, and has no more. Its
 * clock runs ten times as fast.
 */
const PROGRAM = `
const wait = globalThis.setTimeout;
globalThis.setTimeout = (work, ms) => wait(work, ms / 10);
import { createRun } from ${JSON.stringify(import.meta.resolve("./command.ts"))};
import { silentLogger } from ${JSON.stringify(import.meta.resolve("../../log.ts"))};
const path = Deno.env.get("PATH");
const run = createRun({ namespaces: "direct", hostRoot: "/", log: silentLogger, path });
const [file = ""] = Deno.args;
await run("tee", [file], { stdin: "x", timeoutMs: 100 }).catch((error) => {
  console.log(error.code, error.message);
});
`;

/** Runs `work` with a folder of a frozen file system: whoever writes there waits in state D. */
async function withFrozen(work: (frozen: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pso-hang-" });
  const frozen = `${folder}/frozen`;
  await Deno.mkdir(frozen);
  await run("truncate", ["-s", "16M", `${folder}/image`]);
  await run("mkfs.ext4", ["-q", `${folder}/image`]);
  await run("mount", ["-o", "loop", `${folder}/image`, frozen]);
  await run("fsfreeze", ["--freeze", frozen]);
  try {
    await work(frozen, folder);
  } finally {
    await run("fsfreeze", ["--unfreeze", frozen]);
    // The tools that were given up end now, and only then is the mount free.
    for (let left = 100; left > 0; left--) {
      if ((await run("umount", [frozen], { okCodes: [0, 32] })).code === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await run("rm", ["-rf", "--one-file-system", folder]);
  }
}

Deno.test("a tool that SIGKILL does not end is given up, and keeps no program from ending", () =>
  withFrozen(async (frozen, folder) => {
    await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
    const options = ["run", "--allow-all", "--quiet", "--no-check"];
    const { stdout } = await run(Deno.execPath(), [
      ...options,
      `${folder}/program.ts`,
      `${frozen}/file`,
    ], { timeoutMs: 15_000 });
    assert.match(
      stdout,
      /^timeout tee \S+ did not end within 100 ms, and SIGKILL does not end it: process \d+ hangs/,
    );
  }));
