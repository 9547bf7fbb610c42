import { UsageError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import { ARRAYS, arrays } from "./arrays.ts";
import { CHECK, check } from "./check.ts";
import { COMPLETION, completionOf } from "./completion.ts";
import type { AdminContext } from "./context.ts";
import { DOCTOR, doctor } from "./doctor.ts";
import { NODES, nodes } from "./nodes.ts";
import { PLACE, placeClaim } from "../place/place.ts";
import { SUPPORT_BUNDLE, supportBundle } from "./support_bundle.ts";
import { TAKEOVER, takeover } from "./takeover.ts";
import { UNDELETE, undelete } from "./undelete.ts";
import { helpOf, type VerbUse } from "./verb_flags.ts";
import { VOLUMES, volumes } from "./volumes.ts";

interface Verb {
  use: VerbUse;
  /** Gives back the exit code. */
  run: (args: string[], context: AdminContext) => Promise<number>;
}

const VERBS: readonly Verb[] = [
  { use: CHECK, run: check },
  { use: ARRAYS, run: arrays },
  { use: VOLUMES, run: volumes },
  { use: NODES, run: nodes },
  { use: PLACE, run: placeClaim },
  { use: DOCTOR, run: doctor },
  { use: UNDELETE, run: undelete },
  { use: SUPPORT_BUNDLE, run: supportBundle },
  { use: TAKEOVER, run: takeover },
  { use: COMPLETION, run: completionOf(() => VERB_LIST) },
];

/** Every verb and what it does, for `pso-bin admin --help`. */
export const VERB_LIST: readonly VerbUse[] = VERBS.map(({ use }) => use);

/**
 * Runs `pso-bin admin VERB …` and gives back the exit code. UsageError for a verb that does not
 * exist, with the nearest one.
 */
export async function runAdminVerb(
  verb: string,
  args: string[],
  context: AdminContext,
): Promise<number> {
  const found = VERBS.find(({ use }) => use.name === verb);
  if (!found) {
    const known = VERBS.map(({ use }) => use.name);
    const near = nearest(verb, known);
    throw new UsageError(
      `Unknown verb ${JSON.stringify(verb)}: ${
        near ? `did you mean ${near}?` : `use one of ${known.join(", ")}`
      }`,
    );
  }
  if (args.includes("--help") || args.includes("-h")) {
    context.print(helpOf(found.use, context.columns));
    return 0;
  }
  try {
    return await found.run(args, context);
  } finally {
    context.progress(""); // what is printed after a fault begins on a line of its own
  }
}
