import { messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Run } from "../../run.ts";

/**
 * Keeps this process, and every tool that it starts from now on, from leaving a core file: it would
 * hold tokens and passwords. `run` starts tools in the process's own namespaces. A system without
 * prlimit(1) is only told: nothing else is less safe by it.
 */
export async function forbidCoreFiles(run: Run, log: Logger): Promise<void> {
  try {
    await run("prlimit", ["--pid", String(Deno.pid), "--core=0:0"]);
  } catch (error) {
    log.warn("core files of this process are not forbidden", {
      reason: messageOf(error),
      fix: "install util-linux, or start the program with a limit of 0 for core files",
    });
  }
}
