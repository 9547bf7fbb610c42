import type { Config } from "../../config/model.ts";
import { UsageError } from "../../errors.ts";
import { NAMESPACES, type Namespaces } from "../../host/host.ts";
import { maskSecrets } from "../../secret.ts";
import { type ArrayFacts, factsOf } from "../check/array_facts.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import { isUnanswered } from "../check/cluster.ts";
import { lookAtCluster } from "../check/cluster_look.ts";
import { type Found, type FoundLevel, worstOf } from "../check/found.ts";
import { tellPrefix } from "../check/prefix_look.ts";
import { claimedNames, claimedVolumes, tellClusterId } from "../check/volume_look.ts";
import { readConfiguration, topologyOf } from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import { type HostReport, lookAtHost } from "./host_report.ts";
import type { KubeTarget } from "./kube_target.ts";
import { structured } from "./output.ts";
import { type Counts, countsOf, findingsTable } from "./report.ts";
import { choiceOf, type SourceChoice, sourceFor, targetFor } from "./sources.ts";
import { COMMON_FLAGS, type Format, VerbFlags, type VerbUse } from "./verb_flags.ts";

/** `pso-bin admin check`, as help and completion show it. */
export const CHECK: VerbUse = {
  name: "check",
  meaning: "checks a configuration, its arrays, the cluster, and with --node this host",
  text:
    `Checks a configuration, every unknown key included, asks each array that it names, and looks at the
driver in a cluster. It changes nothing. The configuration is a values file; without -f it is the
Secret and the ConfigMap of the installation in the cluster, or in a pod of the chart what is mounted.

Of each array: its name and connection, certificate (with the SHA-256 fingerprint that
\`CertFingerprint\` can pin after you compared it with the array's own), REST versions, token, whether
the user's role lets it change anything (proved without a change), model, version, features,
controllers, critical alerts, room, data ports and whether they answer from here, clock, whether
another entry leads to it, and whether another cluster uses the prefix of our volumes.

Of the cluster: CSIDriver, classes, CRDs of snapshots, the controller and who leads, sidecars, nodes
and what they can attach by, PersistentVolumes that still need the driver.`,
  usage: [
    "-f values.yaml [--offline]",
    "[--kubeconfig FILE] [--context NAME] [-n NAMESPACE] [-f values.yaml]",
    "--node [-f values.yaml] [--host-root DIR] [--host-tools HOW]",
  ],
  flags: [
    COMMON_FLAGS.values,
    ...COMMON_FLAGS.kube,
    { name: "offline", meaning: "look at the file only: ask no array and no cluster" },
    {
      name: "node",
      meaning: "check this host too; its clock against the arrays' when there are any",
    },
    {
      name: "host-root",
      value: "DIR",
      meaning: "where the root of the host is mounted (default /host)",
    },
    {
      name: "host-tools",
      value: "HOW",
      meaning: "run the host's tools by nsenter or chroot, or direct (default nsenter)",
      choices: NAMESPACES,
    },
    ...COMMON_FLAGS.output,
    COMMON_FLAGS.help,
  ],
  example: {
    line: "pso-bin admin check -f values.yaml",
    what: "before you install, with the file that you will give to Helm",
  },
  notes:
    `With --node: this program reads /proc, /sys and /dev only below another folder than /. In a node's
pod that is /host. On a plain host make it first:
  mkdir -p /host && mount --rbind / /host && mount --make-rslave /host
and take it away with: umount -R /host

Exit codes: 0 nothing failed (there may be warnings), 1 something failed, or the host cannot use what
flasharray.sanType asks for, 2 wrong use or configuration.`,
};

interface Options extends SourceChoice {
  offline: boolean;
  /** With --node. */
  host?: { root: string; namespaces: Namespaces };
  format: Format;
  wide: boolean;
}

