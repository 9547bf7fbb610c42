import { UsageError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import { check, CHECK_HELP } from "./check.ts";
import type { AdminContext } from "./context.ts";

interface Verb {
  /** One line for the list of verbs. */
  meaning: string;
  help: string;
  /** Gives back the exit code. */
  run: (args: string[], context: AdminContext) => Promise<number>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  check: {
    meaning: "checks a values file, every array that it names, and with --node this host",
    help: CHECK_HELP,
    run: check,
  },
};

/** Every verb and what it does, for `pso-bin admin --help`. */
export const VERB_LIST: readonly { name: string; meaning: string }[] = Object.entries(VERBS).map((
  [name, { meaning }],
) => ({ name, meaning }));

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
