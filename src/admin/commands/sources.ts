// What a verb works on: a configuration, a cluster, or both.
import { UsageError } from "../../errors.ts";
import { tellUnanswered } from "../check/cluster.ts";
import {
  type ConfigurationSource,
  isMounted,
  liveSource,
  mountedSource,
  valuesSource,
} from "./configuration.ts";
import type { AdminContext } from "./context.ts";
import {
  hasCluster,
  type KubeChoice,
  type KubeTarget,
  openCluster,
  readerWith,
} from "./kube_target.ts";
import type { VerbFlags } from "./verb_flags.ts";

/** What the flags say of where the configuration and the cluster are. */
export interface SourceChoice {
  file?: string;
  kube: KubeChoice;
  /** A flag asks for the cluster. */
  isKubeAsked: boolean;
}

/** The flags -f, --kubeconfig, --context and -n. */
export function choiceOf(flags: VerbFlags): SourceChoice {
  const [kubeconfig, context, namespace] = ["kubeconfig", "context", "n"].map((name) =>
    flags.text(name)
  );
  return {
    file: flags.text("f"),
    kube: { kubeconfig, context, namespace },
    isKubeAsked: [kubeconfig, context, namespace].some((one) => one !== undefined),
  };
}

/**
 * The cluster that a verb looks at: the one of its flags; without flags and without a file the usual
 * one, if there is any and this is no pod with a mounted configuration.
 */
export async function targetFor(
  { file, kube, isKubeAsked }: SourceChoice,
  context: AdminContext,
): Promise<KubeTarget | undefined> {
  if (isKubeAsked) return await openCluster(kube, context);
  if (file !== undefined || await isMounted(context)) return undefined;
  return await hasCluster(context) ? await openCluster(kube, context) : undefined;
}

/** The verb that asks, and the cluster that it looks at. */
interface SourceScope {
  verb: string;
  target: KubeTarget | undefined;
  context: AdminContext;
  /** How a values file is given; default: -f. */
  valuesFlag?: string;
  /** No cluster may be asked for the configuration either. */
  isOffline?: boolean;
}

/**
 * Where the configuration is: the file of -f, else the installation in the cluster, else what is
 * mounted here. UsageError when there is nothing of these; undefined after telling `target` that the
 * installation cannot be read.
 */
export async function sourceFor(
  { file }: SourceChoice,
  { verb, target, context, valuesFlag = "-f", isOffline = false }: SourceScope,
): Promise<ConfigurationSource | undefined> {
  const { readTextFile, standardInput, env } = context;
  const reader = target ? readerWith(target.cluster, readTextFile) : readTextFile;
  if (file !== undefined) {
    return valuesSource(file, { readTextFile: reader, standardInput, env });
  }
  if (target) {
    try {
      return await liveSource(target.cluster);
    } catch (error) {
      tellUnanswered(target.found, { check: "values", error });
      return undefined;
    }
  }
  if (await isMounted(context)) return mountedSource(context);
  if (isOffline) {
    throw new UsageError(
      `admin ${verb} --offline needs a values file: pso-bin admin ${verb} --offline -f values.yaml`,
    );
  }
  throw new UsageError(
    `admin ${verb} needs a values file or a cluster: pso-bin admin ${verb} ${valuesFlag} values.yaml, or ` +
      "--kubeconfig FILE",
  );
}
