import { SCORE_PARTS } from "../../controller/placement/score.ts";
import { fileFault, isPsoError, messageOf, UsageError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { kubePath } from "../../kube/names.ts";
import { formatSize } from "../../size.ts";
import { DRIVER, ifThere } from "../check/cluster.ts";
import { FoundList, worstOf } from "../check/found.ts";
import { nameOf, textAt } from "../check/kube_object.ts";
import { type AdminContext, givenName, readGiven, STANDARD_INPUT } from "../commands/context.ts";
import type { KubeTarget } from "../commands/kube_target.ts";
import { structured, tableOf } from "../commands/output.ts";
import { withTroubles } from "../commands/report.ts";
import { choiceOf, targetFor } from "../commands/sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "../commands/verb_flags.ts";
import { type FileClaim, readFileClaim } from "./claim.ts";
import { askedClaim, judge, type JudgedArray, type Judgement } from "./judgement.ts";
import { sightFor, sightLine } from "./sight.ts";

/** `pso-bin admin place`, as help and completion show it. */
export const PLACE: VerbUse = {
  name: "place",
  meaning: "says which array a claim would get now, and why",
  text: `Reads a claim from a file and says which array would get the volume, by the rules of the
controller and by what the controller that leads knows of its arrays: it is asked through the API
server. Where it cannot be asked, and with --values, the arrays are asked from this machine; the
answer says so. What only the leader remembers does not count then: how fast an array is when it is
quiet, what was placed in the last five minutes, which array is silent for it. The class is taken
from the file of the claim, else from the cluster; without one the claim is judged by a class
without parameters. Nothing is changed.`,
  usage: [
    "-f claim.yaml [--explain] [--values FILE]",
    "-f claim.yaml [--explain] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]",
  ],
  flags: [
    {
      name: "f",
      value: "FILE",
      meaning: "the claim, and its class if need be, as for kubectl; - for standard input",
      elsewhere: ["filename", "file"],
    },
    {
      name: "explain",
      meaning: "every array, with each part of its score or the reason against it",
    },
    {
      name: "values",
      value: "FILE",
      meaning: "values.yaml with the configuration, as for Helm; the leader is not asked then",
    },
    ...COMMON_FLAGS.kube,
    ...COMMON_FLAGS.output,
    COMMON_FLAGS.help,
  ],
  example: {
    line: "pso-bin admin place --explain -f pvc.yaml --context production",
    what: "why a claim waits, or where it would go",
  },
  notes:
    `Exit codes: 0 an array takes the volume, 1 none does or something failed, 2 wrong use, claim or
configuration.`,
};

/** `pso-bin admin place`. */
export async function placeClaim(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(PLACE, args);
  const file = flags.text("f");
  if (file === undefined) throw new UsageError("admin place needs a claim: -f claim.yaml");
  const choice = { ...choiceOf(flags), file: flags.text("values") };
  if (file === STANDARD_INPUT && choice.file === STANDARD_INPUT) {
    throw new UsageError("-f and --values are both standard input: name a file for one of them");
  }
  const claim = readFileClaim(await claimText(file, context), givenName(file));
  const target = await targetFor(choice, context);
  try {
    const found = new FoundList(claim.name);
    const storageClass = await classOf(claim, { target, found });
    const asked = isOfDriver(storageClass, found)
      ? refusedOrTold(() => askedClaim(claim, storageClass), found)
      : undefined;
    const sight = await sightFor({ verb: PLACE.name, choice, target, asked, context });
    const { scope, seenBy } = sight;
    const judgement = asked && scope && refusedOrTold(() => judge(asked, scope), found);
    const lists = [...sight.findings, ...target?.found.all ?? [], ...found.all];
    const findings = [
      ...lists.filter(({ level }) => level !== "ok"),
      ...sight.faultsOf(judgement?.arrays.find(({ place }) => place === 1)),
    ];
    const format = flags.format();
    const shown = { explain: flags.isSet("explain"), wide: flags.isSet("wide") };
    const table = judgement ? textOf(judgement, { ...shown, sight: sightLine(seenBy) }) : "";
    const { colours, columns } = context;
    context.print(
      format === "table"
        ? withTroubles(table, { findings, colours, columns })
        : structured({ ...judgement, seenBy, problems: findings }, format),
    );
    if (sight.isWrong || (scope && !judgement)) return 2;
    return judgement?.chosen === undefined || worstOf(findings) === "fail" ? 1 : 0;
  } finally {
    target?.close();
  }
}

async function claimText(file: string, context: AdminContext): Promise<string> {
  try {
    return await readGiven(file, context);
  } catch (error) {
    throw new UsageError(
      `${givenName(file)} ${fileFault(error)}: give the file of a claim, or - for standard input`,
    );
  }
}

/** What `work` gives; when it refuses claim or class, undefined after telling why. */
function refusedOrTold<T>(work: () => T, found: FoundList): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isPsoError(error)) throw error;
    found.fail("claim", error.message);
    return undefined;
  }
}