function optionsOf(flags: VerbFlags): Options {
  const namespaces = flags.choice("host-tools", NAMESPACES) ?? "nsenter";
  const offline = flags.isSet("offline");
  const choice = choiceOf(flags);
  if (offline && choice.isKubeAsked) {
    throw new UsageError(
      "--offline asks no cluster: leave it out, or --kubeconfig, --context and -n",
    );
  }
  return {
    ...choice,
    offline,
    host: flags.isSet("node")
      ? { root: flags.text("host-root") ?? "/host", namespaces }
      : undefined,
    format: flags.format(),
    wide: flags.isSet("wide"),
  };
}

/** Everything that was found, as `-o json` has it. */
interface CheckReport {
  result: FoundLevel;
  counts: Counts;
  findings: Found[];
  arrays: ArrayFacts[];
  host?: HostReport["findings"];
}

/** `pso-bin admin check`: changes nothing, anywhere. */
export async function check(args: string[], context: AdminContext): Promise<number> {
  const options = optionsOf(new VerbFlags(CHECK, args));
  const { file, isKubeAsked, offline } = options;
  const isHostAlone = options.host !== undefined && file === undefined && !isKubeAsked;
  const target = isHostAlone || (offline && !isKubeAsked)
    ? undefined
    : await targetFor(options, context);
  try {
    const source = isHostAlone
      ? undefined
      : await sourceFor(options, { verb: CHECK.name, target, context, isOffline: offline });
    const read = source && await readConfiguration(source);
    const config = read?.loaded?.config;
    const cluster = target === undefined || isUnanswered(target.found)
      ? undefined
      : await lookAtCluster(target.cluster, {
        now: context.now,
        ...topologyOf(config),
        progress: context.progress,
      });
    const looks = config === undefined || offline ? [] : await lookAtArrays(config, context);
    if (config) await tellPrefixes(looks, { config, target });
    const host = options.host &&
      await lookAtHost({ ...options.host, path: context.env("PATH") }, { config, looks });
    const lists = [read?.found, target?.found, cluster, ...looks.map(({ found }) => found)];
    const findings = lists.flatMap((list) => list?.all ?? []);
    print({ findings, arrays: looks.map(factsOf), host }, { options, context });
    await Promise.all(looks.map((look) => look.close()));
    if (read && !read.loaded) return 2;
    return worstOf(findings) === "fail" || host?.isUsable === false ? 1 : 0;
  } finally {
    target?.close();
  }
}

/** What the prefix of our volumes is compared with. */
interface PrefixScope {
  config: Config;
  target: KubeTarget | undefined;
}

async function tellPrefixes(
  looks: readonly ArrayLook[],
  { config, target }: PrefixScope,
): Promise<void> {
  // Without the right to list them, only the tags tell.
  const volumes = target && await claimedVolumes(target.cluster.kube, config.clusterId)
    .catch(() => undefined);
  if (volumes && target) {
    tellClusterId(target.found, { cluster: config.clusterId, claimed: volumes });
  }
  const claimed = volumes && claimedNames(volumes);
  await Promise.all(looks.map(async ({ array, found }) => {
    if (array === undefined) return;
    await tellPrefix(array, { cluster: config.clusterId, found, claimed });
  }));
}

type Unjudged = Omit<CheckReport, "result" | "counts" | "host"> & { host?: HostReport };

function print(
  { host, ...report }: Unjudged,
  { options, context }: { options: Options; context: AdminContext },
): void {
  const { format, wide } = options;
  const { findings } = report;
  if (format !== "table") {
    const whole: CheckReport = {
      result: host?.isUsable === false ? "fail" : worstOf(findings),
      counts: countsOf(findings),
      ...report,
      host: host?.findings,
    };
    context.print(structured(whole, format));
    return;
  }
  if (findings.length > 0) {
    const { colours, columns } = context;
    context.print(findingsTable(findings, { colours, columns, wide }));
  }
  if (host) context.print(maskSecrets(host.text));
}
