import { UsageError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import { check, CHECK_HELP } from "./check.ts";
import type { AdminContext } from "./context.ts";

interface Verb {
  help: string;
  /** Gives back the exit code. */
  run: (args: string[], context: AdminContext) => Promise<number>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  check: { help: CHECK_HELP, run: check },
};

/**
 * Runs `pso-bin admin VERB …` and gives back the exit code. UsageError for a verb that does not
 * exist, with the nearest one.
 */
export async function runAdminVerb(
  verb: string,
  args: string[],
  context: AdminContext,
): Promise<number> {
  const found = VERBS[verb];
  if (!found) {
    const known = Object.keys(VERBS);
    const near = nearest(verb, known);
    throw new UsageError(
      `Unknown verb ${JSON.stringify(verb)}: ${
        near ? `did you mean ${near}?` : `use one of ${known.join(", ")}`
      }`,
    );
  }
  if (args.includes("--help") || args.includes("-h")) {
    context.print(found.help);
    return 0;
  }
  return await found.run(args, context);
}
