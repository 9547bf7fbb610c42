import type { Config } from "../../config/model.ts";
import type { Topology } from "../../controller/requests.ts";
import { accessibleTopologyOf } from "../../controller/topology.ts";
import { fileReason, messageOf, UsageError } from "../../errors.ts";
import { formatSize } from "../../size.ts";
import { maskSecrets } from "../../secret.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { counted, type Found } from "../check/found.ts";
import {
  assumptionsText,
  claimNameIn,
  isObjectName,
  manifestsOf,
  manifestText,
  shapeOf,
  type Wanted,
  wantedFor,
} from "../undelete/manifest.ts";
import { eradicationNotes } from "../undelete/safe_mode.ts";
import { type Outlook, outlookOf } from "../undelete/obstacles.ts";
import { type Waiting, type WaitingList, waitingVolumes } from "../undelete/waiting.ts";
import { readConfiguration } from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import type { KubeTarget } from "./kube_target.ts";
import { structured, tableOf } from "./output.ts";
import { withTroubles } from "./report.ts";
import { choiceOf, sourceFor, targetFor } from "./sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin undelete`, as help and completion show it. */
export const UNDELETE: VerbUse = {
  name: "undelete",
  meaning: "lists what was deleted and can be brought back, and recovers it",
  text:
    `Lists the volumes of this cluster that were destroyed and that their array has not eradicated yet,
with the time left. With --volume it says what a recovery would do; with --yes it does it: the array makes
the volume live again, and the manifest of its PersistentVolume (reclaim policy Retain) and of its claim
is written from the volume's tags, for \`kubectl create -f\`. Nothing in the cluster is changed. It refuses
while a live volume has the name, and while an array that may have one does not answer.`,
  usage: [
    "[-f values.yaml] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]",
    "--volume NAME [--array NAME] [--claim NS/NAME] [--pv NAME] [--out FILE] [--yes]",
  ],
  flags: [
    COMMON_FLAGS.values,
    ...COMMON_FLAGS.kube,
    { name: "volume", value: "NAME", meaning: "the volume to recover, by its name on the array" },
    { name: "array", value: "NAME", meaning: "the array that has it, where several have" },
    { name: "claim", value: "NS/NAME", meaning: "the claim (default: what its tags say)" },
    { name: "pv", value: "NAME", meaning: "the PersistentVolume (default: what its tags say)" },
    { name: "out", value: "FILE", meaning: "a new file for the manifest (default: it is printed)" },
    { name: "yes", meaning: "recover it" },
    ...COMMON_FLAGS.output,
    COMMON_FLAGS.help,
  ],
  example: {
    line: "pso-bin admin undelete --context production",
    what: "after somebody deleted a claim that was needed",
  },
  notes:
    `Exit codes: 0 done, or listed while every array answered, 1 an array did not, or the volume cannot be
recovered, 2 wrong use or configuration.`,
};

/** `pso-bin admin undelete`: changes nothing without --yes. */
export async function undelete(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(UNDELETE, args);
  const ask = await askOf(flags, context);
  const choice = choiceOf(flags);
  const target = await targetFor(choice, context);
  try {
    const source = await sourceFor(choice, { verb: UNDELETE.name, target, context });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const problems = () =>
      [...read?.found.all ?? [], ...target?.found.all ?? []].filter(({ level }) => level !== "ok");
    if (!config) {
      tell({ problems: problems() }, { flags, context });
      return read ? 2 : 1;
    }
    const looks = await lookAtArrays(config, context);
    try {
      const name = flags.text("volume");
      const question = { cluster: config.clusterId, name };
      const list = await waitingVolumes(looks, question);
      const { clusterId: cluster, topology } = config;
      const scope: Scope = { looks, list, cluster, topology, target, ask };
      return name === undefined
        ? tellList(scope, { flags, context, problems: problems() })
        : await recover(name, scope, { flags, context, problems: problems() });
    } finally {
      await Promise.all(looks.map((look) => look.close()));
    }
  } finally {
    target?.close();
  }
}

/** What the flags ask for. */
type Ask = Partial<Pick<Wanted, "pv" | "claim">>;

/** UsageError for names that Kubernetes would not take, and for a file that is there. */
async function askOf(flags: VerbFlags, { readTextFile }: AdminContext): Promise<Ask> {
  const [claimText, pv, out] = ["claim", "pv", "out"].map((name) => flags.text(name));
  const claim = claimText === undefined ? undefined : claimNameIn(claimText);
  if (claimText !== undefined && claim === undefined) {
    throw new UsageError(`--claim is ${JSON.stringify(claimText)}, wanted NAMESPACE/NAME`);
  }
  if (pv !== undefined && !isObjectName(pv)) {
    throw new UsageError(`--pv is ${JSON.stringify(pv)}, wanted the name of a PersistentVolume`);
  }
  const needing = ["array", "claim", "pv", "out"].find((name) => flags.text(name) !== undefined) ??
    (flags.isSet("yes") ? "yes" : undefined);
  if (needing !== undefined && flags.text("volume") === undefined) {
    throw new UsageError(`--${needing} is used with --volume only`);
  }
  if (out !== undefined && await readTextFile(out).then(() => true, () => false)) {
    throw new UsageError(`${out} is there already: name another file by --out`);
  }
  return { ...(pv === undefined ? {} : { pv }), ...(claim ? { claim } : {}) };
}

