import { UsageError } from "../../errors.ts";
import { maskSecrets } from "../../secret.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { counted, type Found, FoundList } from "../check/found.ts";
import type { Diagnosis, Evidence, Unknown } from "../doctor/diagnosis.ts";
import { diagnose, type DoctorReport } from "../doctor/doctor.ts";
import { type Repair, repairAll } from "../doctor/repair.ts";
import { readConfiguration } from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import { levelWord, structured, tableOf } from "./output.ts";
import { countsOf, withTroubles } from "./report.ts";
import { choiceOf, sourceFor, targetFor } from "./sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin doctor`, as help and completion show it. */
export const DOCTOR: VerbUse = {
  name: "doctor",
  meaning: "compares the cluster with the arrays, and tells what is out of order and what to do",
  text:
    `Reads the PersistentVolumes, claims, attachments, nodes and snapshots of the cluster, and the
volumes, hosts, exports and snapshots of the arrays, and compares them. Looks for: volume without PV, PV
without volume, wrong host, stale host, doubly connected RWO, size mismatch, stale initiator, export to
nobody, snapshot without content, volume of another cluster with our prefix. What cannot be known, because
an array or the API server does not say it, is told below the findings and is none. Nothing is changed
without --repair, and with it only what is safe whatever else goes on: a destroyed volume that a bound
PersistentVolume means is recovered. It asks for each one, and reads all again right before it changes it.`,
  usage: [
    "[-f values.yaml] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]",
    "--repair [--yes] [-f values.yaml] [--kubeconfig FILE] [--context NAME]",
  ],
  flags: [
    COMMON_FLAGS.values,
    ...COMMON_FLAGS.kube,
    { name: "repair", meaning: "carry out the repairs that are safe, and ask for each" },
    { name: "yes", meaning: "with --repair: do not ask" },
    ...COMMON_FLAGS.output,
    COMMON_FLAGS.help,
  ],
  example: {
    line: "pso-bin admin doctor --context production",
    what: "after a disaster, a restore or work on the arrays",
  },
  notes:
    `Exit codes: 0 nothing is out of order any more and all could be read, 1 something is, or could not,
2 wrong use or configuration.`,
};

/** `pso-bin admin doctor`: changes nothing without --repair. */
export async function doctor(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(DOCTOR, args);
  const confirm = confirmFor(flags, context);
  const choice = choiceOf(flags);
  const target = await targetFor(choice, context) ??
    await targetFor({ ...choice, isKubeAsked: true }, context);
  if (!target) throw new UsageError("admin doctor needs a cluster: --kubeconfig FILE");
  try {
    const source = await sourceFor(choice, { verb: DOCTOR.name, target, context });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const looks: ArrayLook[] = [];
    try {
      const report = config && await diagnose({
        kube: target.cluster.kube,
        config,
        now: context.now,
        progress: context.progress,
        look: async () => {
          looks.push(...await lookAtArrays(config, context));
          return looks;
        },
      });
      const problems = [...read?.found.all ?? [], ...target.found.all]
        .filter(({ level }) => level !== "ok");
      const isTable = flags.format() === "table";
      if (isTable) print({ report, problems, repairs: [] }, { flags, context });
      const repairs = report && confirm
        ? await repairAll(report.findings, {
          kube: target.cluster.kube,
          looks,
          cluster: config.clusterId,
          confirm,
        })
        : [];
      if (isTable && confirm && report) {
        context.print(maskSecrets(repairText(repairs, report.findings.length)));
      }
      if (!isTable) print({ report, problems, repairs }, { flags, context });
      if (read && !read.loaded) return 2;
      return isWell({ report, problems, repairs }) ? 0 : 1;
    } finally {
      await Promise.all(looks.map((look) => look.close()));
    }
  } finally {
    target.close();
  }
}

/**
 * How each repair is agreed to; undefined without --repair. UsageError where a question would have
 * no answer.
 */
