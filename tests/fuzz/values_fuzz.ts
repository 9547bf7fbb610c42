/**
 * A fuzzer for values files: whatever stands in one, it is taken or refused with a list of
 * problems, in time, and no problem shows a token or a part of one. Open-ended, until it is stopped
 * or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/values_fuzz.ts --seed 1 [--seconds 600]
 */
import { equal, ok } from "node:assert/strict";
import { loadConfig, type LoadedConfig } from "../../src/config/load.ts";
import { ConfigError, PROBLEMS_MAX, problemText } from "../../src/config/problems.ts";
import { CONFIG_LIMITS } from "../../src/config/model.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";
import { canaryOf, valuesText } from "./value_texts.ts";

/** How long one file may take; it counts when it is exceeded three times in a row. */
const LOAD_MS_MAX = 2_000;
/** So many letters of a token in a row are a leak. */
const LEAK_CHARS = 10;
const MODES = ["controller", "controller", "node", "admin"] as const;

/** How much a run saw. */
export interface ValuesCounts {
  taken: number;
  refused: number;
}

/** Runs until the time is over; throws at the first fault, which names the input and the seed. */
export async function fuzzValues({ seed, seconds }: FuzzOptions): Promise<ValuesCounts> {
  const random = new Random(seed);
  const counts: ValuesCounts = { taken: 0, refused: 0 };
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const canary = canaryOf(random);
    const text = valuesText(random, canary);
    const mode = random.pick(MODES);
    try {
      const outcome = await timed(() => outcomeOf(text, { mode, canary }));
      counts[outcome instanceof ConfigError ? "refused" : "taken"]++;
      for (const said of saidBy(outcome)) equal(leakIn(said, canary), undefined, said);
    } catch (error) {
      const input = JSON.stringify({ seed, mode, text });
      throw new Error(`input ${input}: ${(error as Error).message}`, { cause: error });
    }
  }
  return counts;
}

interface Load {
  mode: (typeof MODES)[number];
  canary: string;
}

function outcomeOf(text: string, { mode, canary }: Load): Promise<LoadedConfig | ConfigError> {
  const files: Record<string, string> = {
    "values.yaml": text,
    "/file": `${canary}\n`,
    "/large": "x".repeat(CONFIG_LIMITS.fileBytes + 1),
    "/etc/pure/tokens/a/token": `${canary} ${canary}`,
  };
  const readTextFile = (path: string) => {
    const found = files[path];
    return found === undefined
      ? Promise.reject(new Deno.errors.NotFound(`No such file: ${path}`))
      : Promise.resolve(found);
  };
  const strict = mode === "admin";
  return loadConfig({ valuesFile: "values.yaml", mode, strict, readTextFile }).catch((error) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
}

/** All that people get to see: problems, and the names of arrays. */
function saidBy(outcome: LoadedConfig | ConfigError): string[] {
  const problems = outcome instanceof ConfigError ? outcome.problems : outcome.warnings;
  ok(problems.length <= PROBLEMS_MAX + 1);
  const names = outcome instanceof ConfigError
    ? [outcome.message]
    : outcome.config.arrays.map(({ name }) => name ?? "");
  return [...problems.map(problemText), ...names];
}

/** A part of the token that the text holds, whatever its case and what stands between letters. */
export function leakIn(text: string, canary: string): string | undefined {
  const plain = text.toLowerCase().replaceAll("-", "");
  const letters = canary.toLowerCase().replaceAll(/^t-|-/g, "");
  for (let at = 0; at + LEAK_CHARS <= letters.length; at++) {
    const part = letters.slice(at, at + LEAK_CHARS);
    if (plain.includes(part)) return part;
  }
  return undefined;
}

async function timed<T>(work: () => Promise<T>): Promise<T> {
  let took = 0;
  for (let left = 3; left > 0; left--) {
    const start = performance.now();
    const found = await work();
    took = performance.now() - start;
    if (took <= LOAD_MS_MAX) return found;
  }
  throw new Error(`read for ${Math.round(took)} ms`);
}

if (import.meta.main) await runFuzzer(fuzzValues);