/** What the arrays said, and what was asked of them. */
interface Scope {
  looks: readonly ArrayLook[];
  list: WaitingList;
  cluster: string;
  topology: Config["topology"];
  target: KubeTarget | undefined;
  ask: Ask;
}

/** Where the answer goes. */
interface Out {
  flags: VerbFlags;
  context: AdminContext;
}

/** The answer of the verb, in both forms. */
interface Answer {
  problems: readonly Found[];
  text?: string;
  value?: object;
}

function tell(
  { problems, text = "", value = {} }: Answer,
  { flags, context }: Out,
): void {
  const format = flags.format();
  if (format !== "table") context.print(structured({ ...value, problems }, format));
  else {
    const { colours, columns } = context;
    context.print(withTroubles(maskSecrets(text), { findings: problems, colours, columns }));
  }
}

/** One destroyed volume, for programs. */
function factsOf({ volume, array, handle, tags }: Waiting) {
  const { name, id, sizeBytes, serial, createdMs, remainingMs } = volume;
  const { pv, claim } = wantedFor({ volume, array, handle, tags }, {});
  return {
    name,
    array: array.label,
    id,
    serial,
    sizeBytes,
    created: createdMs > 0 ? new Date(createdMs).toISOString() : undefined,
    secondsLeft: remainingMs === undefined ? undefined : Math.floor(remainingMs / 1000),
    claim: claim && `${claim.namespace}/${claim.name}`,
    pv,
    handle,
  };
}

function tellList(
  { list, looks }: Scope,
  { problems, ...out }: Out & { problems: readonly Found[] },
): number {
  const wide = out.flags.isSet("wide");
  const rows = list.waiting.map((one) => {
    const { name, array, sizeBytes, claim, pv, serial, created, id, handle } = factsOf(one);
    const cells = [name, array, formatSize(sizeBytes), leftText(one), claim ?? "-"];
    return wide ? [...cells, pv, serial ?? "-", created ?? "-", id, handle] : cells;
  });
  const headings = ["VOLUME", "ARRAY", "SIZE", "TIME LEFT", "CLAIM"];
  const more = ["PV", "SERIAL", "CREATED", "ID", "HANDLE"];
  const table = rows.length > 0 ? tableOf(wide ? [...headings, ...more] : headings, rows) : "";
  const cut = list.isCut ? ", and more of one array: its list is longer than what is read" : "";
  const how = rows.length > 0 ? ": name one by --volume to see what that does" : "";
  const where = list.silent.length > 0 ? " on the arrays that answered" : "";
  const volumes = counted(rows.length, "destroyed volume");
  const count = `${volumes} that can be recovered${where}${cut}${how}\n`;
  const notes = eradicationNotes(looks).map((note) => `${note}\n`).join("");
  tell({
    problems: [...problems, ...silentFaults(looks, list)],
    text: `${table}${count}${notes}`,
    value: {
      destroyed: list.waiting.map(factsOf),
      isCut: list.isCut,
      notes: eradicationNotes(looks),
    },
  }, out);
  return list.silent.length > 0 ? 1 : 0;
}

/** Why arrays are missing from the list. */
function silentFaults(looks: readonly ArrayLook[], { silent }: WaitingList): Found[] {
  return looks.filter(({ found }) => silent.includes(found.object))
    .flatMap(({ found }) => found.all.filter(({ level }) => level === "fail"));
}

