import { SCORE_PARTS } from "../../controller/placement/score.ts";
import { fileFault, isPsoError, messageOf, UsageError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { kubePath } from "../../kube/names.ts";
import { formatSize } from "../../size.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { DRIVER, ifThere } from "../check/cluster.ts";
import { FoundList, worstOf } from "../check/found.ts";
import { nameOf, textAt } from "../check/kube_object.ts";
import { readConfiguration } from "../commands/configuration.ts";
import { type AdminContext, givenName, readGiven, STANDARD_INPUT } from "../commands/context.ts";
import type { KubeTarget } from "../commands/kube_target.ts";
import { structured, tableOf } from "../commands/output.ts";
import { withTroubles } from "../commands/report.ts";
import { choiceOf, sourceFor, targetFor } from "../commands/sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "../commands/verb_flags.ts";
import { type FileClaim, readFileClaim } from "./claim.ts";
import { judge, type JudgedArray, type Judgement } from "./judgement.ts";

/** `pso-bin admin place`, as help and completion show it. */
export const PLACE: VerbUse = {
  name: "place",
  meaning: "says which array a claim would get now, and why",
  text:
    `Reads a claim from a file, asks every array, and says which one would get the volume, by the rules of the
controller. The class is taken from the same file, else from the cluster; without one the claim is judged
by a class without parameters. The configuration is that of --values, else of the installation in the
cluster. Nothing is changed. What only the controller remembers does not count here: how fast an array
is when it is quiet, and what was placed in the last five minutes.`,
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
    { name: "values", value: "FILE", meaning: "values.yaml with the configuration, as for Helm" },
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
    const source = await sourceFor(choice, {
      verb: PLACE.name,
      target,
      context,
      valuesFlag: "--values",
    });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const found = new FoundList(claim.name);
    const storageClass = await classOf(claim, { target, found });
    const isOurs = isOfDriver(storageClass, found);
    const looks = config && isOurs ? await lookAtArrays(config, context) : [];
    const judgement = config && isOurs
      ? await judgedOrTold(() => judge(claim, { config, looks, storageClass }), found)
      : undefined;
    await Promise.all(looks.map((look) => look.close()));
    const chosen = looks.find(({ config: { path } }) =>
      path === judgement?.arrays.find(({ place }) => place === 1)?.entry
    );
    const lists = [read?.found, target?.found, found];
    const findings = [
      ...lists.flatMap((list) => list?.all ?? []).filter(({ level }) => level !== "ok"),
      ...(chosen?.found.all ?? []).filter(({ level }) => level === "fail"),
    ];
    const format = flags.format();
    const wide = flags.isSet("wide");
    const table = judgement ? textOf(judgement, { explain: flags.isSet("explain"), wide }) : "";
    const { colours, columns } = context;
    context.print(
      format === "table"
        ? withTroubles(table, { findings, colours, columns })
        : structured({ ...judgement, problems: findings }, format),
    );
    if ((read && !read.loaded) || (config && !judgement)) return 2;
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

/** The judgement; without one, what is wrong with claim or class is told. */
async function judgedOrTold(
  work: () => Promise<Judgement>,
  found: FoundList,
): Promise<Judgement | undefined> {
  try {
    return await work();
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
}

function textOf(judgement: Judgement, { explain, wide }: TextLook): string {
  const { claim, sizeBytes, chosen, error, kind, group, arrays } = judgement;
  const of = group === undefined ? "" : `, of the group ${group}`;
  const told = chosen === undefined
    ? `${error}\n`
    : `${claim} (${formatSize(sizeBytes)}, ${kind}${of}) goes to ${chosen}\n`;
  return explain ? `${tableFor(arrays, wide)}\n${told}` : told;
}

const HEADINGS = ["PLACE", "ARRAY", "SCORE", ...SCORE_PARTS.map((part) => part.toUpperCase())];
const WIDE_HEADINGS = ["ROOM", "ENTRY", "ID", "LABELS"];

function tableFor(arrays: readonly JudgedArray[], wide: boolean): string {
  const rows = arrays.map(({ place, array, score, parts, reason, ...more }) => [
    place === undefined ? "-" : `${place}`,
    array,
    numberText(score),
    ...SCORE_PARTS.map((part) => numberText(parts?.[part])),
    ...(wide ? wideCells(more) : []),
    reason ?? "",
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
