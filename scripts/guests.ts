/** Runs test files in guests of tests/lab. */
import { exists } from "./paths.ts";
import { DENO, ROOT } from "./program.ts";
import { inLanes, runShown } from "./run_shown.ts";
import { complain, say } from "./shell.ts";
import { type Counts, readCounts, TEST_COMMAND } from "./suites.ts";
import type { Surroundings } from "./surroundings.ts";

const LAB = `${ROOT}/tests/lab/lab`;

/** Why no guest can be started here, after installing what is missing; `undefined` when one can. */
export async function guestProblem(
  around: Surroundings,
  timeoutMs: number,
): Promise<string | undefined> {
  if (Deno.uid() !== 0) {
    return "a guest needs root, for the packages it is made of and for the machine it runs on";
  }
  const { code } = await runShown([LAB, "build"], { env: around.env, timeoutMs });
  return code === 0
    ? undefined
    : `the guest cannot be built here (code ${code}): see what is said above`;
}

/**
 * A guest has one emulated processor and waits for devices and time-outs part of its life: two
 * guests take little longer than one on a machine of two cores.
 */
const GUESTS_AT_ONCE = 2;

interface GuestRun {
  around: Surroundings;
  timeoutMs: number;
  isCi: boolean;
}

/**
 * Runs each test file in a guest of its own, some side by side. A guest has no network: what the
 * tests import is fetched before.
 */
export async function runInGuests(
  files: string[],
  run: GuestRun,
): Promise<Counts[]> {
  const frozen = run.isCi ? ["--frozen"] : [];
  const cache = [DENO, "cache", "--quiet", ...frozen, ...files, `${ROOT}/main.ts`];
  const { code } = await runShown(cache, { env: {}, timeoutMs: run.timeoutMs });
  if (code !== 0) return [{ passed: 0, failed: 1, skipped: 0 }];
  const counts: Counts[] = [];
  await inLanes(files, GUESTS_AT_ONCE, async (file) => {
    counts.push(
      await runInGuest(file, run).catch((error) => {
        complain(`test: ${file}: ${error}`);
        return { passed: 0, failed: 1, skipped: 0 };
      }),
    );
  });
  return counts;
}

async function runInGuest(
  file: string,
  { around, timeoutMs }: GuestRun,
): Promise<Counts> {
  say(`--- ${file} begins`);
  const begun = performance.now();
  const onHost = file.replace("_test.ts", "_host.ts");
  if (await exists(`${ROOT}/${onHost}`)) {
    const { code } = await runShown([DENO, "run", "-A", "--no-check", onHost], {
      env: around.env,
      timeoutMs,
    });
    if (code !== 0) return { passed: 0, failed: 1, skipped: 0 };
  }
  const seconds = String(timeoutMs / 1000 - 30);
  const env = { ...around.env, DENO, TMPDIR: "/tmp" };
  const passed = around.env.PSO_INTERPRETED === undefined ? [] : ["-e", "PSO_INTERPRETED"];
  const boot = (flags: string[], command: string) =>
    runShown([LAB, "run", "-C", ROOT, "-t", seconds, ...passed, ...flags, `deno ${command}`], {
      env,
      timeoutMs,
      late: true,
    });
  const setup = file.replace("_test.ts", "_setup.ts");
  const hasFirstLife = await exists(`${ROOT}/${setup}`);
  const disk = hasFirstLife ? ["-d", `${around.tmp}/disk`] : [];
  try {
    const first = hasFirstLife
      ? await boot(disk, `run -A --no-check --cached-only ${setup}`)
      : undefined;
    if (first && first.code !== 0) return { passed: 0, failed: 1, skipped: 0 };
    const { code, output } = await boot(
      disk,
      `${TEST_COMMAND.join(" ")} --no-check --cached-only ${file}`,
    );
    say(`--- ${file} took ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    return readCounts(output, code);
  } finally {
    // a guest that never began has made none
    if (hasFirstLife) await Deno.remove(`${around.tmp}/disk`).catch(() => {});
  }
}