function leftText({ volume: { remainingMs } }: Waiting): string {
  if (remainingMs === undefined) return "unknown";
  const minutes = Math.max(0, Math.floor(remainingMs / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  return days > 0 ? `${days} d ${hours} h` : `${hours} h ${minutes % 60} min`;
}

async function recover(
  name: string,
  scope: Scope,
  { problems, ...out }: Out & { problems: readonly Found[] },
): Promise<number> {
  const { list, looks, cluster, target, ask } = scope;
  const wantedArray = out.flags.text("array");
  const fits = list.waiting.filter(({ array }) =>
    wantedArray === undefined || array.label === wantedArray
  );
  const [one] = fits;
  if (!one || fits.length > 1) {
    const text = one
      ? `${fits.length} arrays have a destroyed volume ${name}: ${
        fits.map(({ array }) => array.label).join(", ")
      }; say which by --array\n`
      : `${await whyNone(name, { looks, wantedArray })}\n`;
    const faults = [...problems, ...silentFaults(looks, list)];
    tell({ problems: faults, text, value: { obstacles: [text.trimEnd()] } }, out);
    return 1;
  }
  const wanted = wantedFor(one, ask);
  const kube = target?.cluster.kube;
  const outlook = await outlookOf(one, { looks, cluster, kube, wanted });
  if (outlook.obstacles.length > 0) {
    const lines = outlook.obstacles.map((obstacle) => `  ${obstacle}\n`).join("");
    const text = `volume ${name} is not recovered, and nothing was changed:\n${lines}`;
    tell({ problems, text, value: { obstacles: outlook.obstacles } }, out);
    return 1;
  }
  const ready = { outlook, wanted, topology: placesOf(one, scope), problems, ...out };
  return await recoverOne(one, ready);
}

/** From where the array is reached, as a new volume of it would say; empty: from everywhere. */
function placesOf({ array }: Waiting, { looks, topology }: Scope): Topology[] {
  const entry = looks.find((look) => look.array === array)?.config;
  return topology.enable && entry ? accessibleTopologyOf(entry.labels, topology.nodeLabels) : [];
}

/** Which array was asked for; absent: any. */
interface Search {
  looks: readonly ArrayLook[];
  wantedArray: string | undefined;
}

/** Why no volume of that name can be recovered. */
async function whyNone(name: string, { looks, wantedArray }: Search): Promise<string> {
  const labels = looks.flatMap(({ array }) => array?.label ?? []);
  if (wantedArray !== undefined && !labels.includes(wantedArray)) {
    return `no array that answered is called ${wantedArray}, but ${
      labels.join(", ") || "none"
    }: correct --array`;
  }
  const live = await Promise.all(looks.map(async ({ array }) => {
    const volume = await array?.findVolume(name).catch(() => undefined);
    return volume && array ? [array.label] : [];
  }));
  const [label] = live.flat();
  if (label !== undefined) return `volume ${name} is live on array ${label}: nothing to recover`;
  const none = wantedArray === undefined
    ? `no array that answered has a destroyed volume ${name}`
    : `array ${wantedArray} has no destroyed volume ${name}`;
  return `${none}: see pso-bin admin undelete`;
}

/** A recovery that nothing stands in the way of. */
interface Ready extends Out {
  outlook: Outlook;
  wanted: Wanted;
  topology: readonly Topology[];
  problems: readonly Found[];
}

async function recoverOne(one: Waiting, ready: Ready): Promise<number> {
  const { outlook: { pv }, wanted, topology, problems, ...out } = ready;
  const { volume, array, handle } = one;
  const isDone = out.flags.isSet("yes");
  const objects = pv === undefined ? manifestsOf(one, wanted, topology) : [];
  if (isDone) {
    try {
      await array.recoverVolume(volume);
    } catch (error) {
      const why = messageOf(error);
      tell({ problems, text: `${why}\n`, value: { obstacles: [why] } }, out);
      return 1;
    }
  }
  const { assumed } = shapeOf(one);
  const assumptions = assumptionsText(assumed);
  const manifest = manifestText(objects, assumed);
  const file = isDone && objects.length > 0 ? out.flags.text("out") : undefined;
  const fault = file === undefined ? undefined : await written(file, { manifest, out });
  const shown =
    `volume ${volume.name} (id ${volume.id}, ${formatSize(volume.sizeBytes)}) on array ` +
    array.label;
  const tail = pv !== undefined
    ? `PersistentVolume ${pv} means it already: no manifest is needed\n`
    : file !== undefined && fault === undefined
    ? `its manifest is ${file}: kubectl create -f ${file}\n${
      assumptions === undefined ? "" : `${assumptions}\n`
    }`
    : `${fault === undefined ? "" : `${fault}\n`}its manifest:\n---\n${manifest}`;
  const claim = wanted.claim === undefined && pv === undefined
    ? "the array does not say whose claim it was: name one by --claim NAMESPACE/NAME\n"
    : "";
  const text = isDone
    ? `${shown} is live again\n${tail}`
    : `${shown} would be recovered, with the handle ${handle}\n${claim}${tail}` +
      "\nNothing was changed. To do it, add --yes\n";
  const value = {
    recovered: isDone,
    volume: factsOf(one),
    objects,
    ...(objects.length === 0 ? {} : { assumed }),
  };
  tell({ problems, text, value }, out);
  return fault === undefined ? 0 : 1;
}

/** Why the file could not be made; undefined when it was. */
async function written(
  file: string,
  { manifest, out }: { manifest: string; out: Out },
): Promise<string | undefined> {
  try {
    await out.context.writeFile(file, [new TextEncoder().encode(manifest)]);
    return undefined;
  } catch (error) {
    return `${file} cannot be written (${fileReason(error)}): put the manifest into another file`;
  }
}
