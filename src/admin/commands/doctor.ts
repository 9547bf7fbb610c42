import { UsageError } from "../../errors.ts";
import { maskSecrets } from "../../secret.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { counted, type Found, FoundList } from "../check/found.ts";
import type { Diagnosis, Evidence, Unknown } from "../doctor/diagnosis.ts";
import { diagnose, type DoctorReport } from "../doctor/doctor.ts";
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
an array or the API server does not say it, is told below the findings and is none. Nothing is changed.`,
  usage: ["[-f values.yaml] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]"],
  flags: [COMMON_FLAGS.values, ...COMMON_FLAGS.kube, ...COMMON_FLAGS.output, COMMON_FLAGS.help],
  example: {
    line: "pso-bin admin doctor --context production",
    what: "after a disaster, a restore or work on the arrays",
  },
  notes:
    `Exit codes: 0 nothing is out of order and all could be read, 1 something is, or could not, 2 wrong
use or configuration.`,
};

/** `pso-bin admin doctor`: changes nothing, anywhere. */
export async function doctor(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(DOCTOR, args);
  const choice = choiceOf(flags);
  const target = await targetFor(choice, context) ??
    await targetFor({ ...choice, isKubeAsked: true }, context);
  if (!target) throw new UsageError("admin doctor needs a cluster: --kubeconfig FILE");
  try {
    const source = await sourceFor(choice, { verb: DOCTOR.name, target, context });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const looks: ArrayLook[] = [];
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
    await Promise.all(looks.map((look) => look.close()));
    const problems = [...read?.found.all ?? [], ...target.found.all]
      .filter(({ level }) => level !== "ok");
    print({ report, problems }, { flags, context });
    if (read && !read.loaded) return 2;
    return isWell(report, problems) ? 0 : 1;
  } finally {
    target.close();
  }
}

function isWell(report: DoctorReport | undefined, problems: readonly Found[]): boolean {
  return report !== undefined && report.findings.length === 0 && report.unknown.length === 0 &&
    !problems.some(({ level }) => level === "fail");
}

/** What was found, and what stood in the way. */
interface Printed {
  report: DoctorReport | undefined;
  problems: readonly Found[];
}

function print(
  { report, problems }: Printed,
  { flags, context }: { flags: VerbFlags; context: AdminContext },
): void {
  const format = flags.format();
  if (format !== "table") {
    context.print(structured({ ...report, problems }, format));
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
  context.print(parts.map((part) => `${part}\n`).join("") + (report ? lastLine(report) : ""));
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
