import { parseArgs } from "@std/cli/parse-args";

/** How long a fuzzer runs, and what its random choices begin with. */
export interface FuzzOptions {
  seed: number;
  /** Absent: for ever. */
  seconds?: number;
}

/**
 * How long a test lets a fuzzer run: on CI half a minute for each of its two seeds, elsewhere as
 * long as it takes to see that it works.
 */
export const TEST_SECONDS = Deno.env.get("CI") === "true" ? 30 : 10;

/** Runs a fuzzer by the command line: says the seed first, and at the end what the run saw. */
export async function runFuzzer(fuzz: (options: FuzzOptions) => Promise<unknown>): Promise<void> {
  const flags = parseArgs(Deno.args, { string: ["seed", "seconds"] });
  const seed = Number(flags.seed ?? Date.now() % 1_000_000);
  const seconds = flags.seconds === undefined ? undefined : Number(flags.seconds);
  const say = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
  say(`seed ${seed}, ${seconds === undefined ? "until it is stopped" : `${seconds} s`}`);
  say(JSON.stringify(await fuzz({ seed, seconds })));
}
