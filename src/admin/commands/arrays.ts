import { formatSize } from "../../size.ts";
import { type ArrayFacts, factsOf } from "../check/array_facts.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { type Found, worstOf } from "../check/found.ts";
import { readConfiguration } from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import { levelWord, structured, tableOf } from "./output.ts";
import { withTroubles } from "./report.ts";
import { choiceOf, sourceFor, targetFor } from "./sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin arrays`, as help and completion show it. */
export const ARRAYS: VerbUse = {
  name: "arrays",
  meaning: "lists the arrays of a configuration: model, version, room, protocols, state",
  text:
    `Lists the arrays of a configuration, each asked now: its name, model, Purity and REST version, room and
protocols. Below the table stands what is wrong with one; \`pso-bin admin check\` tells more.
The configuration is a values file; without -f it is that of the installation in the cluster.`,
  usage: ["[-f values.yaml] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]"],
  flags: [COMMON_FLAGS.values, ...COMMON_FLAGS.kube, ...COMMON_FLAGS.output, COMMON_FLAGS.help],
  example: {
    line: "pso-bin admin arrays -f values.yaml --wide",
    what: "every array with its id, labels and certificate",
  },
  notes: "Exit codes: 0 every array answers, 1 something failed, 2 wrong use or configuration.",
};

/** `pso-bin admin arrays`. */
export async function arrays(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(ARRAYS, args);
  const choice = choiceOf(flags);
  const target = await targetFor(choice, context);
  try {
    const source = await sourceFor(choice, { verb: ARRAYS.name, target, context });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const looks = config ? await lookAtArrays(config, context) : [];
    const lists = [read?.found, target?.found, ...looks.map(({ found }) => found)];
    const findings = lists.flatMap((list) => list?.all ?? []);
    const facts = looks.map(factsOf);
    await Promise.all(looks.map((look) => look.close()));
    const format = flags.format();
    const { colours, columns } = context;
    context.print(
      format === "table"
        ? tableFor(facts, { findings, wide: flags.isSet("wide"), colours, columns })
        : structured({ arrays: facts, problems: findings.filter(isTrouble) }, format),
    );
    if (read && !read.loaded) return 2;
    return worstOf(findings) === "fail" ? 1 : 0;
  } finally {
    target?.close();
  }
}

function isTrouble({ level }: Found): boolean {
  return level !== "ok";
}

/** How the table looks. */
interface ArraysTable {
  findings: readonly Found[];
  wide: boolean;
  colours: boolean;
  columns?: number;
}

const HEADINGS = ["RESULT", "NAME", "ADDRESS", "MODEL", "PURITY", "REST", "USED", "SERVES"];
const WIDE_HEADINGS = ["ENTRY", "ID", "LABELS", "CERTIFICATE EXPIRES", "SHA-256"];

function tableFor(facts: readonly ArrayFacts[], table: ArraysTable): string {
  const { wide } = table;
  const rows = facts.map((one) => [
    levelWord(one.result, table),
    one.name ?? "-",
    one.address,
    one.model ?? "-",
    one.purity ?? "-",
    one.rest ?? "-",
    one.capacityBytes === undefined
      ? "-"
      : `${formatSize(one.usedBytes ?? 0)} of ${formatSize(one.capacityBytes)}`,
    (one.protocols?.join(", ") || "-") + (one.suspended ? " (suspended)" : ""),
    ...(wide ? wideCells(one) : []),
  ]);
  const listed = rows.length === 0
    ? ""
    : tableOf([...HEADINGS, ...(wide ? WIDE_HEADINGS : [])], rows);
  return withTroubles(listed, table);
}

function wideCells({ entry, id, labels, certificate }: ArrayFacts): string[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [
    entry,
    id ?? "-",
    pairs.join(",") || "-",
    certificate?.expires?.slice(0, 10) ?? "-",
    certificate?.fingerprint ?? "-",
  ];
}
