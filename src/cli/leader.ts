import { UsageError } from "../errors.ts";
import type { Flags, NamespacedName } from "./flag_values.ts";
import { dashed } from "./flags.ts";
import {
  type ConfigFrom,
  credentialsFolder,
  type KubeOptions,
  parseConfigFrom,
  podOf,
} from "./kube.ts";

/** How a controller takes part in the choice of the leader. */
export interface LeaderOptions {
  lease: NamespacedName;
  /** This process' pod. */
  pod: string;
  /** `namespace/name` of the installation. */
  release?: string;
}

/** What a controller does with the API of Kubernetes. */
export interface ClusterOptions {
  /** Absent: this controller is alone. */
  leader?: LeaderOptions;
  /** Empty: the configuration is read from files. */
  configFrom: ConfigFrom[];
  /** Absent: neither is wanted. */
  kube?: KubeOptions;
}

/**
 * What `--lease`, `--kube-config-from` and the flags beside them say. UsageError for a flag that
 * needs one of them, and when the pod of a candidate has no name.
 */
export function parseCluster(
  flags: Flags,
  env: (name: string) => string | undefined,
): ClusterOptions {
  const lease = flags.namespacedName("lease");
  const release = flags.namespacedName("release");
  const configFrom = parseConfigFrom(flags);
  if (lease === undefined && release !== undefined) {
    throw new UsageError(`${dashed("release")} is for a controller with a lease only: add --lease`);
  }
  const namespace = (lease ?? configFrom[0])?.namespace;
  if (namespace === undefined) {
    if (flags.text("kube-credentials") === undefined) return { configFrom };
    throw new UsageError(
      `${dashed("kube-credentials")} is for a controller that asks Kubernetes only: add --lease ` +
        "or --kube-config-from",
    );
  }
  const pod = podOf(env, namespace);
  if (lease && !pod) {
    throw new UsageError(
      `--lease needs the name of this pod, and POD_NAME is ${
        JSON.stringify(env("POD_NAME") ?? "")
      }: ` +
        "set it from the field metadata.name of the pod",
    );
  }
  return {
    configFrom,
    kube: { credentials: credentialsFolder(flags), ...pod && { pod } },
    ...lease && pod && {
      leader: {
        lease,
        pod: pod.name,
        ...release && { release: `${release.namespace}/${release.name}` },
      },
    },
  };
}
