import { fileReason, messageOf, PsoError, UsageError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import type { Config } from "../../config/model.ts";
import { factsOf } from "../check/array_facts.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import type { BundleFile } from "../bundle/bundle_file.ts";
import { clusterDump } from "../bundle/cluster_dump.ts";
import { isUnanswered } from "../check/cluster.ts";
import { lookAtCluster } from "../check/cluster_look.ts";
import { counted, type Found } from "../check/found.ts";
import { type NodeFacts, nodesOf } from "../check/node_look.ts";
import { claimedVolumes } from "../check/volume_look.ts";
import { volumeTable } from "../check/volume_table.ts";
import { readConfiguration, topologyOf } from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import type { KubeTarget } from "./kube_target.ts";
import { structured } from "./output.ts";
import { choiceOf, type SourceChoice, sourceFor, targetFor } from "./sources.ts";
import { tarOf } from "../bundle/tar.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin support-bundle`, as help and completion show it. */
export const SUPPORT_BUNDLE: VerbUse = {
  name: "support-bundle",
  meaning: "collects what support needs, without secrets, into a tar archive or a folder",
  text:
    `Collects what support needs into one tar archive, or into a folder: the findings of admin check, the
configuration without tokens, arrays, volumes, nodes, the driver's objects in the cluster, and the last
lines of its logs. No Secret is read but for the tokens by which arrays are asked. Tokens, passwords,
keys, CHAP secrets, values of variables and foreign annotations are taken out; what only looks like a
secret is, too. Look through it all the same before you send it.`,
  usage: [
    "[--out FILE.tar|DIR] [-f values.yaml]",
    "[--out FILE.tar|DIR] [--kubeconfig FILE] [--context NAME] [-n NAMESPACE]",
  ],
  flags: [
    {
      name: "out",
      value: "FILE",
      meaning: "archive (NAME.tar) or new folder (default pso-support-DATE.tar)",
      elsewhere: ["o", "output", "file"],
    },
    COMMON_FLAGS.values,
    ...COMMON_FLAGS.kube,
    COMMON_FLAGS.help,
  ],
  example: {
    line: "pso-bin admin support-bundle --context production --out case-4711.tar",
    what: "for a case with support",
  },
  notes:
    `Exit codes: 0 written (what could not be read is said in it), 1 not written, 2 wrong use.`,
};

/** `pso-bin admin support-bundle`. */
export async function supportBundle(args: string[], context: AdminContext): Promise<number> {
  const flags = new VerbFlags(SUPPORT_BUNDLE, args);
  const choice = choiceOf(flags);
  const date = new Date(context.now()).toISOString().slice(0, 19).replaceAll(/[:T]/g, "-");
  const out = flags.text("out") ?? `pso-support-${date}.tar`;
  await checkOut(out, context);
  const target = await targetFor(choice, context);
  try {
    const files = await collect(choice, { target, context });
    await write(files, { out, context });
    context.print(`${out}: ${counted(files.length, "file")}; look through it before you send it\n`);
    return 0;
  } finally {
    target?.close();
  }
}

/** Before everything is collected: whether that can be the name of an archive or a new folder. */
async function checkOut(out: string, { realPath }: AdminContext): Promise<void> {
  const name = out.slice(out.lastIndexOf("/") + 1);
  if (name.includes(".") && !out.endsWith(".tar")) {
    throw new UsageError(
      `--out is ${JSON.stringify(out)}, wanted an archive NAME.tar, or a new folder: ${out}/`,
    );
  }
  if (await realPath(out).then(() => true, () => false)) throw isThere(out);
}

function isThere(out: string): UsageError {
  return new UsageError(`${out} is there already: name another file or folder by --out`);
}

/** What is collected from. */
interface Collecting {
  target: KubeTarget | undefined;
  context: AdminContext;
}

async function collect(
  choice: SourceChoice,
  { target, context }: Collecting,
): Promise<BundleFile[]> {
  const source = await sourceFor(choice, { verb: SUPPORT_BUNDLE.name, target, context });
  const read = source && await readConfiguration(source);
  const config = read?.loaded?.config;
  const { now, progress } = context;
  const topology = topologyOf(config);
  const nodes = target && once(() => nodesOf(target.cluster, { progress, ...topology }));
  const cluster = target === undefined || isUnanswered(target.found)
    ? undefined
    : await lookAtCluster(target.cluster, { now, progress, ...topology, nodes });
  const looks = config ? await lookAtArrays(config, context) : [];
  const volumes = config && await volumesFile(config, { looks, target });
  const nodesRead = nodes && await nodesFile(nodes);
  await Promise.all(looks.map((look) => look.close()));
  const lists = [read?.found, target?.found, cluster, ...looks.map(({ found }) => found)];
  const findings = lists.flatMap((list) => list?.all ?? []);
  const dump = target && await clusterDump(target.cluster, { progress });
  return [
    { path: "README.txt", text: readme(context, { findings, leftOut: dump?.leftOut ?? [] }) },
    json("findings", findings),
    json("arrays", looks.map(factsOf)),
    ...(config ? [json("configuration", configurationFacts(config))] : []),
    ...(volumes ? [volumes] : []),
    ...(nodesRead ? [nodesRead] : []),
    ...(dump?.files ?? []),
  ];
}

function json(name: string, value: unknown): BundleFile {
  return { path: `${name}.json`, text: structured(value, "json") };
}

/** What the first page of a bundle tells. */
interface ReadmeFacts {
  findings: readonly Found[];
  /** As in ClusterDump. */
  leftOut: readonly string[];
}

function readme({ now }: AdminContext, { findings, leftOut }: ReadmeFacts): string {
  const wrong = findings.filter(({ level }) => level !== "ok");
  return [
    `Support bundle of pso-bin ${VERSION}, ${new Date(now()).toISOString()}`,
    "",
    "Taken out: API tokens, passwords, keys, CHAP secrets, what looks like one, the values of",
    "variables, and annotations of others. Secrets of the cluster are not in it.",
    "",
    wrong.length === 0 ? "Nothing was found to be wrong." : "What was found to be wrong:",
    ...wrong.map(({ level, object, check, what }) =>
      `  ${level.toUpperCase()} ${object}: ${check}: ${what}`
    ),
    "",
    ...(leftOut.length === 0 ? [] : ["Left out:", ...leftOut.map((line) => `  ${line}`), ""]),
  ].join("\n");
}

/** The configuration as it is used, without what lets anybody in. */
function configurationFacts({ arrays, flasharray, ...settings }: Config): unknown {
  const { iscsiAllowedCidrs, ...rest } = flasharray;
  return {
    ...settings,
    flasharray: { ...rest, iscsiAllowedCidrs: iscsiAllowedCidrs.map(({ text }) => text) },
    arrays: arrays.map(({ token: _token, tls, ...entry }) => ({
      ...entry,
      tls: { verify: tls.verify, fingerprint: tls.fingerprint, hasCa: tls.caPem !== undefined },
    })),
  };
}

async function volumesFile(
  { clusterId }: Config,
  { looks, target }: { looks: readonly ArrayLook[]; target: KubeTarget | undefined },
): Promise<BundleFile> {
  const claimed = target &&
    await claimedVolumes(target.cluster.kube, clusterId).catch(() => undefined);
  return json("volumes", await volumeTable(looks, { cluster: clusterId, claimed }));
}

async function nodesFile(nodes: () => Promise<readonly NodeFacts[]>): Promise<BundleFile> {
  try {
    return json("nodes", await nodes());
  } catch (error) {
    return json("nodes", { problem: messageOf(error) });
  }
}

/** What `work` gives or throws, for everybody who asks, and done once. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => done ??= work();
}

async function write(
  files: readonly BundleFile[],
  { out, context }: { out: string; context: AdminContext },
): Promise<void> {
  const { writeFile, now } = context;
  try {
    if (out.endsWith(".tar")) await writeFile(out, tarOf(files, now()));
    else {
      const folder = out.replace(/\/+$/, "");
      for (const { path, text } of files) {
        await writeFile(`${folder}/${path}`, [new TextEncoder().encode(text)]);
      }
    }
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw isThere(out);
    const what = `${out} cannot be written (${fileReason(error)}): name another one by --out`;
    throw new PsoError("invalid", what, { cause: error });
  }
}
