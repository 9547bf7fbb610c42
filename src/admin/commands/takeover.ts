import { stringify } from "@std/yaml";
import { loadConfig } from "../../config/load.ts";
import { ForbiddenFile } from "../../config/arrays/named_files.ts";
import type { Config } from "../../config/model.ts";
import { UsageError } from "../../errors.ts";
import { maskSecrets } from "../../secret.ts";
import { ApiKinds } from "../takeover/api_kinds.ts";
import { Backup } from "../takeover/backup.ts";
import type { Installation } from "../takeover/installation.ts";
import { kubeCluster } from "../takeover/kube_cluster.ts";
import { planText, problemsText, shellLine } from "../takeover/report.ts";
import { restore } from "../takeover/restore.ts";
import {
  helmCommand,
  isTakenOver,
  planTakeover,
  resume,
  takeOver,
  type TakeoverPlan,
  type TakeoverRequest,
} from "../takeover/takeover.ts";
import { lookAtVolumes } from "../takeover/volumes.ts";
import { type AdminContext, refuseStandardInput } from "./context.ts";
import { openCluster } from "./kube_target.ts";
import { choiceOf, type SourceChoice } from "./sources.ts";
import { COMMON_FLAGS, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** Longest time for the pods of a workload to end. */
const PODS_MS = 10 * 60_000;

/** `pso-bin admin takeover`, as help and completion show it. */
export const TAKEOVER: VerbUse = {
  name: "takeover",
  meaning: "prepares a cluster with PSO 5 or 6 for the helm upgrade to this driver",
  text:
    `Takes a cluster over from PSO 5 or 6, whose objects stop a plain \`helm upgrade\` in the middle, with
both controllers at work. Without --yes it changes nothing: it says what stands in the way and what
it would do. With --yes it
  1. saves every object of PSO in a new folder,
  2. scales PSO's controller to 0 and waits until its pods are gone,
  3. mends the release record of Helm, if it names kinds that the cluster does not serve any more,
  4. deletes what cannot be changed: the CSIDriver of PSO 5, the DaemonSet of PSO 6,
  5. prints the \`helm upgrade\` to run next.
Running pods go on all the while. It refuses while a PersistentVolume of the driver is not found on
an array by its handle, an array does not answer, or a VolumeAttachment is half done.`,
  usage: [
    "[-f values.yaml] [--yes [--backup DIR]] [--kubeconfig FILE] [-n NAMESPACE]",
    "--resume DIR [-f values.yaml]",
    "--restore DIR",
  ],
  flags: [
    {
      ...COMMON_FLAGS.values,
      meaning: "the values for the upgrade (default: those of PSO's release)",
    },
    ...COMMON_FLAGS.kube.map((flag) =>
      flag.name === "n" ? { ...flag, meaning: "of PSO (default: where its controller is)" } : flag
    ),
    { name: "yes", meaning: "do it" },
    {
      name: "backup",
      value: "DIR",
      meaning: "the new folder for what there was (default pso-takeover-NAMESPACE-TIME)",
    },
    { name: "resume", value: "DIR", meaning: "go on with a take-over that ended in the middle" },
    { name: "restore", value: "DIR", meaning: "give back what a take-over changed" },
    {
      name: "release",
      value: "NAME",
      meaning: "the new release, where Helm has none of PSO any more (default pure-csi)",
    },
    COMMON_FLAGS.help,
  ],
  example: {
    line: "pso-bin admin takeover -f values.yaml",
    what: "see what a take-over would do, and what stands in its way",
  },
  notes:
    `Each step can be repeated: after an error or a crash run --resume with the folder. --restore can be
run at any time, also after the helm upgrade; it then prints the \`helm rollback\` that ends it.

Exit codes: 0 done, or nothing stands in the way, 1 refused or failed, 2 wrong use.`,
};

/** What the flags ask for. */
interface Options extends SourceChoice {
  yes: boolean;
  backup?: string;
  resume?: string;
  restore?: string;
  release: string;
}

function optionsOf(flags: VerbFlags): Options {
  const [backup, resume, restore] = ["backup", "resume", "restore"].map((name) => flags.text(name));
  const yes = flags.isSet("yes");
  const modes = [yes, resume !== undefined, restore !== undefined].filter((is) => is);
  if (modes.length > 1) {
    throw new UsageError("--yes, --resume and --restore: give only one of them");
  }
  if (backup !== undefined && !yes) throw new UsageError("--backup is used with --yes only");
  refuseStandardInput("-f", flags.text("f"), "helm reads the same values afterwards; name a file");
  const release = flags.text("release") ?? "pure-csi";
  return { ...choiceOf(flags), yes, backup, resume, restore, release };
}

/** One call of the verb. */
interface Call {
  options: Options;
  context: AdminContext;
  request: TakeoverRequest;
}

/** `pso-bin admin takeover`: changes nothing without --yes, --resume or --restore. */
export async function takeover(args: string[], context: AdminContext): Promise<number> {
  const options = optionsOf(new VerbFlags(TAKEOVER, args));
  const target = await openCluster(options.kube, context);
  const { kube, name } = target.cluster;
  const request: TakeoverRequest = {
    cluster: kubeCluster(kube, name),
    namespace: options.kube.namespace,
    newRelease: options.release,
    loadConfig: (found) => configFor(found, { options, context }),
    lookAtVolumes,
    waitMs: PODS_MS,
    tell: (line) => context.print(maskSecrets(`${line}\n`)),
    progress: context.progress,
    now: context.now,
  };
  try {
    const call = { options, context, request };
    return options.restore === undefined ? await go(call) : await goBack(call, options.restore);
  } finally {
    target.close();
  }
}

/** The configuration of -f, or the values that PSO's release was given. */
async function configFor(
  { release }: Installation,
  { options: { file }, context }: Pick<Call, "options" | "context">,
): Promise<Config> {
  const { env } = context;
  const [newest] = release?.records ?? [];
  if (file === undefined && !newest) {
    throw new UsageError(
      "Helm has no release of PSO whose values could be used: name the values file by -f",
    );
  }
  const name = file ?? `values of release ${release?.name}`;
  if (file !== undefined) {
    const { readTextFile } = context;
    return (await loadConfig({ valuesFile: name, mode: "admin", readTextFile, env })).config;
  }
  const { config } = await loadConfig({
    valuesFile: name,
    mode: "admin",
    readTextFile: () => Promise.resolve(stringify(newest?.values ?? {})),
    // Helm's record is an object of the cluster: whoever writes it would choose files of this machine.
    readNamedFile: () =>
      Promise.reject(
        new ForbiddenFile(
          "is not read for values that come from the cluster",
          "put the values into a file, look at what they name, and give it by -f",
        ),
      ),
    env,
  });
  return config;
}

async function go({ options, context, request }: Call): Promise<number> {
  context.progress("looking at the cluster and the arrays");
  const isResumed = options.resume !== undefined;
  const plan = await planTakeover(request, { isResumed });
  context.progress("");
  const say = (text: string) => context.print(maskSecrets(text));
  if (isTakenOver(plan.found)) {
    say(`Nothing to do: the cluster ${request.cluster.name} has this driver already.\n`);
    return 0;
  }
  say(planText(plan));
  if (plan.problems.length > 0) {
    say(problemsText(plan));
    return 1;
  }
  const folder = options.resume ?? options.backup ?? folderFor(plan, context.now());
  const next = helmLine(helmCommand(plan, { file: options.file, folder }), options);
  say("\n");
  if (options.resume !== undefined) await resume(request, { plan, folder });
  else if (options.yes) await takeOver(request, { plan, folder });
  else {
    say(`Nothing was changed. To do it, add --yes; then comes\n  ${next}\n`);
    return 0;
  }
  const back = ["pso-bin", "admin", "takeover", ...clusterFlags(options, "--context")];
  say(`\nNow run\n  ${next}\nThe way back: ${shellLine([...back, "--restore", folder])}\n`);
  return 0;
}

async function goBack({ options, context, request }: Call, folder: string): Promise<number> {
  const { cluster, waitMs, tell } = request;
  const backup = await Backup.open(folder, cluster);
  const { helm, note } = await restore({
    cluster,
    backup,
    kinds: new ApiKinds(cluster),
    waitMs,
    tell,
  });
  const lines = [
    helm ? `Now run\n  ${helmLine(helm, options)}` : "Everything is as it was.",
    ...note === undefined ? [] : [note],
  ];
  context.print(`${lines.join("\n")}\n`);
  return 0;
}

/** The flags by which a program reaches the same cluster; Helm calls the second one otherwise. */
function clusterFlags({ kube: { kubeconfig, context } }: Options, contextFlag: string): string[] {
  return [
    ...kubeconfig === undefined ? [] : ["--kubeconfig", kubeconfig],
    ...context === undefined ? [] : [contextFlag, context],
  ];
}

function helmLine(args: string[], options: Options): string {
  return shellLine(["helm", ...clusterFlags(options, "--kube-context"), ...args]);
}

/** `pso-takeover-pso-20260131-235959` */
function folderFor({ found }: TakeoverPlan, now: number): string {
  const time = new Date(now).toISOString().replaceAll(/[-:]|\..*/g, "").replace("T", "-");
  return `pso-takeover-${found.namespace}-${time}`;
}