function confirmFor(
  flags: VerbFlags,
  { confirm }: AdminContext,
): ((what: string) => Promise<boolean>) | undefined {
  const [isWanted, isAgreed] = [flags.isSet("repair"), flags.isSet("yes")];
  if (!isWanted) {
    if (isAgreed) throw new UsageError("--yes is used with --repair only");
    return undefined;
  }
  if (isAgreed) return () => Promise.resolve(true);
  if (confirm === undefined || flags.format() !== "table") {
    throw new UsageError("--repair asks at a terminal, with the table: use one, or add --yes");
  }
  return (what) => confirm(`${what}?`);
}

function isWell({ report, problems, repairs }: Printed): boolean {
  const repaired = repairs.filter(({ isDone }) => isDone).length;
  return report !== undefined && report.findings.length === repaired &&
    report.unknown.length === 0 && !problems.some(({ level }) => level === "fail");
}

function repairText(repairs: readonly Repair[], findings: number): string {
  if (findings === 0) return "nothing to repair\n";
  if (repairs.length === 0) {
    return "none of it has a repair that is surely safe: do what stands below each finding\n";
  }
  return repairs.map(({ what, why }) =>
    why === undefined ? `done: ${what}\n` : `not done: ${what}: ${why}\n`
  ).join("");
}

/** What was found, and what stood in the way. */
interface Printed {
  report: DoctorReport | undefined;
  problems: readonly Found[];
  repairs: readonly Repair[];
}

function print(
  { report, problems, repairs }: Printed,
  { flags, context }: { flags: VerbFlags; context: AdminContext },
): void {
  const format = flags.format();
  if (format !== "table") {
    context.print(
      structured({ ...report, ...(flags.isSet("repair") ? { repairs } : {}), problems }, format),
    );
    return;
  }
  const { colours, columns } = context;
  const { findings = [], unknown = [] } = report ?? {};
  const table = flags.isSet("wide") && findings.length > 0
    ? tableOf(
      ["RESULT", "CHECK", "OBJECT", "FOUND", "EVIDENCE", "PLAN"],
      findings.map((one) => [
        levelWord(one.level, { colours }),
        one.check,
        one.object,
        one.what,
        evidenceText(one.evidence),
        one.plan,
      ]),
    )
    : withTroubles("", { findings: findings.map(foundOf), colours, columns });
  const parts = [
    withTroubles("", { findings: problems, colours, columns }),
    maskSecrets(table),
    unknown.length > 0 ? maskSecrets(unknownText(unknown)) : "",
  ].filter((part) => part !== "");
  context.print(
    [...parts, report ? lastLine(report) : ""].filter((part) => part !== "").join("\n"),
  );
}

/** As a finding of the other verbs is printed. */
function foundOf({ level, check, object, what, evidence, plan }: Diagnosis): Found {
  const list = new FoundList(object);
  const more = evidenceText(evidence, `${object} ${what}`);
  list[level](check, more === "" ? what : `${what} [${more}]`, plan);
  const [found] = list.all;
  if (!found) throw new Error("a list gives what was put into it");
  return found;
}

/** Names, ids and times; without those that `said` tells already. */
function evidenceText(evidence: Evidence, said = ""): string {
  return Object.entries(evidence).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const text = Array.isArray(value) ? value.join(", ") : String(value);
    return text === "" || said.includes(text) ? [] : [`${spoken(key)} ${text}`];
  }).join("; ");
}

/** `pvSizeBytes` as people write it. */
function spoken(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(/^pv/, "PV");
}

function unknownText(unknown: readonly Unknown[]): string {
  const rows = unknown.map(({ check, object, why }) => [check, object, why]);
  return `Not known\n${tableOf(["CHECK", "OBJECT", "WHY"], rows)}`;
}

function lastLine({ findings, unknown, volumes, persistentVolumes, arrays }: DoctorReport): string {
  const { fail, warn } = countsOf(
    findings.map(({ level, check, object, what }) => ({ level, check, object, what })),
  );
  const pvs = persistentVolumes === undefined
    ? "unknown PersistentVolumes"
    : counted(persistentVolumes, "PersistentVolume");
  return `${counted(findings.length, "finding")} (${fail} FAIL, ${warn} WARN), ` +
    `${unknown.length} not known; ${counted(volumes, "volume")} of ${counted(arrays, "array")} ` +
    `compared with ${pvs}\n`;
}
