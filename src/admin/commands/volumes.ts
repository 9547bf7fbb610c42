import { formatSize } from "../../size.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { isUnanswered, tellUnanswered } from "../check/cluster.ts";
import { counted, worstOf } from "../check/found.ts";
import { type ClaimedVolume, claimedVolumes } from "../check/volume_look.ts";
import {
  type VolumeFacts,
  type VolumeState,
  type VolumeTable,
  volumeTable,
} from "../check/volume_table.ts";
import { readConfiguration } from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import type { KubeTarget } from "./kube_target.ts";
import { structured, tableOf } from "./output.ts";
import { fitted, withTroubles } from "./report.ts";
import { choiceOf, sourceFor, targetFor } from "./sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin volumes`, as help and completion show it. */
export const VOLUMES: VerbUse = {
  name: "volumes",
  meaning: "lists the cluster's volumes as the arrays and as Kubernetes know them",
  text:
    `Lists the volumes of this cluster on all arrays: those that bear its prefix, and those that its
PersistentVolumes mean. With a cluster, STATE compares both sides: \`no pv\` is on an array and no
PersistentVolume means it (left over, or another cluster has the same clusterID); \`missing\` is on no array;
\`no array\` means an array that the configuration does not list; \`unknown\` may be on an array that did
not answer. Nothing is changed.`,
  usage: ["[-f values.yaml] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]"],
  flags: [COMMON_FLAGS.values, ...COMMON_FLAGS.kube, ...COMMON_FLAGS.output, COMMON_FLAGS.help],
  example: {
    line: "pso-bin admin volumes --context production",
    what: "before an uninstall, or when the arrays are fuller than expected",
  },
  notes:
    `Exit codes: 0 no volume is missing and every array answered, 1 one is, or did not, 2 wrong use or
configuration.`,
};

/** `pso-bin admin volumes`. */
export async function volumes(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(VOLUMES, args);
  const choice = choiceOf(flags);
  const target = await targetFor(choice, context);
  try {
    const source = await sourceFor(choice, { verb: VOLUMES.name, target, context });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const looks = config ? await lookAtArrays(config, context) : [];
    const claimed = target && await claimsOf(target, config?.clusterId ?? "");
    const table: VolumeTable = config
      ? await volumeTable(looks, { cluster: config.clusterId, claimed })
      : { volumes: [], isCut: false };
    await Promise.all(looks.map((look) => look.close()));
    const lists = [read?.found, target?.found, ...looks.map(({ found }) => found)];
    const findings = lists.flatMap((list) => list?.all ?? []).filter(({ level }) => level !== "ok");
    const format = flags.format();
    const { colours, columns } = context;
    context.print(
      format === "table"
        ? withTroubles(config ? tableFor(table, { wide: flags.isSet("wide"), columns }) : "", {
          findings,
          colours,
          columns,
        })
        : structured({ ...table, problems: findings }, format),
    );
    if (read && !read.loaded) return 2;
    const isLost = table.volumes.some(({ state }) => state === "missing" || state === "no array");
    return isLost || worstOf(findings) === "fail" ? 1 : 0;
  } finally {
    target?.close();
  }
}

async function claimsOf(
  { cluster, found }: KubeTarget,
  prefix: string,
): Promise<ClaimedVolume[] | undefined> {
  if (isUnanswered(found)) return undefined;
  try {
    return await claimedVolumes(cluster.kube, prefix);
  } catch (error) {
    tellUnanswered(found, { check: "volumes", error });
    return undefined;
  }
}

const HEADINGS = ["STATE", "VOLUME", "ARRAY", "SIZE", "USED", "HOSTS", "CLAIM"];
const WIDE_HEADINGS = ["PV", "PHASE", "CLASS", "SERIAL", "CREATED", "HANDLE"];

/** How the table looks. */
interface TableLook {
  wide: boolean;
  columns?: number;
}

function tableFor({ volumes, isCut }: VolumeTable, { wide, columns }: TableLook): string {
  const rows = volumes.map((one) => [
    one.state,
    one.name,
    one.array ?? "-",
    sizeText(one.sizeBytes),
    sizeText(one.usedBytes),
    one.hosts?.join(",") || "-",
    one.claim ?? "-",
    ...(wide ? wideCells(one) : []),
  ]);
  const table = rows.length === 0
    ? ""
    : tableOf([...HEADINGS, ...(wide ? WIDE_HEADINGS : [])], rows);
  const cut = isCut ? ", and more of one array: its list is longer than what is read" : "";
  const groups = Map.groupBy(volumes, ({ state }) => state);
  const states = [...groups].map(([state, { length }]) => `${length} ${state}`).join(", ");
  const counts = groups.size > 1 ? ` (${states})` : "";
  const told = [...groups.keys()].flatMap((state) => {
    const advice = ADVICE[state];
    return advice === undefined
      ? []
      : [`  ${state.padEnd(8)}  ${fitted(advice, { columns, indent: 12 })}\n`];
  });
  const below = told.length > 0 ? `\n${told.join("")}` : "";
  return `${table}${counted(volumes.length, "volume")}${cut}${counts}\n${below}`;
}

/** What a state means to whom it is new, and what to do; absent: nothing. */
const ADVICE: Readonly<Partial<Record<VolumeState, string>>> = {
  "no pv": "no PersistentVolume means it: left over (Retain), or another cluster has the same " +
    "clusterID; find out whose it is before you destroy anything",
  missing: "no array has it: look among the destroyed ones (pso-bin admin undelete)",
  "no array":
    "the configuration does not list the array that its handle names: list that one again",
  unknown: "an array that may have it did not answer: see what is wrong with that one",
  seen:
    "no cluster said whose it is: name one that lets you list PersistentVolumes, by --kubeconfig " +
    "or --context",
};

function wideCells(one: VolumeFacts): string[] {
  const { pv, phase, storageClass, serial, created, handle } = one;
  return [pv, phase, storageClass, serial, created, handle].map((cell) => cell || "-");
}

function sizeText(bytes: number | undefined): string {
  return bytes === undefined ? "-" : formatSize(bytes);
}