/** Whether the class is one of this driver's; another one is told. */
function isOfDriver(storageClass: KubeObject | undefined, found: FoundList): boolean {
  const provisioner = textAt(storageClass, "provisioner");
  // In the file of a claim a class may be cut down to its parameters.
  if (provisioner === "" || provisioner === DRIVER) return true;
  found.fail(
    "class",
    `StorageClass ${nameOf(storageClass)} has the provisioner ${provisioner}: this driver, ` +
      `${DRIVER}, makes no volume of it`,
    "name a class of this driver in the claim",
  );
  return false;
}

/** The class of the claim: of the file, else of the cluster; what is not known is told. */
async function classOf(
  { className, storageClass }: FileClaim,
  { target, found }: { target: KubeTarget | undefined; found: FoundList },
): Promise<KubeObject | undefined> {
  if (storageClass) return storageClass;
  const unknown = (why: string) =>
    found.warn(
      "class",
      `${className ?? "the default class"} ${why}: judged by a class without parameters`,
      "put the StorageClass into the file of the claim, or correct its storageClassName",
    );
  if (!target) {
    unknown("is not in the file");
    return undefined;
  }
  try {
    const { kube } = target.cluster;
    if (className !== undefined) {
      const path = kubePath`/apis/storage.k8s.io/v1/storageclasses/${className}`;
      const object = await ifThere(kube, path);
      if (!object) unknown("is neither in the file nor in the cluster");
      return object;
    }
    const classes = await kube.list({ path: "/apis/storage.k8s.io/v1/storageclasses" });
    const isDefault = (one: KubeObject) =>
      textAt(one, "metadata", "annotations", "storageclass.kubernetes.io/is-default-class") ===
        "true";
    const fallback = classes.find(isDefault);
    if (!fallback) unknown("does not exist");
    return fallback;
  } catch (error) {
    unknown(`cannot be read (${messageOf(error)})`);
    return undefined;
  }
}

/** What the table shows. */
interface TextLook {
  explain: boolean;
  wide: boolean;
  /** Whose knowledge it is: a line. */
  sight: string;
}

function textOf(judgement: Judgement, { explain, wide, sight }: TextLook): string {
  const { claim, sizeBytes, chosen, error, kind, group, arrays } = judgement;
  const of = group === undefined ? "" : `, of the group ${group}`;
  const told = chosen === undefined
    ? `${error}\n`
    : `${claim} (${formatSize(sizeBytes)}, ${kind}${of}) goes to ${chosen}\n`;
  return `${explain ? `${tableFor(arrays, wide)}\n` : ""}${told}${sight}\n`;
}

const HEADINGS = ["PLACE", "ARRAY", "SCORE", ...SCORE_PARTS.map((part) => part.toUpperCase())];
const WIDE_HEADINGS = ["ROOM", "ENTRY", "ID", "LABELS"];

function tableFor(arrays: readonly JudgedArray[], wide: boolean): string {
  const rows = arrays.map(({ place, array, score, parts, reason, remark, ...more }) => [
    place === undefined ? "-" : `${place}`,
    array,
    numberText(score),
    ...SCORE_PARTS.map((part) => numberText(parts?.[part])),
    ...(wide ? wideCells(more) : []),
    reason ?? remark ?? "",
  ]);
  return tableOf([...HEADINGS, ...(wide ? WIDE_HEADINGS : []), "AGAINST IT"], rows);
}

function wideCells({ roomBytes, entry, id, labels }: Partial<JudgedArray>): string[] {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    roomBytes === undefined ? "-" : formatSize(roomBytes),
    entry ?? "-",
    id ?? "-",
    pairs.join(",") || "-",
  ];
}

function numberText(value: number | undefined): string {
  return value === undefined ? "-" : value.toFixed(4);
}
