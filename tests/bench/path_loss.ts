// One of two paths is cut while programs write, and later restored: what the writers notice, and
// how long the path takes to heal.
import { complain, runTool } from "../../scripts/shell.ts";
import { pause, until } from "../../src/async/wait.ts";
import { array, PORTALS } from "../lab/array.ts";

export interface PathLoss {
  writes: number;
  errors: number;
  /** The longest time in which a writer got nothing done. */
  stallMs: number;
  /** From the return of the portal until multipathd uses both paths again. */
  healedMs: number;
}

const WRITERS = 4;
/** Until the kernel gives the path up: two NOP time-outs of 5 s and fast_io_fail_tmo 10 s. */
const LOSS_TIMEOUT_MS = 120_000;
const HEAL_TIMEOUT_MS = 180_000;
/** How long the writers go on before the cut, without the path and after it is back. */
const LOAD_MS = 10_000;

/**
 * Writes past the page cache, one piece after another, and prints when each was done and how it
 * ended, until told to stop.
 */
const WRITER = `while [ ! -e "$2" ]; do
  dd if=/dev/zero of="$1" bs=64k count=8 oflag=direct conv=notrunc status=none && ok=0 || ok=$?
  echo "$EPOCHREALTIME $ok"
done`;

/** How many paths multipathd can use now. */
async function activePaths(): Promise<number> {
  const text = await runTool("multipathd", ["show", "paths", "raw", "format", "%t %T %o"]);
  return text.split("\n").filter((line) => /^active ready running$/.test(line.trim())).length;
}

function longestGapMs(lines: string[]): number {
  const seconds = lines.map((line) => Number(line.split(" ")[0]));
  return Math.max(
    ...seconds.slice(1).map((second, index) => (second - (seconds[index] ?? NaN)) * 1000),
  );
}

/**
 * Cuts and restores the second path of the one volume that is attached, while files in `folder` are
 * written.
 */
export async function measurePathLoss(folder: string): Promise<PathLoss> {
  const stop = `${folder}/stop`;
  const portal = PORTALS[1] ?? "";
  const writers = Array.from(
    { length: WRITERS },
    (_, index) => runTool("bash", ["-c", WRITER, "writer", `${folder}/file-${index}`, stop]),
  );
  await pause(LOAD_MS);
  complain(`path ${portal} cut …`);
  await array("path", portal, "down");
  await until("loss of a path", async () => await activePaths() === 1, {
    timeoutMs: LOSS_TIMEOUT_MS,
    intervalMs: 500,
  });
  await pause(LOAD_MS);
  complain(`path ${portal} restored …`);
  await array("path", portal, "up");
  const restored = performance.now();
  await until("return of the path", async () => await activePaths() === 2, {
    timeoutMs: HEAL_TIMEOUT_MS,
    intervalMs: 500,
  });
  const healedMs = performance.now() - restored;
  await pause(LOAD_MS);
  await Deno.writeTextFile(stop, "");
  const lines = (await Promise.all(writers)).map((text) => text.trimEnd().split("\n"));
  const all = lines.flat();
  const errors = all.filter((line) => !line.endsWith(" 0")).length;
  return { writes: all.length, errors, stallMs: Math.max(...lines.map(longestGapMs)), healedMs };
}
