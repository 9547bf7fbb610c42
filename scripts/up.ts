/** Starts a stand and holds it until a signal. Usage and exit codes stand in `scripts/up`. */
import { parseArgs } from "@std/cli/parse-args";
import { complain, say } from "./shell.ts";
import { type Death, type Stand, type StandOptions, StartCancelled, startStand } from "./stand.ts";

const NUMBERS = ["flasharrays", "flashblades", "nodes", "latency", "concurrency"] as const;

/** The options of a stand, or what is wrong with the arguments. */
export function readOptions(args: string[]): StandOptions | string[] {
  const flags = parseArgs(args, { string: ["state", ...NUMBERS], boolean: ["interpreted"] });
  const known = ["_", "state", "interpreted", ...NUMBERS];
  const problems = [...flags._, ...Object.keys(flags).filter((name) => !known.includes(name))].map((
    one,
  ) => `${one} is not an option`);
  const numbers: Partial<Record<(typeof NUMBERS)[number], number>> = {};
  for (const name of NUMBERS) {
    const text = flags[name];
    if (text === undefined) continue;
    if (/^\d{1,5}$/.test(String(text))) numbers[name] = Number(text);
    else problems.push(`--${name} is ${text}; it must be a whole number`);
  }
  if (typeof flags.state !== "string" || flags.state === "") {
    problems.push("--state DIR is missing: the folder that keeps the stand");
  }
  if (problems.length > 0 || typeof flags.state !== "string") return problems;
  const { flasharrays, flashblades, nodes, latency: latencyMs, concurrency } = numbers;
  return {
    dir: flags.state,
    flasharrays,
    flashblades,
    nodes,
    latencyMs,
    concurrency,
    interpreted: flags.interpreted === true,
  };
}

async function up(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (Array.isArray(options)) {
    for (const problem of options) complain(`up: ${problem}`);
    return 2;
  }
  // Listened to before the start, so that a signal in the middle of it is not lost but stops what
  // has started.
  const stopping = new AbortController();
  const asked = new Promise<undefined>((resolve) =>
    stopping.signal.addEventListener("abort", () => resolve(undefined))
  );
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => stopping.abort());
  }
  let stand: Stand;
  try {
    stand = await startStand({ ...options, signal: stopping.signal });
  } catch (error) {
    if (error instanceof StartCancelled) return 0;
    throw error;
  }
  say(
    `up: ${stand.dir}/up.json, controller ${stand.facts.admin}, ` +
      `${stand.facts.nodes.length} nodes, ${stand.facts.arrays.length} arrays`,
  );
  const death: Death | undefined = await Promise.race([stand.died, asked]);
  if (death) {
    complain(
      `up: ${death.name} ended with code ${death.ended.code}; the end of its ` +
        `log:\n${death.lastWords}`,
    );
  }
  await stand.stop();
  return death ? 1 : 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await up(Deno.args));
  } catch (error) {
    complain(`up: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
